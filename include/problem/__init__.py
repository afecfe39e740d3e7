"""What every problem is made of, whatever it predicts."""

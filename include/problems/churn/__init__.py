"""Whether a customer leaves within the next month."""

"""Training sets: planned, built, checked, published and read, each version for good."""

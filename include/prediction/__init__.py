"""Predictions on request and in batches, and the log of them."""

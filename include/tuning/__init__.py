"""The search for good parameters, and its trials."""

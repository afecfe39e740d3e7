"""What is predicted, and from what: a folder a problem."""

"""Why there is a reason to train again, and what came of it."""

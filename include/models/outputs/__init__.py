"""What a model says beyond what its estimator gives: one module a task, one table of them."""

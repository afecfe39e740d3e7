"""All that speaks to MLflow: runs, the registry, and local copies of registered models."""

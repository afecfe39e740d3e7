"""Where models are fitted: by the task itself, or by the workers of a Dask cluster."""

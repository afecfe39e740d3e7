"""What pages read: from Airflow, MLflow and the warehouse."""

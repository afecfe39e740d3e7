"""The only room that knows Airflow, for DAG files to be tables of contents."""

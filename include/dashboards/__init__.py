"""Dashboards and playground: a web application that Airflow shows inside its own pages, or that runs alone."""

# Secrets are made empty here and filled by `python -m include.deployment secrets`: no value is ever in the state.
# The database administrator's password is made, kept and rotated by RDS.

locals {
  # Secret -> what it holds is said in include/deployment/secret_values.py, which fills them by these names.
  secrets = toset([
    "airflow-database", "mlflow-database", "warehouse", "broker",
    "fernet-key", "jwt-secret", "api-secret-key",
    "automation-password", "user-passwords", "airflow-api", "smtp", "alert-urls",
    "mlflow-reader-password", "mlflow-writer-password",
    "serving-api-key", "serving-webhook-secret",
  ])

  airflow_secrets = {
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN = "airflow-database"
    AIRFLOW__CORE__FERNET_KEY           = "fernet-key"
  }
  # Who hands tasks out and who takes them; who signs the tokens of tasks and who checks them.
  queue  = { AIRFLOW__CELERY__BROKER_URL = "broker" }
  tokens = { AIRFLOW__API_AUTH__JWT_SECRET = "jwt-secret" }

  warehouse = { AIRFLOW_CONN_WAREHOUSE = "warehouse" }
  reader    = { MLFLOW_TRACKING_PASSWORD = "mlflow-reader-password" }
  alerts = {
    AIRFLOW_CONN_AIRFLOW_API  = "airflow-api"
    AIRFLOW_CONN_SMTP_DEFAULT = "smtp"
    ALERT_URLS                = "alert-urls"
  }
  worker_secrets = merge(local.airflow_secrets, local.queue, local.warehouse, local.alerts, { MLFLOW_TRACKING_PASSWORD = "mlflow-writer-password" })

  # Program -> environment variable -> secret. A program is given what it needs, as in docker-compose.yaml, and nothing
  # else.
  secrets_of = {
    api-server     = merge(local.airflow_secrets, local.tokens, local.warehouse, local.reader, { AIRFLOW__API__SECRET_KEY = "api-secret-key" })
    scheduler      = merge(local.airflow_secrets, local.queue, local.tokens)
    dag-processor  = merge(local.airflow_secrets, local.warehouse, local.reader, local.alerts)
    triggerer      = merge(local.airflow_secrets, local.warehouse, local.alerts)
    worker-default = local.worker_secrets
    worker-cpu     = local.worker_secrets
    mlflow = merge(local.reader, {
      MLFLOW_BACKEND_STORE_URI = "mlflow-database"
      MLFLOW_READER_PASSWORD   = "mlflow-reader-password"
      MLFLOW_WRITER_PASSWORD   = "mlflow-writer-password"
    })
    serving = merge(local.reader, {
      SERVING_WAREHOUSE_URL  = "warehouse"
      SERVING_API_KEY        = "serving-api-key"
      SERVING_WEBHOOK_SECRET = "serving-webhook-secret"
    })
    migrations = merge(local.airflow_secrets, {
      MLFLOW_BACKEND_STORE_URI = "mlflow-database"
      WAREHOUSE_ADDRESS        = "warehouse"
      AUTOMATION_PASSWORD      = "automation-password"
      USER_PASSWORDS           = "user-passwords"
      ALERT_URLS               = "alert-urls" # A setting, which is checked before anything starts.
    })
  }
}

resource "aws_secretsmanager_secret" "main" {
  for_each = local.secrets
  name     = "${local.name}/${each.key}"
  # A secret that was deleted by mistake can be had back; staging's name is free at once.
  recovery_window_in_days = local.is_production ? 30 : 0
}

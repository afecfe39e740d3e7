# The programs, as a table: what docker-compose.yaml runs on one machine, on Fargate. Other sizes are other numbers here,
# which hold from the next delivery on; how many tasks an existing service has, Terraform leaves alone (docs/production.md,
# Scaling out workers).

locals {
  addresses = {
    airflow     = "https://airflow.${var.domain}"
    predictions = "https://predictions.${var.domain}"
    api_server  = "http://api-server.${aws_service_discovery_private_dns_namespace.main.name}:8080"
    mlflow      = "http://mlflow.${aws_service_discovery_private_dns_namespace.main.name}:5000"
  }

  airflow_environment = merge(var.settings, {
    AIRFLOW__CORE__EXECUTOR                 = "CeleryExecutor"
    AIRFLOW__CORE__AUTH_MANAGER             = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL = "${local.addresses.api_server}/execution/"
    AIRFLOW__CORE__DAGS_FOLDER              = "/opt/mltrain/dags"
    AIRFLOW__CORE__PLUGINS_FOLDER           = "/opt/mltrain/plugins"
    # The image is the bundle: it is built of one commit, and its digest says which.
    AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST = jsonencode([{
      name      = "mltrain"
      classpath = "airflow.dag_processing.bundles.local.LocalDagBundle"
      kwargs    = { path = "/opt/mltrain" }
    }])
    AIRFLOW__API__HOST                       = "0.0.0.0"
    AIRFLOW__API__PORT                       = "8080"
    AIRFLOW__API__BASE_URL                   = local.addresses.airflow
    AIRFLOW__API__WORKER_TIMEOUT             = tostring(local.idle_seconds + 10) # It keeps connections for as long.
    AIRFLOW__API_AUTH__JWT_ISSUER            = local.name
    AIRFLOW__FAB__ENABLE_PROXY_FIX           = "True"
    AIRFLOW__LOGGING__REMOTE_LOGGING         = "True"
    AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER = "s3://${aws_s3_bucket.main["logs"].bucket}/tasks"
    AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID     = "aws_default"
    AIRFLOW_CONN_AWS_DEFAULT                 = "aws://"
    AWS_DEFAULT_REGION                       = var.region
    MLFLOW_TRACKING_URI                      = local.addresses.mlflow
    MLFLOW_TRACKING_USERNAME                 = "reader"
  })
  mlflow_environment = {
    MLFLOW_HOST                  = "0.0.0.0"
    MLFLOW_PORT                  = "5000"
    MLFLOW_SERVER_ALLOWED_HOSTS  = "${trimprefix(local.addresses.mlflow, "http://")},localhost:*"
    MLFLOW_ARTIFACTS_DESTINATION = "s3://${aws_s3_bucket.main["artifacts"].bucket}/mlflow"
    AWS_DEFAULT_REGION           = var.region
    MLFLOW_TRACKING_USERNAME     = "reader" # For its health check.
  }
  serving_environment = merge(var.settings, {
    SERVING_HOST             = "0.0.0.0"
    SERVING_PORT             = "8100"
    MLFLOW_TRACKING_URI      = local.addresses.mlflow
    MLFLOW_TRACKING_USERNAME = "reader"
  })
  migration_environment = merge(local.airflow_environment, {
    # The password is PGPASSWORD, which libpq takes where an address has none. RDS's administrator is no superuser:
    # without the option it could make the databases' owners, but not give them their databases.
    DATABASE_ADMIN_ADDRESS = "postgresql://postgres@${aws_db_instance.main.endpoint}/postgres?sslmode=require&options=-ccreaterole_self_grant%3Dset"
  })

  # Tasks write to MLflow, Airflow's other programs read.
  worker_environment = merge(local.airflow_environment, { MLFLOW_TRACKING_USERNAME = "writer" })

  # A group has a role and a security group of its own.
  airflow = { group = "airflow", environment = local.airflow_environment }
  workers = { group = "airflow", environment = local.worker_environment }
  mlflow  = { group = "mlflow", environment = local.mlflow_environment }
  serving = { group = "serving", environment = local.serving_environment }
  two     = local.is_production ? 2 : 1
  run     = ["python", "-m", "include.team.airflow"]
  worker  = concat(local.run, ["celery", "worker", "--skip-serve-logs", "--queues"])

  # Celery workers that are asked to end finish their tasks first, for as long as Fargate lets them: two minutes. What
  # is cut off then is tried again and goes on where it was.
  programs = {
    api-server     = merge(local.airflow, { command = concat(local.run, ["api-server"]), cpu = 1024, memory = 3072, count = local.two, port = 8080 })
    scheduler      = merge(local.airflow, { command = concat(local.run, ["scheduler"]), cpu = 1024, memory = 2048, count = local.two })
    dag-processor  = merge(local.airflow, { command = concat(local.run, ["dag-processor"]), cpu = 512, memory = 2048, count = 1 })
    triggerer      = merge(local.airflow, { command = concat(local.run, ["triggerer"]), cpu = 512, memory = 2048, count = local.two })
    worker-default = merge(local.workers, { command = concat(local.worker, ["default", "--concurrency", "4"]), cpu = 2048, memory = 8192, count = local.two })
    worker-cpu     = merge(local.workers, { command = concat(local.worker, ["cpu", "--concurrency", "2"]), cpu = 4096, memory = 8192, count = var.cpu_workers.fewest })
    mlflow         = merge(local.mlflow, { command = ["python", "-m", "include.tracking_server"], cpu = 1024, memory = 3072, count = local.two, port = 5000 })
    serving        = merge(local.serving, { command = ["python", "-m", "include.serving"], cpu = 1024, memory = 2048, count = local.two, port = 8100 })
  }

  # What ECS runs inside each container to learn whether its program does its work; without it, a program that is started
  # again and again would count as one that runs. As in docker-compose.yaml, but for Airflow's own loops: the API server,
  # which is asked there, knows the newest heartbeat alone, whichever of two schedulers it is from, and ECS would replace
  # them all while it is away. Airflow's own command takes seconds of CPU, so that it is run seldom.
  looks = {
    api-server     = ["page", "http://localhost:8080/execution/health", "http://localhost:8080/api/v2/monitor/health"]
    worker-default = ["worker"]
    worker-cpu     = ["worker"]
    mlflow         = ["tracking", "http://localhost:5000"]
    serving        = ["page", "http://localhost:8100/healthz"]
  }
  jobs      = { scheduler = "SchedulerJob", dag-processor = "DagProcessorJob", triggerer = "TriggererJob" }
  look      = ["CMD", "python", "-m", "include.team.health"]
  check_job = ["CMD", "python", "-m", "include.team.start", "airflow", "jobs", "check", "--local", "--job-type"]
  health = merge(
    { for program, what in local.looks : program => { command = concat(local.look, what), interval = 60, timeout = 20 } },
    { for program, job in local.jobs : program => { command = concat(local.check_job, [job]), interval = 120, timeout = 60 } },
  )
  # As long as a database or a broker may be away before tasks that run are cut off by new programs.
  seconds_unwell = 600
}

resource "aws_ecs_cluster" "main" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "programs" {
  for_each          = toset(concat(keys(local.programs), ["migrations"]))
  name              = "/${var.project}/${var.environment}/${each.key}"
  retention_in_days = local.is_production ? 90 : 14
}

resource "aws_service_discovery_private_dns_namespace" "main" {
  name = "${local.name}.internal"
  vpc  = aws_vpc.main.id
}

resource "aws_service_discovery_service" "main" {
  for_each = toset(["api-server", "mlflow"])
  name     = each.key

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.main.id

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  # ECS tells it of a task's health: others find those alone that answer.
  health_check_custom_config {
    failure_threshold = 1
  }
}

locals {
  # The migrations are a program that ends: the delivery runs them before it touches the others.
  defined = merge(local.programs, {
    migrations = {
      group       = "airflow"
      command     = ["python", "-m", "include.team.migrate"]
      cpu         = 1024
      memory      = 2048
      environment = local.migration_environment
    }
  })
  administrator_password = "${aws_db_instance.main.master_user_secret[0].secret_arn}:password::"
}

resource "aws_ecs_task_definition" "main" {
  for_each                 = local.defined
  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.programs[each.value.group].arn

  container_definitions = jsonencode([{
    name         = each.key
    image        = var.image
    command      = each.value.command
    essential    = true
    stopTimeout  = 120
    environment  = [for key, value in each.value.environment : { name = key, value = value }]
    portMappings = [for port in compact([lookup(each.value, "port", "")]) : { containerPort = tonumber(port), protocol = "tcp" }]
    secrets = concat(
      [for key, secret in local.secrets_of[each.key] : { name = key, valueFrom = aws_secretsmanager_secret.main[secret].arn }],
      [for key in each.key == "migrations" ? ["PGPASSWORD"] : [] : { name = key, valueFrom = local.administrator_password }],
    )
    healthCheck = try(merge(local.health[each.key], {
      startPeriod = 120
      retries     = local.seconds_unwell / local.health[each.key].interval
    }), null)
    linuxParameters = { initProcessEnabled = true }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.programs[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
      }
    }
  }])
}

resource "aws_ecs_service" "main" {
  for_each               = local.programs
  name                   = each.key
  cluster                = aws_ecs_cluster.main.id
  task_definition        = aws_ecs_task_definition.main[each.key].arn
  desired_count          = each.value.count
  launch_type            = "FARGATE"
  enable_execute_command = local.has_shells
  propagate_tags         = "SERVICE"

  # A release whose tasks do not come up is taken back by ECS itself.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = [for subnet in aws_subnet.private : subnet.id]
    security_groups = [aws_security_group.parts[each.value.group].id]
  }

  dynamic "service_registries" {
    for_each = contains(keys(aws_service_discovery_service.main), each.key) ? [each.key] : []
    content {
      registry_arn = aws_service_discovery_service.main[each.key].arn
    }
  }

  dynamic "load_balancer" {
    for_each = contains(keys(local.entrances), each.key) ? [each.value.port] : []
    content {
      target_group_arn = aws_lb_target_group.main[each.key].arn
      container_name   = each.key
      container_port   = load_balancer.value
    }
  }

  health_check_grace_period_seconds = contains(keys(local.entrances), each.key) ? 180 : null
  depends_on                        = [aws_lb_listener_rule.main, aws_iam_role_policy.programs, aws_iam_role_policy.shell, aws_iam_role_policy.start]

  # The delivery changes the task definition, autoscaling or a person the number.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }
}

# More tuning workers while the present ones are busy; services that answer people by their own load.
locals {
  scaled = {
    worker-cpu = { fewest = var.cpu_workers.fewest, most = var.cpu_workers.most, busy = 70 }
    serving    = { fewest = local.two, most = local.two * 4, busy = 60 }
  }
}

resource "aws_appautoscaling_target" "main" {
  for_each           = local.scaled
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.main.name}/${aws_ecs_service.main[each.key].name}"
  min_capacity       = each.value.fewest
  max_capacity       = each.value.most
}

resource "aws_appautoscaling_policy" "main" {
  for_each           = local.scaled
  name               = "${local.name}-${each.key}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.main[each.key].service_namespace
  scalable_dimension = aws_appautoscaling_target.main[each.key].scalable_dimension
  resource_id        = aws_appautoscaling_target.main[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.busy
    scale_in_cooldown  = 900
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

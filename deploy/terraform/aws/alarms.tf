# What somebody has to get up for; Airflow itself tells by mail of tasks that fail. See docs/production.md.

locals {
  balancer = { LoadBalancer = aws_lb.main.arn_suffix }
  database = { DBInstanceIdentifier = aws_db_instance.main.identifier }

  # A scheduler that hangs is replaced; its CPU says nothing, since its health check uses some.
  alarms = {
    airflow-away   = { of = "AWS/ApplicationELB", metric = "HealthyHostCount", is = "LessThanThreshold", value = 1, statistic = "Minimum", dimensions = merge(local.balancer, { TargetGroup = aws_lb_target_group.main["api-server"].arn_suffix }) }
    serving-away   = { of = "AWS/ApplicationELB", metric = "HealthyHostCount", is = "LessThanThreshold", value = 1, statistic = "Minimum", dimensions = merge(local.balancer, { TargetGroup = aws_lb_target_group.main["serving"].arn_suffix }) }
    answers-fail   = { of = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", is = "GreaterThanThreshold", value = 20, statistic = "Sum", dimensions = local.balancer }
    database-full  = { of = "AWS/RDS", metric = "FreeStorageSpace", is = "LessThanThreshold", value = 5 * 1024 * 1024 * 1024, statistic = "Minimum", dimensions = local.database }
    database-busy  = { of = "AWS/RDS", metric = "CPUUtilization", is = "GreaterThanThreshold", value = 90, statistic = "Average", dimensions = local.database }
    scheduler-away = { of = "ECS/ContainerInsights", metric = "RunningTaskCount", is = "LessThanThreshold", value = 1, statistic = "Minimum", dimensions = { ClusterName = aws_ecs_cluster.main.name, ServiceName = "scheduler" } }
  }
}

resource "aws_cloudwatch_metric_alarm" "main" {
  for_each            = local.alarms
  alarm_name          = "${local.name}-${each.key}"
  namespace           = each.value.of
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.is
  threshold           = each.value.value
  period              = 60
  evaluation_periods  = 5
  # A program that is gone reports nothing.
  treat_missing_data = each.value.is == "LessThanThreshold" ? "breaching" : "notBreaching"
  alarm_actions      = compact([var.alarm_topic_arn])
  ok_actions         = compact([var.alarm_topic_arn])
}

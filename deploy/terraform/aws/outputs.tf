output "addresses" {
  description = "Where people find Airflow and the predictions, once DNS points at the load balancer."
  value       = { airflow = local.addresses.airflow, predictions = local.addresses.predictions }
}

output "load_balancer" {
  description = "Target of the DNS records of both addresses."
  value       = aws_lb.main.dns_name
}

output "delivery_role" {
  description = "Variable AWS_ROLE of the GitHub environment."
  value       = aws_iam_role.delivery.arn
}

output "repository" {
  description = "Variable ECR_REPOSITORY of the GitHub environment."
  value       = aws_ecr_repository.main.repository_url
}

output "cluster" {
  description = "Variable ECS_CLUSTER of the GitHub environment."
  value       = aws_ecs_cluster.main.name
}

output "database_host" {
  description = "What `python -m include.deployment secrets` puts into the databases' addresses."
  value       = aws_db_instance.main.address
}

output "broker_host" {
  description = "What `python -m include.deployment secrets` puts into the broker's address."
  value       = aws_elasticache_replication_group.broker.primary_endpoint_address
}

variable "environment" {
  description = "staging or production: part of every name, and the GitHub environment that may deploy here."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "The environment is staging or production."
  }
}

variable "domain" {
  description = "Domain of the addresses: airflow.<domain> and predictions.<domain>."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate for *.<domain>, in the same region."
  type        = string
}

variable "image" {
  description = "Image of the first deployment, by digest; later ones are made by the delivery workflow."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by digest (...@sha256:...), so that what runs cannot change unseen."
  }
}

variable "github_repository" {
  description = "owner/name of the repository whose workflow may deploy."
  type        = string

  validation {
    condition     = can(regex("^[^/*]+/[^/*]+$", var.github_repository))
    error_message = "Give owner/name, without wildcards."
  }
}

variable "project" {
  description = "First part of every name."
  type        = string
  default     = "mltrain"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,9}$", var.project))
    error_message = "Up to ten small letters and digits: the longest name that AWS takes of a target group is 32."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "allowed_networks" {
  description = "Who may reach the load balancer: the office, the VPN. Airflow's login stands behind it in any case."
  type        = list(string)
}

variable "settings" {
  description = "Settings of .env that differ here, such as SOURCE, MONTHS and ALERT_TO_ERROR."
  type        = map(string)
  default     = {}
}

variable "network" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.20.0.0/16"
}

variable "database_class" {
  description = "Size of the Postgres server."
  type        = string
  default     = "db.t4g.large"
}

variable "cpu_workers" {
  description = "Fewest and most workers for tuning; they are added while tasks wait."
  type        = object({ fewest = number, most = number })
  default     = { fewest = 1, most = 6 }
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told of alarms; none: they show in CloudWatch alone."
  type        = string
  default     = null
}

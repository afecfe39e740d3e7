# One environment (staging or production) on AWS: Fargate services, RDS Postgres, S3 and a load balancer.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket, key and region are given to `terraform init`, so that each environment has a state of its own.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = var.project, environment = var.environment, managed-by = "terraform" }
  }
}

data "aws_caller_identity" "current" {}

data "aws_availability_zones" "available" {
  state = "available"
}

locals {
  name = "${var.project}-${var.environment}"
  # What production must not lose, and what staging may.
  is_production = var.environment == "production"
}

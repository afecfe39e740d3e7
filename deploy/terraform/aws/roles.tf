# Who may do what: ECS to start programs, the programs themselves, and the delivery workflow.

data "aws_iam_policy_document" "ecs" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "start" {
  name               = "${local.name}-start"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

data "aws_iam_policy_document" "start" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.main.arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for group in aws_cloudwatch_log_group.programs : "${group.arn}:*"]
  }

  statement {
    actions = ["secretsmanager:GetSecretValue"]
    resources = concat(
      [for secret in aws_secretsmanager_secret.main : secret.arn],
      [aws_db_instance.main.master_user_secret[0].secret_arn],
    )
  }
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

# Artifacts go through MLflow's server alone, logs through Airflow's programs; the serving process needs no AWS at all.
locals {
  buckets_of = { airflow = ["logs"], mlflow = ["artifacts"], serving = [] }
}

resource "aws_iam_role" "programs" {
  for_each           = local.buckets_of
  name               = "${local.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

data "aws_iam_policy_document" "programs" {
  for_each = { for program, buckets in local.buckets_of : program => buckets if length(buckets) > 0 }

  statement {
    actions   = ["s3:ListBucket"]
    resources = [for bucket in each.value : aws_s3_bucket.main[bucket].arn]
  }

  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [for bucket in each.value : "${aws_s3_bucket.main[bucket].arn}/*"]
  }
}

resource "aws_iam_role_policy" "programs" {
  for_each = data.aws_iam_policy_document.programs
  name     = "buckets"
  role     = aws_iam_role.programs[each.key].id
  policy   = each.value.json
}

# `aws ecs execute-command`, and the way to a container's port, are a channel that the task opens itself. Production has
# none: who may start one has all that the program has.
locals {
  has_shells = !local.is_production
}

data "aws_iam_policy_document" "shell" {
  # AWS knows no resource for these.
  statement {
    actions = [
      "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "shell" {
  for_each = { for program, role in aws_iam_role.programs : program => role if local.has_shells }
  name     = "shell"
  role     = each.value.id
  policy   = data.aws_iam_policy_document.shell.json
}

# GitHub's workflows log in by a token that GitHub signs for each job; there is no key to lose.
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "github" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    # Jobs of this GitHub environment alone, which waits for its reviewers.
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${var.environment}"]
    }
  }
}

resource "aws_iam_role" "delivery" {
  name                 = "${local.name}-delivery"
  assume_role_policy   = data.aws_iam_policy_document.github.json
  max_session_duration = 3600
}

# What include/deployment/release.py calls, on this environment's own resources.
data "aws_iam_policy_document" "delivery" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "CopyImage"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.main.arn]
  }

  # These two cannot be limited to resources; what a task definition may do is limited by the roles below.
  statement {
    sid       = "DefineTasks"
    actions   = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "HandOverRoles"
    actions   = ["iam:PassRole"]
    resources = concat([aws_iam_role.start.arn], [for role in aws_iam_role.programs : role.arn])

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "MoveServices"
    actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
    resources = [for service in aws_ecs_service.main : service.id]
  }

  statement {
    sid       = "RunMigrations"
    actions   = ["ecs:RunTask", "ecs:DescribeTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.main.arn]
    }
  }
}

resource "aws_iam_role_policy" "delivery" {
  name   = "delivery"
  role   = aws_iam_role.delivery.id
  policy = data.aws_iam_policy_document.delivery.json
}

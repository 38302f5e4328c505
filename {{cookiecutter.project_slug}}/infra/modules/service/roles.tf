data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

# What ECS may do to start a task: pull the image, read this process's secrets, write its log.
resource "aws_iam_role" "execution" {
  for_each           = local.processes
  name               = "${var.name}-${each.key}-execution"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "execution" {
  for_each = local.processes

  statement {
    sid       = "RegistryLogin"
    actions   = ["ecr:GetAuthorizationToken"] # knows no narrower resource
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${data.aws_partition.this.partition}:ecr:*:${data.aws_caller_identity.this.account_id}:repository/*"]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = values(local.readable_secrets[each.key])
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this[each.key].arn}:*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.processes
  name     = "start-task"
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}

# What the code inside may do to AWS: nothing yet. Attach a policy to one process when it needs one.
resource "aws_iam_role" "task" {
  for_each           = local.processes
  name               = "${var.name}-${each.key}-task"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

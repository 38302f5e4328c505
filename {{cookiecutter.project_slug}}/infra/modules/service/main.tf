locals {
  # One image, one process each. stop_s: how long a task may take to finish what it began (Fargate's most is 120).
  processes = {
    api              = { cpu = 1024, memory_mb = 2048, arguments = ["serve"], stop_s = 90 }
    worker-turns     = { cpu = 1024, memory_mb = 2048, arguments = ["worker", "turns"], stop_s = 120 }
    worker-documents = { cpu = 1024, memory_mb = 2048, arguments = ["worker", "documents"], stop_s = 120 }
    beat             = { cpu = 256, memory_mb = 512, arguments = ["worker", "beat"], stop_s = 30 }
  }
  background = { for name, process in local.processes : name => process if name != "api" }

  environment = merge(var.settings, {
    APP_ENVIRONMENT    = "production"
    APP_HOST           = "0.0.0.0"
    APP_PORT           = "8000"
    APP_MODEL_PROVIDER = var.model_provider
    # The caller's address and https come from the load balancer's headers; from nobody else's.
    APP_TRUSTED_PROXIES = var.vpc_cidr
    # Read by nothing: a new number makes a new task definition, so that tasks pick up changed secrets.
    SECRETS_VERSION = tostring(var.secrets_version)
  })
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each          = local.processes
  name              = "/ecs/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.processes
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory_mb
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task[each.key].arn
  container_definitions    = jsonencode(local.containers[each.key])

  volume {
    name = "tmp"
  }

  lifecycle {
    create_before_destroy = true # the last good revision stays until the new one serves: a rollback needs it
  }
}

# Green only when the new tasks serve: waiting alone is content with what a rollback left, hence the postconditions.
resource "aws_ecs_service" "api" {
  name                              = "api"
  cluster                           = aws_ecs_cluster.this.id
  task_definition                   = aws_ecs_task_definition.this["api"].arn
  desired_count                     = var.task_counts["api"].min
  launch_type                       = "FARGATE"
  propagate_tags                    = "SERVICE"
  health_check_grace_period_seconds = 120
  wait_for_steady_state             = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [var.app_security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.api.arn
    container_name   = "api"
    container_port   = 8000
  }

  lifecycle {
    ignore_changes = [desired_count] # autoscaling's, after the first apply

    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this["api"].arn
      error_message = "ECS rolled the release back: api runs what it ran before. Its log group says why."
    }
  }

  depends_on = [aws_lb_listener.https, aws_iam_role_policy.execution]
}

# After the api, whose tasks migrate the database: workers never meet an older one than they were written for.
resource "aws_ecs_service" "background" {
  for_each        = local.background
  name            = each.key
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this[each.key].arn
  desired_count   = each.key == "beat" ? 1 : var.task_counts[each.key].min
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  wait_for_steady_state = true

  # Two beats would send every scheduled job twice: the old one goes before the new one comes.
  deployment_minimum_healthy_percent = each.key == "beat" ? 0 : 100
  deployment_maximum_percent         = each.key == "beat" ? 100 : 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [var.app_security_group_id]
    assign_public_ip = false
  }

  lifecycle {
    ignore_changes = [desired_count]

    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this[each.key].arn
      error_message = "ECS rolled the release back: ${each.key} runs what it ran before. Its log group says why."
    }
  }

  depends_on = [aws_ecs_service.api]
}

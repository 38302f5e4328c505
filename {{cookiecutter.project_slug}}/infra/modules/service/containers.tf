locals {
  runtime_secrets = merge(
    { for name in ["DATABASE_URL", "REDIS_URL"] : name => var.data_secret_arns[name] },
    {
      APP_SECRET_KEY = aws_secretsmanager_secret.app_secret_key.arn
      APP_DATA_KEYS  = aws_secretsmanager_secret.app_data_keys.arn
    },
    { for name, secret in aws_secretsmanager_secret.model_api_key : name => secret.arn },
    { for secret in aws_secretsmanager_secret.oidc_client_secret : "APP_OIDC_CLIENT_SECRET" => secret.arn },
  )
  migration_secrets = merge(local.runtime_secrets, {
    DATABASE_OWNER_URL = var.data_secret_arns["DATABASE_OWNER_URL"]
  })

  # Secrets each task may read; the owner's URL is the migration's alone, which runs beside the api.
  readable_secrets = { for name in keys(local.processes) : name => name == "api" ? local.migration_secrets : local.runtime_secrets }

  base_container = {
    image           = var.image
    entryPoint      = ["app"]
    environment     = [for name, value in local.environment : { name = name, value = value }]
    linuxParameters = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    # Nothing of the image can be changed by what runs in it; files on their way are written to the volume.
    readonlyRootFilesystem = true
    user                   = "10001:10001"
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
  }
  # Each worker serves its own metrics: no answer, no worker. The load balancer asks the api; beat serves none.
  worker_health_check = {
    command     = ["CMD", "python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/metrics', timeout=3)"]
    interval    = 10
    timeout     = 5
    retries     = 6
    startPeriod = 30
  }
  log_configuration = {
    for name, group in aws_cloudwatch_log_group.this : name => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = group.name
        awslogs-region        = var.region
        awslogs-stream-prefix = name
      }
    }
  }

  main_containers = {
    for name, process in local.processes : name => merge(local.base_container, {
      name             = name
      essential        = true
      command          = process.arguments
      stopTimeout      = process.stop_s
      portMappings     = name == "api" ? [{ containerPort = 8000, hostPort = 8000, protocol = "tcp" }] : []
      dependsOn        = name == "api" ? [{ containerName = "migrate", condition = "SUCCESS" }] : []
      secrets          = [for key, arn in local.runtime_secrets : { name = key, valueFrom = arn }]
      logConfiguration = local.log_configuration[name]
    }, contains(["worker-turns", "worker-documents"], name) ? { healthCheck = local.worker_health_check } : {})
  }

  # Runs to its end before the api starts; a failed migration is a failed task, so the release is rolled back.
  migrate_container = merge(local.base_container, {
    name             = "migrate"
    essential        = false
    command          = ["migrate"]
    secrets          = [for key, arn in local.migration_secrets : { name = key, valueFrom = arn }]
    logConfiguration = local.log_configuration["api"]
  })

  containers = merge(
    { for name, container in local.main_containers : name => [container] },
    { api = [local.main_containers["api"], local.migrate_container] },
  )
}

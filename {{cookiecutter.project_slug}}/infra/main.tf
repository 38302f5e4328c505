locals {
  # RDS and load balancer names refuse underscores.
  name = "${replace(var.service_name, "_", "-")}-${var.environment}"
}

module "network" {
  source = "./modules/network"

  name             = local.name
  vpc_cidr         = var.vpc_cidr
  highly_available = var.highly_available
}

module "data" {
  source = "./modules/data"

  name                    = local.name
  vpc_id                  = module.network.vpc_id
  subnet_ids              = module.network.data_subnet_ids
  app_security_group_id   = module.network.app_security_group_id
  database_instance_class = var.database_instance_class
  database_storage_gb     = var.database_storage_gb
  cache_node_type         = var.cache_node_type
  highly_available        = var.highly_available
  protect_data            = var.protect_data
  database_password       = var.database_password
  redis_auth_token        = var.redis_auth_token
  secrets_version         = var.secrets_version
}

module "service" {
  source = "./modules/service"

  name                  = local.name
  region                = var.region
  image                 = var.image
  vpc_id                = module.network.vpc_id
  vpc_cidr              = var.vpc_cidr
  public_subnet_ids     = module.network.public_subnet_ids
  private_subnet_ids    = module.network.private_subnet_ids
  alb_security_group_id = module.network.alb_security_group_id
  app_security_group_id = module.network.app_security_group_id
  certificate_arn       = var.certificate_arn
  protect_data          = var.protect_data
  log_retention_days    = var.log_retention_days
  task_counts           = var.task_counts
  model_provider        = var.model_provider
  settings              = var.settings
  data_secret_arns      = module.data.secret_arns
  app_secret_key        = var.app_secret_key
  app_data_keys         = var.app_data_keys
  model_api_key         = var.model_api_key
  sign_in_with_secret   = var.sign_in_with_secret
  oidc_client_secret    = var.oidc_client_secret
  secrets_version       = var.secrets_version
}

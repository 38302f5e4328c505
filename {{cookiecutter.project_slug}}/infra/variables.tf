variable "service_name" {
  type        = string
  description = "Name of the service; every resource's name starts with it."

  validation {
    condition     = can(regex("^[a-z][a-z0-9_-]{1,22}[a-z0-9]$", var.service_name))
    error_message = "service_name: 3 to 24 of a-z, 0-9, - and _, starting with a letter (load balancer names end at 32). Shorten it in config/*.tfvars."
  }
}

variable "environment" {
  type        = string
  description = "Which copy of the service this is: dev, staging or prod. Set by deploy.py."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,6}$", var.environment))
    error_message = "environment: 2 to 7 of a-z and 0-9, starting with a letter."
  }
}

variable "region" {
  type        = string
  description = "AWS region everything stands in."
}

variable "image" {
  type        = string
  description = "Container image, by digest or immutable tag: --image, or TF_VAR_image."
}

variable "certificate_arn" {
  type        = string
  description = "ACM certificate of the public host name, already issued."
}

variable "vpc_cidr" {
  type        = string
  default     = "10.40.0.0/16"
  description = "Address range of the network."
}

variable "highly_available" {
  type        = bool
  default     = false
  description = "Survive the loss of a zone: standby database, Redis replica, one NAT gateway per zone."
}

variable "protect_data" {
  type        = bool
  default     = true
  description = "Refuse to delete the database and load balancer, keep a final snapshot, keep deleted secrets for 7 days."
}

variable "database_instance_class" {
  type        = string
  default     = "db.t4g.small"
  description = "Size of PostgreSQL."
}

variable "database_storage_gb" {
  type        = number
  default     = 20
  description = "Disk of PostgreSQL to begin with, in GB; it grows by itself to ten times this."
}

variable "cache_node_type" {
  type        = string
  default     = "cache.t4g.micro"
  description = "Size of Redis."
}

variable "log_retention_days" {
  type        = number
  default     = 30
  description = "Days that container logs are kept."
}

variable "task_counts" {
  type = map(object({ min = number, max = number }))
  default = {
    api              = { min = 1, max = 4 }
    worker-turns     = { min = 1, max = 4 }
    worker-documents = { min = 1, max = 4 }
  }
  description = "Fewest and most tasks of each scaled process; CPU decides between them."
}

variable "model_provider" {
  type        = string
  default     = "none"
  description = "APP_MODEL_PROVIDER: none, openai, anthropic or openai_compatible."

  validation {
    condition     = contains(["none", "openai", "anthropic", "openai_compatible"], var.model_provider)
    error_message = "model_provider must be none, openai, anthropic or openai_compatible."
  }
}

variable "sign_in_with_secret" {
  type        = bool
  default     = false
  description = "true: your issuer gave this service a client secret (APP_OIDC_CLIENT_ID is in settings)."
}

variable "settings" {
  type        = map(string)
  description = "Environment variables of every process (docs/reference/settings.md). Not for secrets: they show in the task definition."

  validation {
    condition     = alltrue([for name in ["APP_PUBLIC_URL", "APP_OIDC_ISSUER", "APP_OIDC_AUDIENCE"] : contains(keys(var.settings), name)])
    error_message = "settings needs APP_PUBLIC_URL, APP_OIDC_ISSUER and APP_OIDC_AUDIENCE: the service does not start in production without them."
  }
}

variable "secrets_version" {
  type        = number
  default     = 1
  description = "Raise it by one to hand out changed values of the secrets below; every task is replaced."
}

variable "database_password" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "TF_VAR_database_password: in neither plan nor state."

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{16,128}$", var.database_password))
    error_message = "database_password: 16 to 128 of A-Z, a-z, 0-9, - and _ (openssl rand -hex 24)."
  }
}

variable "redis_auth_token" {
  type        = string
  sensitive   = true
  description = "TF_VAR_redis_auth_token. The provider cannot write it without keeping it: it IS in the state."

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{16,128}$", var.redis_auth_token))
    error_message = "redis_auth_token: 16 to 128 of A-Z, a-z, 0-9, - and _ (openssl rand -hex 24)."
  }
}

variable "app_secret_key" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "TF_VAR_app_secret_key, the service's APP_SECRET_KEY: in neither plan nor state."

  validation {
    condition     = length(var.app_secret_key) >= 32
    error_message = "app_secret_key: 32 characters or more (openssl rand -hex 32)."
  }
}

variable "app_data_keys" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "TF_VAR_app_data_keys, the service's APP_DATA_KEYS, the first seals: in neither plan nor state."

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=(,[A-Za-z0-9+/]{43}=)*$", var.app_data_keys))
    error_message = "app_data_keys: keys of 32 bytes in base64, separated by commas (openssl rand -base64 32)."
  }
}

variable "model_api_key" {
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
  description = "TF_VAR_model_api_key, the key of model_provider: in neither plan nor state."

  validation {
    condition     = var.model_provider == "none" || var.model_api_key != null
    error_message = "model_provider is not none: set TF_VAR_model_api_key."
  }
}

variable "oidc_client_secret" {
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
  description = "TF_VAR_oidc_client_secret, the service's APP_OIDC_CLIENT_SECRET: in neither plan nor state."

  validation {
    condition     = !var.sign_in_with_secret || var.oidc_client_secret != null
    error_message = "sign_in_with_secret is true: set TF_VAR_oidc_client_secret."
  }
}

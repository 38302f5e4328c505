variable "name" {
  type        = string
  description = "Prefix of every name."
}

variable "region" {
  type        = string
  description = "Where the logs go."
}

variable "image" {
  type        = string
  description = "Container image that every process runs; `app` is on its PATH."
}

variable "vpc_id" {
  type        = string
  description = "The network."
}

variable "vpc_cidr" {
  type        = string
  description = "Address range of the network: whose forwarded-for headers are believed."
}

variable "public_subnet_ids" {
  type        = list(string)
  description = "Where the load balancer stands."
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Where the tasks stand."
}

variable "alb_security_group_id" {
  type        = string
  description = "Group of the load balancer."
}

variable "app_security_group_id" {
  type        = string
  description = "Group of the tasks."
}

variable "certificate_arn" {
  type        = string
  description = "ACM certificate of the public host name."
}

variable "protect_data" {
  type        = bool
  description = "Refuse to delete the load balancer; keep deleted secrets for 7 days."
}

variable "log_retention_days" {
  type        = number
  description = "Days that container logs are kept."
}

variable "task_counts" {
  type        = map(object({ min = number, max = number }))
  description = "Fewest and most tasks of api, worker-turns and worker-documents."
}

variable "model_provider" {
  type        = string
  description = "none, openai, anthropic or openai_compatible."
}

variable "settings" {
  type        = map(string)
  description = "Further environment variables of every process, none of them secret."
}

variable "data_secret_arns" {
  type        = map(string)
  description = "Secrets holding DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL."
}

variable "app_secret_key" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "The service's APP_SECRET_KEY."
}

variable "app_data_keys" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "The service's APP_DATA_KEYS."
}

variable "model_api_key" {
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
  description = "Key of model_provider."
}

variable "sign_in_with_secret" {
  type        = bool
  description = "Whether there is an oidc_client_secret."
}

variable "oidc_client_secret" {
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
  description = "The service's APP_OIDC_CLIENT_SECRET."
}

variable "secrets_version" {
  type        = number
  description = "Raised to hand out changed secrets."
}

variable "name" {
  type        = string
  description = "Prefix of every name."
}

variable "vpc_id" {
  type        = string
  description = "The network."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Subnets without a way out, in two zones or more."
}

variable "app_security_group_id" {
  type        = string
  description = "The one group that is let in."
}

variable "database_instance_class" {
  type        = string
  description = "Size of PostgreSQL."
}

variable "database_storage_gb" {
  type        = number
  description = "Disk to begin with, in GB; grows to ten times this."
}

variable "cache_node_type" {
  type        = string
  description = "Size of Redis."
}

variable "highly_available" {
  type        = bool
  description = "Standby database and Redis replica in a second zone."
}

variable "protect_data" {
  type        = bool
  description = "Refuse deletion, keep backups and a final snapshot."
}

variable "database_password" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "Password of the database's owner; needs no escaping in a URL."
}

variable "redis_auth_token" {
  type        = string
  sensitive   = true
  description = "Redis password; needs no escaping in a URL."
}

variable "secrets_version" {
  type        = number
  description = "Raised to hand out changed passwords."
}

# Whole URLs, because that is what the service reads: no process puts one together from parts.

locals {
  database_address = "${aws_db_instance.this.address}:${aws_db_instance.this.port}/${local.database_name}"
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = toset(["DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"])
  name                    = "${var.name}/${each.key}"
  recovery_window_in_days = var.protect_data ? 7 : 0
}

# The same login, but every session of the service begins in the role that row-level security holds.
resource "aws_secretsmanager_secret_version" "database" {
  secret_id                = aws_secretsmanager_secret.this["DATABASE_URL"].id
  secret_string_wo         = "postgresql://${local.database_owner}:${var.database_password}@${local.database_address}?sslmode=require&options=-c%20role%3Dapp_service"
  secret_string_wo_version = var.secrets_version
}

resource "aws_secretsmanager_secret_version" "database_owner" {
  secret_id                = aws_secretsmanager_secret.this["DATABASE_OWNER_URL"].id
  secret_string_wo         = "postgresql://${local.database_owner}:${var.database_password}@${local.database_address}?sslmode=require"
  secret_string_wo_version = var.secrets_version
}

resource "aws_secretsmanager_secret_version" "redis" {
  secret_id                = aws_secretsmanager_secret.this["REDIS_URL"].id
  secret_string_wo         = "rediss://:${var.redis_auth_token}@${aws_elasticache_replication_group.this.primary_endpoint_address}:${local.ports.redis}/0?ssl_cert_reqs=required"
  secret_string_wo_version = var.secrets_version
}

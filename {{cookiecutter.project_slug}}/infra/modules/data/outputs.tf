output "secret_arns" {
  value = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
  # A task that starts before its secrets have values fails.
  depends_on = [
    aws_secretsmanager_secret_version.database,
    aws_secretsmanager_secret_version.database_owner,
    aws_secretsmanager_secret_version.redis,
  ]
  description = "Environment variable to the secret that holds it."
}

output "database_identifier" {
  value       = aws_db_instance.this.identifier
  description = "RDS instance."
}

output "redis_id" {
  value       = aws_elasticache_replication_group.this.id
  description = "ElastiCache replication group."
}

output "alb_dns_name" {
  value       = module.service.alb_dns_name
  description = "Point the public host name at this with a CNAME or alias record."
}

output "cluster_name" {
  value       = module.service.cluster_name
  description = "ECS cluster that runs the processes."
}

output "service_names" {
  value       = module.service.service_names
  description = "ECS services, one per process."
}

output "log_group_names" {
  value       = module.service.log_group_names
  description = "Where each process writes its log."
}

output "image" {
  value       = var.image
  description = "Image that was applied; note it before the next one, to roll back to."
}

output "database_identifier" {
  value       = module.data.database_identifier
  description = "RDS instance."
}

output "redis_id" {
  value       = module.data.redis_id
  description = "ElastiCache replication group."
}

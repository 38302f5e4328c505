output "alb_dns_name" {
  value       = aws_lb.this.dns_name
  description = "Load balancer's host name."
}

output "cluster_name" {
  value       = aws_ecs_cluster.this.name
  description = "ECS cluster."
}

output "service_names" {
  value       = sort(concat([aws_ecs_service.api.name], [for service in aws_ecs_service.background : service.name]))
  description = "ECS services, one per process."
}

output "log_group_names" {
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
  description = "Log group of each process."
}

output "vpc_id" {
  value       = aws_vpc.this.id
  description = "The network."
}

output "public_subnet_ids" {
  value       = aws_subnet.public[*].id
  description = "Where the load balancer stands."
}

output "private_subnet_ids" {
  value       = aws_subnet.private[*].id
  description = "Where tasks stand; the way out leads through NAT."
  # A task that starts before its way out exists cannot pull its image.
  depends_on = [aws_route.private, aws_route_table_association.private]
}

output "data_subnet_ids" {
  value       = aws_subnet.data[*].id
  description = "Where the database and Redis stand; there is no way out."
}

output "alb_security_group_id" {
  value       = aws_security_group.alb.id
  description = "Group of the load balancer."
}

output "app_security_group_id" {
  value       = aws_security_group.app.id
  description = "Group of the tasks."
}

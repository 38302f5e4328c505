locals {
  database_name  = "app"
  database_owner = "app_owner"

  # The two engines: who listens where. Their security groups are the same but for this.
  ports = { database = 5432, redis = 6379 }
}

resource "aws_security_group" "this" {
  for_each    = local.ports
  name        = "${var.name}-${each.key}"
  description = "Reached by the tasks, reaches nothing: ${each.key}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "from_app" {
  for_each                     = local.ports
  security_group_id            = aws_security_group.this[each.key].id
  description                  = "from the tasks"
  referenced_security_group_id = var.app_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_egress_rule" "app_to" {
  for_each                     = local.ports
  security_group_id            = var.app_security_group_id
  description                  = "to ${each.key}"
  referenced_security_group_id = aws_security_group.this[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name   = "${var.name}-postgres18"
  family = "postgres18"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_instance" "this" {
  identifier                = var.name
  engine                    = "postgres"
  engine_version            = "18" # as `make up` runs it
  instance_class            = var.database_instance_class
  db_name                   = local.database_name
  username                  = local.database_owner
  password_wo               = var.database_password
  password_wo_version       = var.secrets_version
  allocated_storage         = var.database_storage_gb
  max_allocated_storage     = var.database_storage_gb * 10
  storage_type              = "gp3"
  storage_encrypted         = true
  publicly_accessible       = false
  multi_az                  = var.highly_available
  db_subnet_group_name      = aws_db_subnet_group.this.name
  parameter_group_name      = aws_db_parameter_group.this.name
  vpc_security_group_ids    = [aws_security_group.this["database"].id]
  backup_retention_period   = var.protect_data ? 14 : 1
  deletion_protection       = var.protect_data
  skip_final_snapshot       = !var.protect_data
  final_snapshot_identifier = var.protect_data ? "${var.name}-final" : null
  copy_tags_to_snapshot     = true
  apply_immediately         = !var.protect_data
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name   = "${var.name}-redis7"
  family = "redis7"

  # A broker that evicts loses queued work without a word; a full one says so.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "${var.name} queue, cache and limits"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.cache_node_type
  num_cache_clusters         = var.highly_available ? 2 : 1
  automatic_failover_enabled = var.highly_available
  multi_az_enabled           = var.highly_available
  port                       = local.ports.redis
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this["redis"].id]
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  auth_token                 = var.redis_auth_token
  snapshot_retention_limit   = var.protect_data ? 7 : 0
  apply_immediately          = !var.protect_data
}

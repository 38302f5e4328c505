locals {
  model_key_names = {
    none              = []
    openai            = ["OPENAI_API_KEY"]
    anthropic         = ["ANTHROPIC_API_KEY"]
    openai_compatible = ["OPENAI_COMPATIBLE_API_KEY"]
  }
}

resource "aws_secretsmanager_secret" "app_secret_key" {
  name                    = "${var.name}/APP_SECRET_KEY"
  recovery_window_in_days = var.protect_data ? 7 : 0
}

resource "aws_secretsmanager_secret_version" "app_secret_key" {
  secret_id                = aws_secretsmanager_secret.app_secret_key.id
  secret_string_wo         = var.app_secret_key
  secret_string_wo_version = var.secrets_version
}

# Kept apart from the database and its backups: with both at hand, everything sealed can be read; without this, nothing.
resource "aws_secretsmanager_secret" "app_data_keys" {
  name                    = "${var.name}/APP_DATA_KEYS"
  recovery_window_in_days = var.protect_data ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "app_data_keys" {
  secret_id                = aws_secretsmanager_secret.app_data_keys.id
  secret_string_wo         = var.app_data_keys
  secret_string_wo_version = var.secrets_version
}

resource "aws_secretsmanager_secret" "model_api_key" {
  for_each                = toset(local.model_key_names[var.model_provider])
  name                    = "${var.name}/${each.key}"
  recovery_window_in_days = var.protect_data ? 7 : 0
}

resource "aws_secretsmanager_secret_version" "model_api_key" {
  for_each                 = aws_secretsmanager_secret.model_api_key
  secret_id                = each.value.id
  secret_string_wo         = var.model_api_key
  secret_string_wo_version = var.secrets_version
}

resource "aws_secretsmanager_secret" "oidc_client_secret" {
  count                   = var.sign_in_with_secret ? 1 : 0
  name                    = "${var.name}/APP_OIDC_CLIENT_SECRET"
  recovery_window_in_days = var.protect_data ? 7 : 0
}

resource "aws_secretsmanager_secret_version" "oidc_client_secret" {
  count                    = var.sign_in_with_secret ? 1 : 0
  secret_id                = aws_secretsmanager_secret.oidc_client_secret[0].id
  secret_string_wo         = var.oidc_client_secret
  secret_string_wo_version = var.secrets_version
}

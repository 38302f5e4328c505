# For real users: survives the loss of a zone, keeps its data when told to delete it.
service_name            = "{{ cookiecutter.__resource_name }}"
region                  = "eu-west-1"
certificate_arn         = "arn:aws:acm:eu-west-1:123456789012:certificate/replace-me"
vpc_cidr                = "10.42.0.0/16"
highly_available        = true
database_instance_class = "db.m7g.large"
database_storage_gb     = 100
cache_node_type         = "cache.m7g.large"
log_retention_days      = 365
task_counts = {
  api              = { min = 2, max = 20 }
  worker-turns     = { min = 2, max = 20 }
  worker-documents = { min = 1, max = 10 }
}
settings = {
  APP_PUBLIC_URL    = "https://ai.example.com"
  APP_OIDC_ISSUER   = "https://login.example.com"
  APP_OIDC_AUDIENCE = "{{ cookiecutter.__resource_name }}"
}
# Add your own below.

# For trying things: one of each, small, thrown away without a question.
service_name    = "{{ cookiecutter.__resource_name }}"
region          = "eu-west-1"
certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/replace-me"
protect_data    = false
settings = {
  APP_PUBLIC_URL    = "https://dev.ai.example.com"
  APP_OIDC_ISSUER   = "https://login.example.com"
  APP_OIDC_AUDIENCE = "{{ cookiecutter.__resource_name }}"
}
# Add your own below.

# Like production, but small: where a release is rehearsed.
service_name    = "{{ cookiecutter.__resource_name }}"
region          = "eu-west-1"
certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/replace-me"
vpc_cidr        = "10.41.0.0/16"
settings = {
  APP_PUBLIC_URL    = "https://staging.ai.example.com"
  APP_OIDC_ISSUER   = "https://login.example.com"
  APP_OIDC_AUDIENCE = "{{ cookiecutter.__resource_name }}"
}
# Add your own below.

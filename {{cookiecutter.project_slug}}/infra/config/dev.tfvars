# For trying things: one of each, small, thrown away without a question.
service_name    = "{{ cookiecutter.__resource_name }}"
region          = "eu-west-1"
certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/replace-me"
protect_data    = false
# Add your own below.

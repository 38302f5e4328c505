"""Infrastructure as code: Terraform describes the service on AWS, deploy.py drives it."""

terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket and region stand in config/state.tfbackend; deploy.py adds one key per environment.
  backend "s3" {}
}

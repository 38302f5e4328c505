provider "aws" {
  region = var.region

  default_tags {
    tags = {
      service     = var.service_name
      environment = var.environment
      managed_by  = "terraform"
    }
  }
}

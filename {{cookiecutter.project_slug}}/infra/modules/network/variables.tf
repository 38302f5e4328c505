variable "name" {
  type        = string
  description = "Prefix of every name."
}

variable "vpc_cidr" {
  type        = string
  description = "Address range; a /16 gives each subnet 256 addresses."
}

variable "highly_available" {
  type        = bool
  description = "One NAT gateway per zone instead of one."
}

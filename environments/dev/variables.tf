variable "name" {
  description = "Prefix of the names of everything in this environment."
  type        = string
}

variable "cidr_block" {
  description = "Addresses of the VPC."
  type        = string
}

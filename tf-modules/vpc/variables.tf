variable "name" {
  description = "Name of the VPC, and prefix of the names of what is in it."
  type        = string
}

variable "cidr_block" {
  description = "Addresses of the VPC: a /16 to a /20. Every subnet gets a sixteenth of it."
  type        = string
}

variable "availability_zones" {
  description = "Zones to spread over, one public and one private subnet in each. Add new ones at the end."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 8
    error_message = "Two to eight availability zones are needed."
  }
}

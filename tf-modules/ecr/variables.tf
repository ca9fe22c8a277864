variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "untagged_days" {
  description = "Days after which images without a tag are deleted."
  type        = number
  default     = 14
}

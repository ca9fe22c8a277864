variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets for the control plane's network interfaces, in at least two zones."
  type        = list(string)
}

variable "kubernetes_version" {
  description = "Kubernetes version, as in `1.33`."
  type        = string
  default     = "1.33"
}

variable "public_access_cidrs" {
  description = "Addresses that reach the API server from the internet. Empty: only the VPC does."
  type        = list(string)
  default     = []
}

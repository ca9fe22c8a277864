output "vpc_id" {
  description = "The VPC of this environment."
  value       = module.vpc.vpc_id
}

output "repository_url" {
  description = "Where images are pushed to and pulled from."
  value       = module.ecr.repository_url
}

output "cluster_endpoint" {
  description = "The API server of the Kubernetes cluster."
  value       = module.eks.cluster_endpoint
}

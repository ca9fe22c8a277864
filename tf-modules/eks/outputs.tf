output "cluster_name" {
  description = "The cluster."
  value       = aws_eks_cluster.this.name
}

output "cluster_endpoint" {
  description = "The API server of the Kubernetes cluster."
  value       = aws_eks_cluster.this.endpoint
}

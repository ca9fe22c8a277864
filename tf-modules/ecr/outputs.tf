output "repository_url" {
  description = "Where images are pushed to and pulled from."
  value       = aws_ecr_repository.this.repository_url
}

output "repository_arn" {
  description = "The repository, for policies."
  value       = aws_ecr_repository.this.arn
}

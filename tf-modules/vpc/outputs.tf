output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "One public subnet in each zone, in the order of `availability_zones`."
  value       = [for zone in var.availability_zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "One private subnet in each zone, in the order of `availability_zones`."
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

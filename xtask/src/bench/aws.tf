terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "VERSION"
    }
  }

  backend "s3" {}
}

provider "aws" {
  skip_get_ec2_platforms  = true
  skip_metadata_api_check = true
  s3_force_path_style     = true

  endpoints {
    ec2 = "ENDPOINT"
    sts = "ENDPOINT"
  }
}

variable "greeting" {
  type    = string
  default = "hello"
}

data "aws_caller_identity" "current" {}

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/16"

  tags = {
    greeting = var.greeting
  }
}

resource "aws_subnet" "this" {
  count      = 2
  vpc_id     = aws_vpc.this.id
  cidr_block = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)

  tags = {
    greeting = var.greeting
  }
}

output "vpc_id" {
  value = aws_vpc.this.id
}

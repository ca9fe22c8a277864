terraform {
  required_version = "~> 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Empty on purpose: tfw fills it from environments/tfw.toml.
  backend "s3" {}
}

# Region and credentials come from tfw, in the environment.
provider "aws" {
  allowed_account_ids = ["222222222222"]

  default_tags {
    tags = {
      Environment = "prod"
      ManagedBy   = "terraform"
    }
  }
}

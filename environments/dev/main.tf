module "vpc" {
  source = "../../tf-modules/vpc"

  name               = var.name
  cidr_block         = var.cidr_block
  availability_zones = ["ap-northeast-1a", "ap-northeast-1c"]
}

module "ecr" {
  source = "../../tf-modules/ecr"

  name = "${var.name}/app"
}

module "eks" {
  source = "../../tf-modules/eks"

  name       = var.name
  subnet_ids = module.vpc.private_subnet_ids
}

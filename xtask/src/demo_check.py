"""Shows what exists in each account of the example, and fails where that is not what it says."""

import sys

import boto3

REGION = "ap-northeast-1"
ACCOUNTS = {"111111111111": "acme-dev", "222222222222": "acme-prod", "333333333333": None}


def client(service, **credentials):
    return boto3.client(service, endpoint_url=sys.argv[1], region_name=REGION, **credentials)


def inside(account):
    """Credentials of a role in the account, as keyword arguments of a client."""
    sts = client("sts", aws_access_key_id="demo", aws_secret_access_key="demo")
    role = f"arn:aws:iam::{account}:role/TerraformExecutionRole"
    given = sts.assume_role(RoleArn=role, RoleSessionName="demo-check")["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def name_of(resource):
    return next((tag["Value"] for tag in resource.get("Tags", []) if tag["Key"] == "Name"), "-")


as_expected = True
for account, name in ACCOUNTS.items():
    credentials = inside(account)
    vpcs = client("ec2", **credentials).describe_vpcs()["Vpcs"]
    repositories = client("ecr", **credentials).describe_repositories()["repositories"]
    found = {
        "VPC": [name_of(vpc) for vpc in vpcs if not vpc["IsDefault"]],
        "ECR repository": [repository["repositoryName"] for repository in repositories],
        "EKS cluster": client("eks", **credentials).list_clusters()["clusters"],
    }
    expected = {
        "VPC": [name] if name else [],
        "ECR repository": [f"{name}/app"] if name else [],
        "EKS cluster": [name] if name else [],
    }
    as_expected = as_expected and found == expected
    for kind, names in found.items():
        print(f"  {account}  {kind:<15} {', '.join(names) or 'none'}")
sys.exit(0 if as_expected else 1)

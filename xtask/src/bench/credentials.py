"""Assumes the role of each environment once, for the hand-typed side of the benchmark."""

import sys

import boto3

url, folder, region, accounts = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
sts = boto3.client(
    "sts", endpoint_url=url, region_name=region, aws_access_key_id="bench", aws_secret_access_key="bench"
)
for pair in accounts:
    name, account = pair.split("=")
    role = f"arn:aws:iam::{account}:role/bench"
    given = sts.assume_role(RoleArn=role, RoleSessionName="by-hand")["Credentials"]
    with open(f"{folder}/{name}", "w") as file:
        file.write(f"export AWS_ACCESS_KEY_ID='{given['AccessKeyId']}'\n")
        file.write(f"export AWS_SECRET_ACCESS_KEY='{given['SecretAccessKey']}'\n")
        file.write(f"export AWS_SESSION_TOKEN='{given['SessionToken']}'\n")

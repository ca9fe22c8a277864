"""Another client's view of state buckets, by boto3: what the runbook makes, and what is there.

    buckets.py make S3 KMS REGION BUCKET [ALIAS]   by hand, as runbooks have it
    buckets.py read S3 KMS REGION BUCKET           every setting, as JSON
    buckets.py keys KMS REGION                     every KMS key and alias, as JSON
    buckets.py users IAM REGION NAME...            users who may do everything; their keys
    buckets.py role IAM REGION NAME                a role that its account may assume
    buckets.py policies IAM REGION KIND NAME       inline policies of a user or role, as JSON
    buckets.py strict_role IAM REGION ACCOUNT NAME a role that may do everything, for all of an account
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(service, endpoint, region):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
    return boto3.client(service, endpoint_url=endpoint, region_name=region, config=config)


def make(s3, kms, region, bucket, alias=None):
    s3, kms = client("s3", s3, region), client("kms", kms, region)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    default = {"SSEAlgorithm": "AES256"}
    rule = {}
    if alias:
        key = kms.create_key(Description="states")["KeyMetadata"]
        kms.enable_key_rotation(KeyId=key["KeyId"])
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}
        rule = {"BucketKeyEnabled": True}
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, **rule}]
        },
    )
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_ownership_controls(
        Bucket=bucket,
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "TlsOnly",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            }
        ),
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old-states",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                }
            ]
        },
    )
    s3.put_bucket_tagging(
        Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "platform"}]}
    )
    return {}


def read(s3, kms, region, bucket):
    s3, kms = client("s3", s3, region), client("kms", kms, region)

    def get(operation, *path):
        try:
            found = getattr(s3, operation)(Bucket=bucket)
        except ClientError as error:
            return {"unset": error.response["Error"]["Code"]}
        for part in path:
            found = found.get(part)
            if found is None:
                return None
        return found

    settings = {
        "location": get("get_bucket_location", "LocationConstraint"),
        "versioning": get("get_bucket_versioning", "Status"),
        "encryption": get("get_bucket_encryption", "ServerSideEncryptionConfiguration", "Rules"),
        "public_access": get("get_public_access_block", "PublicAccessBlockConfiguration"),
        "ownership": get("get_bucket_ownership_controls", "OwnershipControls", "Rules"),
        "policy": get("get_bucket_policy", "Policy"),
        "lifecycle": get("get_bucket_lifecycle_configuration", "Rules"),
        "logging": get("get_bucket_logging", "LoggingEnabled"),
        "tags": get("get_bucket_tagging", "TagSet"),
    }
    rules = settings["encryption"]
    if isinstance(rules, list):
        key = rules[0]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        if key:
            settings["key"] = {
                "enabled": kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"],
                "rotates": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
                "policy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
            }
    return settings


def keys(kms, region):
    kms = client("kms", kms, region)
    states = [
        kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        for key in kms.list_keys()["Keys"]
    ]
    aliases = [
        alias["AliasName"]
        for alias in kms.list_aliases()["Aliases"]
        if not alias["AliasName"].startswith("alias/aws/")
    ]
    return {"keys": states, "aliases": aliases}


def users(iam, region, *names):
    iam = client("iam", iam, region)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    made = {}
    for name in names:
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="everything", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made[name] = [key["AccessKeyId"], key["SecretAccessKey"]]
    return made


def role(iam, region, name):
    iam = client("iam", iam, region)
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]


def policies(iam, region, kind, name):
    iam = client("iam", iam, region)
    of = {f"{kind.title()}Name": name}
    names = getattr(iam, f"list_{kind}_policies")(**of)["PolicyNames"]
    get = getattr(iam, f"get_{kind}_policy")
    return {each: get(PolicyName=each, **of)["PolicyDocument"] for each in names}


def strict_role(iam, region, account, name):
    iam = client("iam", iam, region)
    everybody = {"AWS": f"arn:aws:iam::{account}:root"}
    trust = {"Effect": "Allow", "Principal": everybody, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}

    def policy(statement):
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=policy(everything))
    return {}


if __name__ == "__main__":
    does = {
        "make": make,
        "read": read,
        "keys": keys,
        "users": users,
        "role": role,
        "strict_role": strict_role,
        "policies": policies,
    }[sys.argv[1]]
    print(json.dumps(does(*sys.argv[2:])))

//! What the world holds: asked of the emulator over plain HTTP, past tfw and its SDK.

use http_body_util::Full;
use hyper::body::Bytes;

use super::TestEnvironment;
use super::environment::REGION;
use super::http::{self, Answer};

impl TestEnvironment {
    /// The state of an environment without stacks, where there is one.
    pub(crate) fn state(&self, environment: &str) -> Option<serde_json::Value> {
        let text = self.object(environment, "terraform.tfstate")?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// An object in the bucket of an environment.
    pub(crate) fn object(&self, environment: &str, key: &str) -> Option<String> {
        let answer = self.s3(environment, "GET", &format!("/{key}"), "");
        (answer.status == 200).then_some(answer.body)
    }

    /// A header of an object in the bucket of an environment.
    pub(crate) fn object_header(&self, environment: &str, key: &str, name: &str) -> Option<String> {
        let answer = self.s3(environment, "HEAD", &format!("/{key}"), "");
        answer.header(name)
    }

    /// Writes an object past everything, for what somebody else left there.
    #[track_caller]
    pub(crate) fn put_object(&self, environment: &str, key: &str, text: &str) {
        let answer = self.s3(environment, "PUT", &format!("/{key}"), text);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Deletes an object past everything.
    #[track_caller]
    pub(crate) fn delete_object(&self, environment: &str, key: &str) {
        let answer = self.s3(environment, "DELETE", &format!("/{key}"), "");
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    /// The keys in the bucket of an environment; none where there is no bucket.
    pub(crate) fn objects(&self, environment: &str) -> Vec<String> {
        let answer = self.s3(environment, "GET", "?list-type=2", "");
        let keys = http::tags(&answer.body, "Key");
        keys.into_iter().map(str::to_owned).collect()
    }

    /// How many versions of an object there are.
    pub(crate) fn versions(&self, environment: &str, key: &str) -> usize {
        let answer = self.s3(environment, "GET", "?versions", "");
        let keys = http::tags(&answer.body, "Key");
        keys.into_iter().filter(|found| *found == key).count()
    }

    /// Every version and delete marker in the bucket of an environment, with its entity tag.
    pub(crate) fn history(&self, environment: &str) -> Vec<String> {
        let answer = self.s3(environment, "GET", "?versions", "");
        ["Version", "DeleteMarker"]
            .iter()
            .flat_map(|kind| {
                let entries = http::tags(&answer.body, kind);
                entries.into_iter().map(move |entry| {
                    let field = |name| http::tags(entry, name).first().copied().unwrap_or("-");
                    format!(
                        "{kind} {} {} {} {}",
                        field("Key"),
                        field("VersionId"),
                        field("ETag"),
                        field("IsLatest")
                    )
                })
            })
            .collect()
    }

    /// Whether there is a lock file in the bucket of an environment.
    pub(crate) fn locks(&self, environment: &str) -> Vec<String> {
        let mut keys = self.objects(environment);
        keys.retain(|key| key.ends_with(".tflock"));
        keys
    }

    /// Creates the bucket of an environment, which keeps versions.
    #[track_caller]
    pub(crate) fn create_versioned_bucket(&self, environment: &str) {
        self.create_bucket(environment);
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let answer = self.s3(environment, "PUT", "?versioning", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Whether the state of an environment without stacks is locked.
    pub(crate) fn locked(&self, environment: &str) -> bool {
        self.object(environment, "terraform.tfstate.tflock")
            .is_some()
    }

    /// Whether the bucket of an environment exists.
    pub(crate) fn bucket_exists(&self, environment: &str) -> bool {
        self.s3(environment, "HEAD", "", "").status == 200
    }

    /// A setting of the bucket of an environment, as XML: `versioning`, `encryption` …
    pub(crate) fn bucket_setting(&self, environment: &str, setting: &str) -> String {
        self.s3(environment, "GET", &format!("?{setting}"), "").body
    }

    /// Makes a setting of the bucket of an environment, as XML; a policy as JSON.
    #[track_caller]
    pub(crate) fn put_setting(&self, environment: &str, setting: &str, text: &str) {
        let answer = self.s3(environment, "PUT", &format!("?{setting}"), text);
        assert!(answer.status < 300, "{setting}: {}", answer.body);
    }

    /// Creates the bucket of an environment in its account, as a test's starting point.
    #[track_caller]
    pub(crate) fn create_bucket(&self, environment: &str) {
        self.create_bucket_in(environment, &self.account(environment));
    }

    /// Creates the bucket of an environment in any account.
    #[track_caller]
    pub(crate) fn create_bucket_in(&self, environment: &str, account: &str) {
        let constraint = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        let path = format!("/{}", self.bucket(environment));
        let key = self.access_key(account);
        let answer = self.signed("s3", &key, "PUT", &path, constraint);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Credentials for an account, as the variables that carry them.
    #[track_caller]
    pub(crate) fn credentials(&self, account: &str) -> [(&'static str, String); 3] {
        self.session_of(account, "test")
    }

    /// A session of a role, as the variables that carry it.
    #[track_caller]
    pub(crate) fn session_of(&self, account: &str, role: &str) -> [(&'static str, String); 3] {
        let form = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleSessionName=test&RoleArn=arn:aws:iam::{account}:role/{role}"
        );
        let answer = self.signed("sts", "test", "POST", "/", form);
        assert_eq!(answer.status, 200, "{}", answer.body);
        [
            ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            ("AWS_SESSION_TOKEN", "SessionToken"),
        ]
        .map(|(name, tag)| (name, http::tags(&answer.body, tag)[0].to_owned()))
    }

    /// Whose an access key is: an ARN.
    #[track_caller]
    pub(crate) fn whose(&self, access_key: &str) -> String {
        let form = "Action=GetCallerIdentity&Version=2011-06-15".to_owned();
        let answer = self.signed("sts", access_key, "POST", "/", form);
        assert_eq!(answer.status, 200, "{}", answer.body);
        http::tags(&answer.body, "Arn")[0].to_owned()
    }

    /// Changes something in EC2 of an environment's account behind Terraform's back: a form of
    /// EC2's API, such as `Action=DeleteVpc&VpcId=vpc-1`.
    #[track_caller]
    pub(crate) fn ec2(&self, environment: &str, form: &str) {
        let key = self.access_key(&self.account(environment));
        let form = format!("Version=2016-11-15&{form}");
        let answer = self.signed("ec2", &key, "POST", "/", form);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Asks DynamoDB of an environment's account: an operation and its JSON.
    #[track_caller]
    pub(crate) fn dynamodb(&self, environment: &str, operation: &str, body: &str) {
        let target = format!("DynamoDB_20120810.{operation}");
        self.json_service(environment, "dynamodb", &target, body);
    }

    /// Asks CloudTrail of an environment's account: an operation and its JSON.
    #[track_caller]
    pub(crate) fn cloudtrail(&self, environment: &str, operation: &str, body: &str) {
        let target = format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{operation}");
        self.json_service(environment, "cloudtrail", &target, body);
    }

    #[track_caller]
    fn json_service(&self, environment: &str, service: &str, target: &str, body: &str) {
        let key = self.access_key(&self.account(environment));
        let scope = format!("{key}/20260101/{REGION}/{service}/aws4_request");
        let request = hyper::Request::builder()
            .method("POST")
            .uri(self.emulator())
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
            )
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .body(Full::<Bytes>::from(body.to_owned()))
            .unwrap();
        let answer = http::send(request);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn access_key(&self, account: &str) -> String {
        let [(_, key), ..] = self.credentials(account);
        key
    }

    fn s3(&self, environment: &str, method: &str, rest: &str, body: &str) -> Answer {
        let path = format!("/{}{rest}", self.bucket(environment));
        let key = self.access_key(&self.account(environment));
        self.signed("s3", &key, method, &path, body.to_owned())
    }

    /// A request with a signature that says who asks; no emulator looks at whether it is right.
    fn signed(&self, service: &str, key: &str, method: &str, path: &str, body: String) -> Answer {
        let scope = format!("{key}/20260101/{REGION}/{service}/aws4_request");
        let server = match service {
            "s3" => self.s3_server(),
            _ => self.emulator(),
        };
        let content = match service {
            "sts" | "ec2" => "application/x-www-form-urlencoded",
            _ => "application/octet-stream",
        };
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("{server}{path}"))
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
            )
            .header("content-type", content)
            .body(Full::<Bytes>::from(body))
            .unwrap();
        http::send(request)
    }
}

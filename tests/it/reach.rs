//! The way to AWS: endpoints, certificates and proxies, as in the AWS tools.

use std::path::PathBuf;

use crate::support::{Client, Proxy, Run, TestEnvironment, Tls, fixtures};

/// A host that no name service knows (RFC 2606).
const NOWHERE: &str = "aws.invalid";

/// Writes a CA bundle outside of the repository.
fn bundle(test: &TestEnvironment, tls: &Tls) -> PathBuf {
    let file = test.home().join("ca.pem");
    std::fs::write(&file, tls.certificate()).unwrap();
    file
}

/// tfw and Terraform have both got through to S3, and the state is where it belongs.
#[track_caller]
fn both_arrived(test: &TestEnvironment, applied: Run) {
    applied.succeeds();
    assert!(test.state("dev").is_some());
    for (client, operation) in [
        (Client::Tfw, "AssumeRole"),
        (Client::Tfw, "HeadBucket"),
        (Client::Terraform, "PutObject"),
    ] {
        let sent = |r: &crate::support::Request| r.client() == client && r.operation() == operation;
        assert!(test.proxy().count(sent) > 0, "{client:?} {operation}");
    }
    test.proxy().assert_expected_owner();
}

const APPLY: [&str; 4] = ["apply", "dev", "--yes", "--auto-approve"];

#[test]
fn a_services_own_endpoint_wins_over_the_common_one() {
    let test = TestEnvironment::new().environment("dev");
    let sts = Proxy::start(test.emulator());
    let applied = test
        .tfw(APPLY)
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_ENDPOINT_URL_S3", test.proxy().url())
        .env("AWS_ENDPOINT_URL_STS", sts.url())
        .run()
        .succeeds();
    assert!(applied.stderr.is_empty(), "{}", applied.stderr);
    assert!(test.state("dev").is_some());
    let by_service = |proxy: &Proxy, service: &'static str| {
        let all = proxy.requests().len();
        all > 0 && proxy.count(|r| r.service() == Some(service)) == all
    };
    assert!(by_service(test.proxy(), "s3"));
    assert!(by_service(&sts, "sts"));
}

#[test]
fn an_endpoint_that_only_the_ca_bundle_vouches_for_is_trusted() {
    let test = TestEnvironment::new().environment("dev");
    let tls = Tls::endpoint(test.proxy());
    let url = format!("https://{}", tls.address());
    let without = test.tfw(APPLY).env("AWS_ENDPOINT_URL", &url).run().exits(1);
    without.says(&url);
    without.says("certificate");
    without.says("let `AWS_CA_BUNDLE` name a PEM file");
    assert!(test.proxy().requests().is_empty());

    let applied = test
        .tfw(APPLY)
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_CA_BUNDLE", bundle(&test, &tls))
        .run();
    both_arrived(&test, applied);
}

#[test]
fn a_ca_bundle_that_is_not_there_is_told_before_anything_starts() {
    let test = TestEnvironment::new().environment("dev");
    let told = test
        .tfw(APPLY)
        .env("AWS_CA_BUNDLE", "/nonexistent/ca.pem")
        .run()
        .exits(3);
    told.says("`AWS_CA_BUNDLE` names `/nonexistent/ca.pem`");
    told.says("hint: unset `AWS_CA_BUNDLE`");
    assert!(test.proxy().requests().is_empty());
}

#[test]
fn a_proxy_for_http_is_asked() {
    let test = TestEnvironment::new().environment("dev");
    let applied = test
        .tfw(APPLY)
        .env("AWS_ENDPOINT_URL", format!("http://{NOWHERE}"))
        .env("HTTP_PROXY", test.proxy().url())
        .run();
    both_arrived(&test, applied);
    let requests = test.proxy().requests();
    assert!(requests.iter().all(|r| r.header("host") == Some(NOWHERE)));
}

#[test]
fn a_proxy_for_https_is_asked_for_a_tunnel() {
    let test = TestEnvironment::new().environment("dev");
    let tls = Tls::tunnel_to(test.proxy(), NOWHERE);
    let applied = test
        .tfw(APPLY)
        .env("AWS_ENDPOINT_URL", format!("https://{NOWHERE}"))
        .env("HTTPS_PROXY", format!("http://{}", tls.address()))
        .env("AWS_CA_BUNDLE", bundle(&test, &tls))
        .run();
    both_arrived(&test, applied);
}

#[test]
fn hosts_of_no_proxy_are_asked_directly() {
    let test = TestEnvironment::new().environment("dev");
    let applied = test
        .tfw(APPLY)
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "127.0.0.1")
        .run();
    both_arrived(&test, applied);
}

#[test]
fn the_endpoint_of_the_manifest_is_tfws_too() {
    let test = TestEnvironment::new();
    let keys = format!(
        "backend.options = {{ endpoints = {{ s3 = \"{}\" }} }}",
        test.proxy().url()
    );
    let test = test.environment_with("dev", &keys, &fixtures::builtin());
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        .env("AWS_S3_ENDPOINT", "http://127.0.0.1:1")
        .run()
        .succeeds()
        .says("`AWS_S3_ENDPOINT` is set, and has no effect");
    assert!(test.state("dev").is_some());
}

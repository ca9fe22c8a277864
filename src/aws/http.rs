//! The one HTTP client of the program: TLS by rustls, certificates, proxies.
//!
//! The Rust SDK reads the proxy variables but not `AWS_CA_BUNDLE`, which people behind a TLS
//! inspection depend on. As in the AWS CLI, the bundle takes the place of the system's roots.

use std::fmt;
use std::path::Path;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::AwsError;
use crate::env_vars::{AWS_CA_BUNDLE, EnvSnapshot};

/// The clients that everything shares.
#[derive(Debug, Clone)]
pub(super) struct Http {
    /// For services: goes through the proxy of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, in either
    /// case, but for the hosts of `NO_PROXY`.
    pub(super) proxied: SharedHttpClient,
    /// For metadata services, which are at link-local addresses of this very machine: a proxy
    /// could only ask its own.
    pub(super) direct: SharedHttpClient,
}

impl Http {
    pub(super) fn new(environment: &EnvSnapshot) -> Result<Self, AwsError> {
        let trust = match environment.get(AWS_CA_BUNDLE) {
            Some(path) => read_bundle(Path::new(path))?,
            None => TrustStore::default(),
        };
        Ok(Self {
            proxied: client(trust.clone(), ProxyConfig::from_env()),
            direct: client(trust, ProxyConfig::disabled()),
        })
    }
}

fn client(trust: TrustStore, proxy: ProxyConfig) -> SharedHttpClient {
    let pooled = Builder::new().build_with_connector_fn(move |settings, components| {
        // Building a context only moves the trust store; it has no way to fail in this version.
        let tls = TlsContext::builder()
            .with_trust_store(trust.clone())
            .build()
            .unwrap_or_default();
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls)
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    });
    SharedHttpClient::new(Lazy(pooled))
}

/// Leaves out the connector that the SDK builds, only to throw it away, for every client that it
/// makes: each reads all root certificates again.
struct Lazy(SharedHttpClient);

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}

impl HttpClient for Lazy {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}

/// Reads a PEM file into a trust store, without the system's roots.
///
/// The SDK panics on a certificate that it cannot use, so each is tried here first. A certificate
/// that is well-formed but not usable as a root (bundles of old systems have some) is left out;
/// a file without any usable one is an error.
fn read_bundle(path: &Path) -> Result<TrustStore, AwsError> {
    let unusable = |problem: String| AwsError::CaBundle {
        path: path.display().to_string(),
        problem,
    };
    let pem = std::fs::read(path)
        .map_err(|error| unusable(format!("cannot be read: {}", error.kind())))?;
    let mut trust = TrustStore::empty();
    let mut usable = 0_usize;
    for block in certificate_blocks(&String::from_utf8_lossy(&pem)) {
        let certificate = CertificateDer::from_pem_slice(block.as_bytes())
            .map_err(|error| unusable(format!("is not valid PEM: {error}")))?;
        if RootCertStore::empty().add(certificate).is_ok() {
            trust.add_pem_certificate(block.as_bytes());
            usable += 1;
        }
    }
    if usable == 0 {
        return Err(unusable("holds no certificate".to_owned()));
    }
    Ok(trust)
}

/// The `-----BEGIN CERTIFICATE-----` blocks of a PEM file; what stands between them is comment.
fn certificate_blocks(pem: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    pem.match_indices(BEGIN).map(move |(start, _)| {
        let end = pem[start..]
            .find(END)
            .map_or(pem.len(), |at| start + at + END.len());
        &pem[start..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bundle(path: &Path) -> Result<Http, AwsError> {
        Http::new(&[(AWS_CA_BUNDLE, path.as_os_str())].into_iter().collect())
    }

    #[test]
    fn a_bundle_that_is_not_there_is_named() {
        let error = with_bundle(Path::new("/nonexistent/ca.pem")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`AWS_CA_BUNDLE` names `/nonexistent/ca.pem`, which cannot be read: entity not found"
        );
    }

    #[test]
    fn a_bundle_without_certificates_or_with_a_broken_one_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for (content, problem) in [
            ("", "holds no certificate"),
            ("hello", "holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "holds no certificate",
            ),
            ("-----BEGIN CERTIFICATE-----\nAA", "is not valid PEM"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = with_bundle(&path).unwrap_err().to_string();
            assert!(error.contains(problem), "{content:?}: {error}");
        }
    }

    #[test]
    fn blocks_are_found_between_comments() {
        let pem = "# one\n-----BEGIN CERTIFICATE-----\na\n-----END CERTIFICATE-----\n# two\n-----BEGIN CERTIFICATE-----\nb\n-----END CERTIFICATE-----";
        let blocks: Vec<&str> = certificate_blocks(pem).collect();
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].contains("\na\n") && blocks[1].contains("\nb\n"));
    }

    #[test]
    fn without_a_bundle_the_system_is_trusted() {
        assert!(Http::new(&EnvSnapshot::default()).is_ok());
    }
}

//! TLS in front of a test's proxy, with a certificate that only its own CA bundle vouches for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Proxy;

/// A running server; dropping it ends it.
pub(crate) struct Tls {
    address: SocketAddr,
    certificate: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Tls {
    /// An endpoint: TLS from the first byte.
    pub(crate) fn endpoint(proxy: &Proxy) -> Self {
        Self::start(proxy, "127.0.0.1", false)
    }

    /// What `HTTPS_PROXY` names: a proxy that is asked to connect to `host`, wherever that is.
    pub(crate) fn tunnel_to(proxy: &Proxy, host: &str) -> Self {
        Self::start(proxy, host, true)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a CA bundle must hold, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    fn start(proxy: &Proxy, host: &str, tunnel: bool) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([host.to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let plain = proxy.url().trim_start_matches("http://").to_owned();
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let accept = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream, acceptor.clone(), plain.clone(), tunnel));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().unwrap(),
            certificate: cert.pem(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Unwraps one connection. `None`: the client went away, or does not trust the certificate.
async fn serve(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
    plain: String,
    tunnel: bool,
) -> Option<()> {
    if tunnel {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        if !head.starts_with(b"CONNECT ") {
            return None;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    }
    let mut unwrapped = acceptor.accept(stream).await.ok()?;
    let mut onward = TcpStream::connect(plain).await.ok()?;
    copy_bidirectional(&mut unwrapped, &mut onward).await.ok()?;
    Some(())
}

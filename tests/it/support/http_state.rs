//! A server for Terraform's `http` backend: documents, and locks beside them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running server; dropping it ends it.
pub(crate) struct HttpState {
    url: String,
    shared: Arc<Mutex<Shared>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    documents: BTreeMap<String, String>,
    requests: Vec<String>,
}

impl HttpState {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let shared = Arc::default();
        let served = Arc::clone(&shared);
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
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            url: format!("http://{}", address.recv().unwrap()),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What lies at a path.
    pub(crate) fn document(&self, path: &str) -> Option<String> {
        self.shared.lock().unwrap().documents.get(path).cloned()
    }

    /// `METHOD PATH` of every request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Holds a lock, as somebody else.
    pub(crate) fn lock(&self, path: &str, id: &str) {
        let lock = format!(
            "{{\"ID\":\"{id}\",\"Who\":\"{id}\",\"Operation\":\"OperationTypeApply\",\"Created\":\"2026-01-01T00:00:00Z\"}}"
        );
        let documents = &mut self.shared.lock().unwrap().documents;
        documents.insert(path.to_owned(), lock);
    }
}

impl Drop for HttpState {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &shared));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: &Mutex<Shared>,
) -> Result<hyper::Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let path = parts.uri.path().to_owned();
    let Shared {
        documents,
        requests,
    } = &mut *shared.lock().unwrap();
    requests.push(format!("{} {path}", parts.method));
    let is_lock = path.ends_with("/lock");
    let (status, answer) = match (parts.method.as_str(), documents.get(&path)) {
        ("GET", None) => (404, String::new()),
        ("GET", Some(document)) => (200, document.clone()),
        ("POST", Some(holder)) if is_lock => (423, holder.clone()),
        ("POST", _) => {
            documents.insert(path, text);
            (200, String::new())
        }
        ("DELETE", _) => {
            documents.remove(&path);
            (200, String::new())
        }
        _ => (405, String::new()),
    };
    let mut answer = hyper::Response::new(Full::from(answer));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    Ok(answer)
}

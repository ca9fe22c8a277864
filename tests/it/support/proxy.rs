//! A recording HTTP proxy in front of an emulator; each test has its own.
//!
//! It runs on a thread with a runtime of its own, so that tests are plain functions. What it
//! counts is what AWS would have seen: no counter inside tfw can be wrong in the same way.

use std::net::Ipv4Addr;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::faults::{Action, Fault, When, error_body, json_error_body, s3_error_body};
use super::{Client, PATIENCE, Request};

type Answer = hyper::Response<BoxBody<Bytes, Broken>>;

/// A running proxy; dropping it ends it.
pub(crate) struct Proxy {
    url: String,
    shared: Arc<Shared>,
    recorded: Mutex<mpsc::Receiver<()>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: String,
    /// Where S3's requests go instead.
    s3: Option<String>,
    requests: Mutex<Vec<Request>>,
    faults: Mutex<Vec<Fault>>,
    news: Mutex<mpsc::Sender<()>>,
}

impl Proxy {
    /// Starts one on a free port, in front of the server at `upstream` (`http://HOST:PORT`).
    pub(crate) fn start(upstream: &str) -> Self {
        Self::start_beside(upstream, None)
    }

    /// The same, with another server for S3.
    pub(crate) fn start_beside(upstream: &str, s3: Option<&str>) -> Self {
        let (news, recorded) = mpsc::channel();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            s3: s3.map(str::to_owned),
            requests: Mutex::default(),
            faults: Mutex::default(),
            news: Mutex::new(news),
        });
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = mpsc::channel();
        let served = Arc::clone(&shared);
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
            recorded: Mutex::new(recorded),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests are as described.
    pub(crate) fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.requests()
            .iter()
            .filter(|request| wanted(request))
            .count()
    }

    /// How often tfw itself asked for an operation.
    pub(crate) fn count_tfw(&self, operation: &str) -> usize {
        self.count(|request| request.is_tfw(operation))
    }

    /// Forgets what was recorded, so that a test counts one command only.
    pub(crate) fn forget(&self) {
        self.shared.requests.lock().unwrap().clear();
    }

    /// Waits until a request as described has arrived.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        let deadline = Instant::now() + PATIENCE;
        let news = self.recorded.lock().unwrap();
        loop {
            if let Some(found) = self.requests().into_iter().find(|request| wanted(request)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = news.recv_timeout(left);
            assert!(
                waited != Err(RecvTimeoutError::Timeout),
                "no request came: {what}"
            );
        }
    }

    /// Begins to describe a fault: `proxy.when(|r| …).times(1).refuse(500, "InternalError")`. The
    /// first fault that meets a request is the one that happens.
    pub(crate) fn when(&self, meets: impl Fn(&Request) -> bool + Send + 'static) -> When<'_> {
        When {
            add: Box::new(|fault| self.shared.faults.lock().unwrap().push(fault)),
            meets: Box::new(meets),
            times: usize::MAX,
        }
    }

    /// Asserts that every S3 request of tfw's but the creation says whose bucket it expects.
    #[track_caller]
    pub(crate) fn assert_expected_owner(&self) {
        let silent: Vec<_> = self
            .requests()
            .iter()
            .filter(|request| request.client() == Client::Tfw)
            .filter(|request| request.service() == Some("s3"))
            .filter(|request| request.operation() != "CreateBucket")
            .filter(|request| request.expected_owner().is_none())
            .map(ToString::to_string)
            .collect();
        assert!(
            silent.is_empty(),
            "these name no expected bucket owner: {silent:#?}"
        );
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let client = HttpClient::builder(TokioExecutor::new()).build_http();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared), client.clone()));
    }
}

async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    client: HttpClient<HttpConnector, Full<Bytes>>,
) {
    let service = service_fn(|request| answer(request, &shared, &client));
    // An error here is a client that went away, or a connection that a fault broke.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Records, lets faults happen, passes on. `Err` breaks the connection.
async fn answer(
    request: hyper::Request<Incoming>,
    shared: &Shared,
    client: &HttpClient<HttpConnector, Full<Bytes>>,
) -> Result<Answer, Broken> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let recorded = record(&parts, &body);
    let action = shared.take_action(&recorded);
    let s3 = recorded.service() == Some("s3");
    let speaks_json = recorded.header("x-amz-target").is_some();
    shared.requests.lock().unwrap().push(recorded.clone());
    let _ = shared.news.lock().unwrap().send(());

    let mut edit = None;
    let mut after = None;
    let mut truncate = false;
    match action {
        Some(Action::Refuse {
            status,
            code,
            message,
            headers,
        }) => {
            let body = if s3 {
                s3_error_body(&code, &message)
            } else if speaks_json {
                json_error_body(&code, &message)
            } else {
                error_body(&code, &message)
            };
            let mut answer = hyper::Response::builder()
                .status(status)
                .header("content-type", "application/xml");
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            let answer = answer.body(whole(Bytes::from(body)));
            return answer.map_err(|_| Broken);
        }
        Some(Action::Answer(compose)) => {
            let answer = hyper::Response::builder()
                .header("content-type", "application/x-amz-json-1.1")
                .body(whole(Bytes::from(compose(&recorded))));
            return answer.map_err(|_| Broken);
        }
        Some(Action::Disconnect) => return Err(Broken),
        Some(Action::Hold { arrived, mut open }) => {
            let _ = arrived.send(());
            // An error is a gate that was dropped: open, too.
            let _ = open.wait_for(|open| *open).await;
        }
        Some(Action::Edit(found)) => edit = Some(found),
        Some(Action::Before(happening)) => {
            happening();
            return Err(Broken);
        }
        Some(Action::After(happening)) => after = Some(happening),
        Some(Action::Truncate) => truncate = true,
        Some(Action::Delay(time)) => tokio::time::sleep(time).await,
        None => {}
    }

    // Whoever takes this for the proxy of HTTP_PROXY sends the whole URI, else only the path.
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let upstream = shared.s3.as_ref().filter(|_| s3);
    let target = format!("{}{path}", upstream.unwrap_or(&shared.upstream));
    let mut onward = hyper::Request::new(Full::from(body));
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = target.parse().map_err(|_| Broken)?;
    *onward.headers_mut() = parts.headers;
    // Emulators would take the name of another host for a bucket's. An address stays: it is part of
    // what is signed.
    let asked = onward.headers().get(HOST).map(HeaderValue::as_bytes);
    if !asked.is_some_and(|asked| asked.starts_with(b"127.0.0.1")) {
        let host = onward.uri().authority().ok_or(Broken)?.as_str();
        let host = HeaderValue::from_str(host).map_err(|_| Broken)?;
        onward.headers_mut().insert(HOST, host);
    }
    // Between two hops, and the body is whole by now.
    onward.headers_mut().remove(CONNECTION);
    onward.headers_mut().remove(TRANSFER_ENCODING);
    let (mut parts, body) = client
        .request(onward)
        .await
        .map_err(|_| Broken)?
        .into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    let body = match edit {
        None => body,
        Some(edit) => {
            parts.headers.remove(CONTENT_LENGTH);
            Bytes::from(edit(&String::from_utf8_lossy(&body)))
        }
    };
    if let Some(happening) = after {
        happening();
        return Err(Broken);
    }
    let body = if truncate { half(&body) } else { whole(body) };
    Ok(hyper::Response::from_parts(parts, body))
}

fn whole(body: Bytes) -> BoxBody<Bytes, Broken> {
    Full::from(body).map_err(|never| match never {}).boxed()
}

/// The first half of a body, and then nothing: its length stands in the header.
fn half(body: &Bytes) -> BoxBody<Bytes, Broken> {
    let first = body.slice(..body.len() / 2);
    let parts = [Ok(Frame::data(first)), Err(Broken)];
    StreamBody::new(futures_util::stream::iter(parts)).boxed()
}

fn record(parts: &hyper::http::request::Parts, body: &[u8]) -> Request {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: String::new(),
    };
    let readable = ["x-www-form-urlencoded", "json", "xml"];
    let kind = request.header("content-type").unwrap_or_default();
    if readable.iter().any(|wanted| kind.contains(wanted)) {
        request.body = String::from_utf8_lossy(body).into_owned();
    }
    request
}

impl Shared {
    /// What happens to this request; a fault that has happened often enough is gone.
    fn take_action(&self, request: &Request) -> Option<Action> {
        let mut faults = self.faults.lock().unwrap();
        let fault = faults
            .iter_mut()
            .find(|fault| fault.left > 0 && (fault.meets)(request))?;
        fault.left -= 1;
        Some(fault.action.clone())
    }
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection was broken")
    }
}

impl std::error::Error for Broken {}

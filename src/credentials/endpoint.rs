//! The loopback endpoint from which Terraform gets its credentials while a run lasts.
//!
//! The SDKs of Terraform's backend and providers ask `AWS_CONTAINER_CREDENTIALS_FULL_URI` with
//! `AWS_CONTAINER_AUTHORIZATION_TOKEN`, as in a container, and ask again before what they have ends;
//! so an apply may last longer than a session. Each unit has a path and a token of its own: whoever
//! has not the token gets nothing, nor does another unit with its own. It listens on loopback alone,
//! refuses other `Host` headers (a page in a browser can send requests here, but not with this
//! name), and goes with the run.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::aws::VerifiedAccount;
use crate::model::{UnitId, hex};

/// A running endpoint; dropped, it is gone.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    served: Arc<Mutex<HashMap<String, Served>>>,
    task: JoinHandle<()>,
}

/// What a child is told.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub url: String,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub token: SecretString,
}

/// One unit's path.
#[derive(Debug, Clone)]
struct Served {
    token: SecretString,
    account: VerifiedAccount,
}

impl Endpoint {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let served: Arc<Mutex<HashMap<String, Served>>> = Arc::default();
        let task = tokio::spawn(listen(listener, address, served.clone()));
        Ok(Self {
            address,
            served,
            task,
        })
    }

    /// Serves the credentials of a unit from now on. A unit keeps its token while the run lasts: a
    /// child that was started earlier asks with it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn serve(&self, unit: &UnitId, account: &VerifiedAccount) -> io::Result<Ticket> {
        let path = format!("/{unit}");
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let token = match served.get(&path) {
            Some(entry) => entry.token.clone(),
            None => token()?,
        };
        let entry = Served {
            token: token.clone(),
            account: account.clone(),
        };
        served.insert(path.clone(), entry);
        Ok(Ticket {
            url: format!("http://{}{path}", self.address),
            token,
        })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// 256 random bits.
fn token() -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(SecretString::from(hex(&bytes)))
}

async fn listen(
    listener: TcpListener,
    address: SocketAddr,
    served: Arc<Mutex<HashMap<String, Served>>>,
) {
    // A connection that cannot be taken is the client's to try again.
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, address, served.clone()));
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    served: Arc<Mutex<HashMap<String, Served>>>,
) {
    let answer = service_fn(|request| {
        let served = served.clone();
        async move { Ok::<_, Infallible>(answer(&request, address, &served).await) }
    });
    // A client that goes away needs no answer.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

async fn answer(
    request: &Request<Incoming>,
    address: SocketAddr,
    served: &Mutex<HashMap<String, Served>>,
) -> Response<Full<Bytes>> {
    let header = |name| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    };
    if header(HOST) != Some(address.to_string().as_str()) || request.method() != Method::GET {
        return refusal(StatusCode::FORBIDDEN, "Forbidden", "not for you");
    }
    let found = {
        let served = served.lock().unwrap_or_else(PoisonError::into_inner);
        served.get(request.uri().path()).cloned()
    };
    // The same answer whether there is such a unit or not.
    let Some(unit) = found.filter(|unit| is_token(header(AUTHORIZATION), &unit.token)) else {
        return refusal(StatusCode::FORBIDDEN, "Forbidden", "not for you");
    };
    match unit.account.session().await {
        Ok(Some(session)) => {
            let body = json!({
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_access_key.expose_secret(),
                "Token": session.session_token.as_ref().map(ExposeSecret::expose_secret),
                // SDKs ask again some minutes before; keys without an end are good for a while.
                "Expiration": session.expires.map(|end| end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
                "AccountId": session.account_id,
            });
            reply(StatusCode::OK, &body)
        }
        Ok(None) => refusal(
            StatusCode::NOT_FOUND,
            "NoCredentials",
            "this unit gets none",
        ),
        Err(error) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "NotRenewed",
            &format!("tfw could not renew the credentials: {error}"),
        ),
    }
}

/// Compares hashes, so that the time it takes tells nothing of the token.
fn is_token(given: Option<&str>, token: &SecretString) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    given.is_some_and(|given| hash(given) == hash(token.expose_secret()))
}

/// Errors in the form that the SDKs read.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    reply(status, &json!({ "code": code, "message": message }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    let unkept = hyper::header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response.headers_mut().insert(CACHE_CONTROL, unkept);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::aws::{Aws, AwsError, BoxFuture, Session, SessionSource};
    use crate::env_vars::EnvSnapshot;

    #[derive(Debug)]
    struct Fixed(&'static str);

    impl SessionSource for Fixed {
        fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>> {
            let session = Session::for_tests(self.0, None);
            Box::pin(async { Ok(session) })
        }
    }

    async fn account(id: &'static str) -> VerifiedAccount {
        let aws = Aws::new(&EnvSnapshot::default()).unwrap();
        let (expected, region) = (id.parse().unwrap(), "eu-central-1".parse().unwrap());
        VerifiedAccount::prove(aws, Arc::new(Fixed(id)), expected, region)
            .await
            .unwrap()
    }

    /// The status and the body of a request with these lines.
    async fn ask(endpoint: &Endpoint, lines: &[&str]) -> (u16, String) {
        let mut stream = TcpStream::connect(endpoint.address).await.unwrap();
        let request = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    #[tokio::test]
    async fn only_the_right_token_on_the_right_path_and_host_gets_anything() {
        let endpoint = Endpoint::start().await.unwrap();
        let dev = "dev".parse().unwrap();
        let prod = "prod/app".parse().unwrap();
        let dev = endpoint
            .serve(&dev, &account("111111111111").await)
            .unwrap();
        let prod = endpoint
            .serve(&prod, &account("222222222222").await)
            .unwrap();
        let host = format!("Host: {}", endpoint.address);
        let with = |ticket: &Ticket| format!("Authorization: {}", ticket.token.expose_secret());
        let (dev, prod) = (with(&dev), with(&prod));

        let get = "GET /dev HTTP/1.1";
        let (status, body) = ask(&endpoint, &[get, &host, &dev]).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 200);
        assert_eq!(body["AccountId"], "111111111111");
        assert_eq!(body["AccessKeyId"], "ASIATEST");
        let (status, body) = ask(&endpoint, &["GET /prod/app HTTP/1.1", &host, &prod]).await;
        assert_eq!(status, 200);
        assert!(body.contains("222222222222"));

        for lines in [
            vec![get, &host],
            vec![get, &host, "Authorization: wrong"],
            vec![get, &host, &prod],
            vec!["GET /other HTTP/1.1", &host, &dev],
            vec!["POST /dev HTTP/1.1", &host, &dev],
            vec![get, "Host: evil.example", &dev],
            vec![get, "Host: localhost", &dev],
        ] {
            let (status, body) = ask(&endpoint, &lines).await;
            assert_eq!(status, 403, "{lines:?}");
            assert!(!body.contains("ASIATEST"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_unit_keeps_its_token_and_the_endpoint_goes_with_the_run() {
        let endpoint = Endpoint::start().await.unwrap();
        let unit = "dev".parse().unwrap();
        let account = account("111111111111").await;
        let one = endpoint.serve(&unit, &account).unwrap();
        let same = endpoint.serve(&unit, &account).unwrap();
        assert_eq!(one.token.expose_secret(), same.token.expose_secret());
        assert!(!format!("{one:?} {endpoint:?}").contains(one.token.expose_secret()));
        let address = endpoint.address;
        drop(endpoint);
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(address).await.is_err());
    }
}

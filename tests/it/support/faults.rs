//! Faults that the proxy puts in the way of requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::watch;

use super::{PATIENCE, Request};

/// Changes the body of an answer.
pub(super) type Edit = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Makes the body of an answer.
pub(super) type Compose = Arc<dyn Fn(&Request) -> String + Send + Sync>;

/// Something that a fault does.
pub(super) type Happening = Arc<dyn Fn() + Send + Sync>;

/// What happens to a request instead of being passed on.
#[derive(Clone)]
pub(super) enum Action {
    /// An error of AWS's, with this status, code, message and further headers.
    Refuse {
        status: u16,
        code: String,
        message: String,
        headers: Vec<(String, String)>,
    },
    /// An answer that the server does not have, in JSON.
    Answer(Compose),
    /// The connection breaks.
    Disconnect,
    /// It arrives, and is passed on when the gate opens.
    Hold {
        arrived: mpsc::Sender<()>,
        open: watch::Receiver<bool>,
    },
    /// It is passed on, and its answer comes back with another body.
    Edit(Edit),
    /// Something happens first; then the connection breaks, and nothing is passed on.
    Before(Happening),
    /// It is passed on, something happens, and no answer comes back.
    After(Happening),
    /// It is passed on, and half of its answer comes back.
    Truncate,
    /// It is passed on a while later.
    Delay(Duration),
}

/// Which requests, how many of them, and what happens to them.
pub(super) struct Fault {
    pub(super) meets: Box<dyn Fn(&Request) -> bool + Send>,
    pub(super) left: usize,
    pub(super) action: Action,
}

/// A fault that is being described; see [`super::Proxy::when`].
pub(crate) struct When<'a> {
    pub(super) add: Box<dyn FnOnce(Fault) + 'a>,
    pub(super) meets: Box<dyn Fn(&Request) -> bool + Send>,
    pub(super) times: usize,
}

impl When<'_> {
    /// Only the first `times` of them; otherwise all.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Answers with an error as AWS words it, `code` being for example `AccessDenied`.
    pub(crate) fn refuse(self, status: u16, code: &str) {
        self.refuse_with(status, code, &[]);
    }

    /// The same with AWS's own words, where tfw reads them.
    pub(crate) fn refuse_saying(self, status: u16, code: &str, message: &str) {
        self.then(Action::Refuse {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            headers: Vec::new(),
        });
    }

    /// Answers with status 200 and this JSON: for what the server does not have.
    pub(crate) fn answer(self, compose: impl Fn(&Request) -> String + Send + Sync + 'static) {
        self.then(Action::Answer(Arc::new(compose)));
    }

    /// As [`When::refuse`], with these further headers.
    pub(crate) fn refuse_with(self, status: u16, code: &str, headers: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.then(Action::Refuse {
            status,
            code: code.to_owned(),
            message: "injected by the test".to_owned(),
            headers: headers.iter().map(owned).collect(),
        });
    }

    /// Only those after the first `count` of them.
    pub(crate) fn after(self, count: usize) -> Self {
        let seen = AtomicUsize::new(0);
        let meets = self.meets;
        Self {
            meets: Box::new(move |request| {
                meets(request) && seen.fetch_add(1, Ordering::Relaxed) >= count
            }),
            ..self
        }
    }

    /// Breaks the connection without an answer.
    pub(crate) fn disconnect(self) {
        self.then(Action::Disconnect);
    }

    /// Passes them on, and changes the bodies of their answers.
    pub(crate) fn edit_answer(self, edit: impl Fn(&str) -> String + Send + Sync + 'static) {
        self.then(Action::Edit(Arc::new(edit)));
    }

    /// Does something when one arrives, and breaks the connection: the server never sees it.
    pub(crate) fn happens_before(self, happening: impl Fn() + Send + Sync + 'static) {
        self.then(Action::Before(Arc::new(happening)));
    }

    /// Does something when the server has answered, and breaks the connection: nobody gets the
    /// answer.
    pub(crate) fn happens_after(self, happening: impl Fn() + Send + Sync + 'static) {
        self.then(Action::After(Arc::new(happening)));
    }

    /// Passes them on, and only half of the answer back.
    pub(crate) fn truncate(self) {
        self.then(Action::Truncate);
    }

    /// Passes them on a while later.
    pub(crate) fn delay(self, time: Duration) {
        self.then(Action::Delay(time));
    }

    /// Holds them back until the gate is opened or dropped.
    pub(crate) fn hold(self) -> Gate {
        let (arrived, arrivals) = mpsc::channel();
        let (opener, open) = watch::channel(false);
        self.then(Action::Hold { arrived, open });
        Gate { arrivals, opener }
    }

    fn then(self, action: Action) {
        (self.add)(Fault {
            meets: self.meets,
            left: self.times,
            action,
        });
    }
}

/// Holds requests back, until it is opened or dropped.
pub(crate) struct Gate {
    arrivals: mpsc::Receiver<()>,
    opener: watch::Sender<bool>,
}

impl Gate {
    /// Waits until a request stands before the gate.
    #[track_caller]
    pub(crate) fn wait_for_arrival(&self) {
        self.arrivals
            .recv_timeout(PATIENCE)
            .expect("no request came to the gate");
    }

    /// Whether nothing comes within a time: for what must not happen.
    pub(crate) fn stays_empty_for(&self, time: Duration) -> bool {
        self.arrivals.recv_timeout(time).is_err()
    }

    /// Lets all through, now and later.
    pub(crate) fn open(self) {
        self.opener.send_replace(true);
    }
}

/// The body of an error: XML, which S3 and the query services (STS, EC2, IAM) share well enough.
pub(super) fn error_body(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>test</RequestId></ErrorResponse>"
    )
}

/// The same in JSON, as KMS and others have it.
pub(super) fn json_error_body(code: &str, message: &str) -> String {
    format!(r#"{{"__type":"{code}","message":"{message}"}}"#)
}

/// The same in the shape of S3, whose errors have no envelope.
pub(super) fn s3_error_body(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>test</RequestId></Error>"
    )
}

//! Who read or wrote a state, and what CloudTrail cannot tell: the words of `tfw audit`.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::UnitId;

/// The length of a run's id: `20261121T233550Z-3f9a2c`.
const RUN_ID: usize = 23;

/// The time that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its beginning.
    pub since: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// One event of CloudTrail's about a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub time: Timestamp,
    /// The units that it may be about: several where it names no object, but their bucket.
    pub units: Vec<UnitId>,
    /// The Terraform workspace whose state it is about; `None`: it names no object.
    pub workspace: Option<StateWorkspace>,
    /// CloudTrail's name for it: `Decrypt`.
    pub event: String,
    /// Who asked.
    pub who: Option<Who>,
    /// The name of the role's session.
    pub session: Option<String>,
    /// The address that was asked from; `None`: S3 asked KMS in somebody's name, and does not say.
    pub source_ip: Option<String>,
    /// The program that asked, as it calls itself.
    pub user_agent: Option<String>,
    /// The ARN of the object, or of the bucket where no more is told.
    pub resource: Option<String>,
    /// Why it failed, in AWS's word: `AccessDenied`; `None`: it did not.
    pub error: Option<String>,
    /// What the run did whose session this is, where it was one of this folder's: `plan`.
    pub command: Option<String>,
}

/// The Terraform workspace of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWorkspace {
    /// Its name.
    pub name: String,
    /// Whether it is the one that the unit uses.
    pub is_own: bool,
}

/// Somebody whom CloudTrail names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// What they are.
    pub kind: WhoKind,
    /// Their name: `alice`.
    pub name: String,
    /// The account that they belong to.
    pub account: Option<String>,
    /// The person behind a role, where its session was given a source identity.
    pub source_identity: Option<String>,
    /// The user of IAM Identity Center in whose name a service or a role asked.
    pub on_behalf_of: Option<String>,
}

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhoKind {
    /// An IAM user, or another user with a name.
    User,
    /// A user of IAM Identity Center.
    IdentityCenter,
    /// A role.
    Role,
    /// The account's root user.
    Root,
    /// A service of AWS's, for itself.
    Service,
    /// Another account, of which no more is told.
    Account,
}

impl WhoKind {
    /// As a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::IdentityCenter => "Identity Center user",
            Self::Role => "role",
            Self::Root => "root user",
            Self::Service => "AWS service",
            Self::Account => "account",
        }
    }
}

/// As documents have it: `role Execution in account 111111111111`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            WhoKind::Root => f.write_str("root user")?,
            WhoKind::Account => return write!(f, "account {}", self.name),
            kind => write!(f, "{} {}", kind.word(), self.name)?,
        }
        if let Some(account) = &self.account {
            write!(f, " in account {account}")?;
        }
        if let Some(person) = &self.source_identity {
            write!(f, ", who is {person}")?;
        }
        match &self.on_behalf_of {
            Some(person) => write!(f, ", on behalf of {person}"),
            None => Ok(()),
        }
    }
}

/// What was done to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// It was read.
    Read,
    /// It was written.
    Write,
    /// It was deleted.
    Delete,
}

impl Deed {
    /// What an event is about, if it is about the content of a state. S3 has KMS decrypt the key of
    /// an object that is read, and make one for an object that is written (S3 User Guide, "Using
    /// server-side encryption with AWS KMS keys").
    pub fn of(event: &str) -> Option<Self> {
        match event {
            "Decrypt" | "GetObject" | "SelectObjectContent" => Some(Self::Read),
            "GenerateDataKey" | "PutObject" | "CopyObject" | "CompleteMultipartUpload" => {
                Some(Self::Write)
            }
            "DeleteObject" | "DeleteObjects" => Some(Self::Delete),
            _ => None,
        }
    }

    /// As a noun.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "deletion",
        }
    }
}

/// An event as documents have it, of one unit; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// When.
    pub time: Timestamp,
    /// The unit.
    pub unit: UnitId,
    /// The Terraform workspace whose state it is; `null`: no object is named.
    pub workspace: Option<String>,
    /// CloudTrail's name for it.
    pub event: String,
    /// Who asked.
    pub who: Option<String>,
    /// The name of the role's session.
    pub session: Option<String>,
    /// The address that was asked from.
    pub source_ip: Option<String>,
    /// The program that asked.
    pub user_agent: Option<String>,
    /// The ARN of the object; of the bucket where it may be any other object of it as well.
    pub resource: Option<String>,
    /// Why it failed, `AccessDenied` for example; `null`: it did not.
    pub error: Option<String>,
}

impl AuditRow {
    /// The names of its fields, in their order.
    pub const FIELDS: [&str; 10] = [
        "time",
        "unit",
        "workspace",
        "event",
        "who",
        "session",
        "source_ip",
        "user_agent",
        "resource",
        "error",
    ];

    /// The values of its fields, in their order; what is not known is empty.
    pub fn cells(self) -> [String; 10] {
        [
            self.time.to_string(),
            self.unit.to_string(),
            self.workspace.unwrap_or_default(),
            self.event,
            self.who.unwrap_or_default(),
            self.session.unwrap_or_default(),
            self.source_ip.unwrap_or_default(),
            self.user_agent.unwrap_or_default(),
            self.resource.unwrap_or_default(),
            self.error.unwrap_or_default(),
        ]
    }
}

impl AuditEvent {
    /// The rows of a document: one for each unit.
    pub fn rows(&self) -> impl Iterator<Item = AuditRow> + '_ {
        self.units.iter().map(|unit| AuditRow {
            time: self.time,
            unit: unit.clone(),
            workspace: self.workspace.as_ref().map(|each| each.name.clone()),
            event: self.event.clone(),
            who: self.who.as_ref().map(ToString::to_string),
            session: self.session.clone(),
            source_ip: self.source_ip.clone(),
            user_agent: self.user_agent.clone(),
            resource: self.resource.clone(),
            error: self.error.clone(),
        })
    }

    /// The workspace, where it is another one than the unit's own.
    pub fn other_workspace(&self) -> Option<&str> {
        let workspace = self.workspace.as_ref()?;
        (!workspace.is_own).then_some(workspace.name.as_str())
    }

    /// Whether somebody was not let in, in contrast to what failed for another reason. KMS says
    /// `AccessDenied`, other services `AccessDeniedException`, `Client.UnauthorizedOperation`.
    pub fn is_denied(&self) -> bool {
        let words = ["AccessDenied", "NotAuthorized", "Unauthorized"];
        let error = self.error.as_deref().unwrap_or_default();
        words.iter().any(|word| error.contains(word))
    }

    /// The run of tfw's whose session asked.
    pub fn run(&self) -> Option<&str> {
        run_of_session(self.session.as_deref()?)
    }
}

/// Something that CloudTrail does not show, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caveat {
    /// The units; none: it is so everywhere.
    pub units: Vec<UnitId>,
    /// What is not shown, and why.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The id in a session name of tfw's: `tfw-PROJECT-RUN`, `tfw-RUN`.
fn run_of_session(session: &str) -> Option<&str> {
    let rest = session.strip_prefix("tfw-")?;
    let at = rest.len().checked_sub(RUN_ID)?;
    let run = rest.get(at..)?;
    let is_apart = at == 0 || rest[..at].ends_with('-');
    let pattern = "00000000T000000Z-xxxxxx".bytes();
    let fits = run
        .bytes()
        .zip(pattern)
        .all(|(found, wanted)| match wanted {
            b'0' => found.is_ascii_digit(),
            b'x' => found.is_ascii_hexdigit(),
            sign => found == sign,
        });
    (is_apart && fits).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_stands_at_the_end_of_tfws_session_names() {
        let run = "20261121T233550Z-3f9a2c";
        for (session, found) in [
            (format!("tfw-acme-{run}"), true),
            (format!("tfw-a-b-{run}"), true),
            (format!("tfw-{run}"), true),
            (format!("other-{run}"), false),
            (format!("tfw-acme{run}"), false),
            ("tfw-acme".to_owned(), false),
            ("tfw-acme-20261121T233550Z-..%2fxx".to_owned(), false),
            ("tfw-ümlaut-and-then-some-more".to_owned(), false),
        ] {
            assert_eq!(run_of_session(&session), found.then_some(run), "{session}");
        }
    }

    #[test]
    fn people_are_told_with_their_account() {
        let who = |kind, name: &str| Who {
            kind,
            name: name.to_owned(),
            account: Some("111111111111".to_owned()),
            source_identity: None,
            on_behalf_of: None,
        };
        let told = [
            who(WhoKind::User, "alice"),
            who(WhoKind::Root, "root"),
            Who {
                account: None,
                ..who(WhoKind::Service, "s3.amazonaws.com")
            },
        ]
        .map(|who| who.to_string());
        assert_eq!(
            told,
            [
                "user alice in account 111111111111",
                "root user in account 111111111111",
                "AWS service s3.amazonaws.com"
            ]
        );
    }
}

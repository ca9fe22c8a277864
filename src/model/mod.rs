//! What is resolved: environments, units, backends and the outcomes of work on them.
//!
//! A leaf: plain data without I/O. The manifest is resolved into [`Project`]; everything after
//! that works on these types and never sees TOML.

mod audit;
mod backend;
mod bucket;
mod change;
mod check;
mod credentials;
mod digest;
mod io_error;
mod lock;
mod migration;
mod names;
mod nearest;
mod outcome;
mod project;
mod state;
mod status;

pub use audit::{AuditEvent, AuditRow, Caveat, Deed, Period, StateWorkspace, Who, WhoKind};
pub use backend::{Backend, LocalBackend, OtherBackend, S3Backend};
pub use bucket::{Action, BucketCondition, BucketSpec, Difference, Encryption, Reason};
pub use change::{AttributeChange, Changes, ResourceChange};
pub use check::{Area, Check, CheckStatus, UnitCheck};
pub use credentials::{AssumeRole, CredentialsSpec, Delivery, KeptSession, MfaSpec, WebIdentity};
pub use digest::{hex, sha256};
pub use io_error::describe_io;
pub use lock::{HeldLock, Lock, OwnRun};
pub use migration::{MigratedWorkspace, Migration};
pub use names::{
    AccountId, BucketName, EnvironmentName, InvalidName, MfaSerial, Principal, Region, RoleArn,
    StackName, StateKey, UnitId, Workspace,
};
pub use nearest::nearest;
pub use outcome::{BackendAddress, Diagnostic, InitRun, Outcome, Severity, UnitResult};
pub use project::{Dependencies, Environment, Input, Project, TerraformSettings, Unit};
pub use state::{
    Happened, HistoryEntry, InstanceChange, InstanceChanges, MASK, OutputChange, PulledState,
    ReplacedState, ShownResource, ShownState, StateDiff, StateId, ValueChange, Values, shown,
};
pub use status::{Condition, StatePresence, UnitStatus};

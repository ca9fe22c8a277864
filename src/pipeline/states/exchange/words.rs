//! What a person is told of an exchange: what will be otherwise, the question, what came of it.

use std::path::Path;

use super::super::versions::id_of;
use super::{Current, Exchange, Source};
use crate::events::Event;
use crate::model::{Diagnostic, ReplacedState, StateDiff, StateId};
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::state::{Fingerprint, Instance, Secrets, StateVersion, compare};

/// Addresses that are told one by one.
const TOLD: usize = 12;

impl Exchange<'_> {
    /// Shows what will be otherwise.
    pub(super) fn show(&self, record: &Record<'_>) {
        let (place, next) = (self.state.url(), &self.next.version);
        let addresses: Vec<String> = next
            .document
            .instances()
            .filter(Instance::is_managed)
            .map(|instance| instance.address())
            .collect();
        match &self.current {
            None => record.note(format!(
                "`{place}` has no state now; this one has {}",
                told(&addresses)
            )),
            Some(Current {
                version: Err(why), ..
            }) => record.note(format!(
                "what is in `{place}` cannot be read, and will be replaced: {why}"
            )),
            Some(_) => {}
        }
        let Some(last) = &self.last else { return };
        if addresses.is_empty() && last.document.resource_count() > 0 {
            record.note("no resource is in that state: Terraform would know of none any more");
        }
        let says = |version: &StateVersion| Fingerprint::of(&version.document);
        let is_current = matches!(&self.current, Some(Current { version: Ok(_), .. }));
        if is_current || says(last) != says(next) {
            record.ctx.events.emit(Event::StateDiffers {
                diff: Box::new(difference(record, last, next)),
            });
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// A refusal or an interruption.
    pub(super) async fn agree(
        &self,
        record: &Record<'_>,
        copy: Option<&Path>,
    ) -> Result<(), Failure> {
        let (ctx, unit) = (record.ctx, record.unit);
        let what = match &self.wanted.source {
            Source::Version(name) => {
                let StateId {
                    serial, modified, ..
                } = id_of(&self.next.version);
                let time = modified.map(|time| time.strftime(", %Y-%m-%d %H:%M:%S UTC"));
                let time = time.map_or_else(String::new, |time| time.to_string());
                format!("the version `{name}` (serial {serial}{time})")
            }
            Source::File { path, .. } => format!("`{}`", path.display()),
        };
        let stays = match (&self.current, copy) {
            (None, _) => String::new(),
            (Some(_), Some(copy)) => format!(
                "The bucket keeps no version of what is there: it is copied to `{}` first. ",
                ctx.shown(copy)
            ),
            (Some(_), None) => "What is there stays a version in the bucket. ".to_owned(),
        };
        let question = || {
            format!(
                "tfw will write {what} as the new state of `{}`, with the serial {}:\n  {}\n{stays}No resource changes. The lock is held meanwhile.",
                unit.id,
                self.serial,
                self.state.url()
            )
        };
        ctx.consent
            .obtain(ctx, Matter::Tfw, &[unit], question, self.doing)
            .await
    }

    /// What is there after the write cannot be read.
    pub(super) fn unknown(
        &self,
        record: &Record<'_>,
        copy: Option<&str>,
        written: Option<String>,
        unread: &Failure,
    ) -> Failure {
        let what = match written {
            None => "was written, and cannot be read back".to_owned(),
            Some(error) => format!("may have been written ({error}), and cannot be read back"),
        };
        let summary = format!("`{}` {what}", self.state.url());
        let mut diagnostic = Diagnostic::error(&summary).with_hint(self.look(record, copy));
        for told in &unread.diagnostics {
            diagnostic = diagnostic.with_detail(&told.summary);
        }
        Failure::failed(diagnostic)
    }

    /// What is there after the write is not what was written.
    pub(super) fn something_else(&self, record: &Record<'_>, copy: Option<&str>) -> Failure {
        let summary = format!(
            "`{}` was written, and reads back as something else",
            self.state.url()
        );
        Failure::failed(Diagnostic::error(summary).with_hint(self.look(record, copy)))
    }

    /// Where to look when it is not known what is there.
    fn look(&self, record: &Record<'_>, copy: Option<&str>) -> String {
        let unit = &record.unit.id;
        let before = match copy {
            Some(copy) => format!("what was there before is in `{copy}`"),
            None => "what was there before is a version of its own".to_owned(),
        };
        format!(
            "`tfw state history {unit}` tells what is there: the new state has the serial {}, and {before}",
            self.serial
        )
    }

    /// Says what was written, and how to take it back.
    pub(super) fn tell(
        &self,
        record: &mut Record<'_>,
        version_id: Option<String>,
        copy: Option<String>,
    ) {
        let unit = &record.unit.id;
        record.note(format!(
            "`{}` has the serial {} now",
            self.state.url(),
            self.serial
        ));
        let is_own = self.wanted.workspace == *record.unit.backend.workspace();
        let current = self.current.as_ref();
        let is_readable = current.is_some_and(|current| current.version.is_ok());
        match (self.version(), &copy) {
            (Some(version), _) if is_own && is_readable => record.note(format!(
                "`tfw state rollback {unit} --to {version}` takes it back"
            )),
            (Some(version), _) => record.note(format!("what was there is the version {version}")),
            (None, Some(copy)) => record.note(format!("what was there is in `{copy}`")),
            _ => {}
        }
        record.replaced(ReplacedState {
            workspace: self.wanted.workspace.to_string(),
            place: self.state.url(),
            serial: self.serial,
            version_id,
            before: self.version().map(str::to_owned),
            backup: copy,
        });
    }
}

/// How many resources, and which, as far as that can be read.
fn told(addresses: &[String]) -> String {
    let s = if addresses.len() == 1 { "" } else { "s" };
    let names = addresses[..addresses.len().min(TOLD)].join(", ");
    match addresses.len() {
        0 => "no resources".to_owned(),
        count @ ..=TOLD => format!("{count} resource{s}: {names}"),
        count => format!("{count} resources: {names}, and {} more", count - TOLD),
    }
}

fn difference(record: &Record<'_>, from: &StateVersion, to: &StateVersion) -> StateDiff {
    let (before, after) = (&from.document, &to.document);
    let secrets = Secrets::of(&[before, after], false);
    let (resources, outputs) = compare(before, after, &secrets);
    StateDiff {
        unit: record.unit.id.clone(),
        from: id_of(from),
        to: id_of(to),
        changes: Fingerprint::of(after).since(&Fingerprint::of(before)),
        resources,
        outputs,
    }
}

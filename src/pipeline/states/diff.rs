//! `tfw state diff`: how two versions of a state differ.

use super::super::told;
use super::versions::{Versions, id_of};
use crate::model::{Diagnostic, StateDiff};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::state::{Fingerprint, Secrets, compare};

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// The one: `latest`, `latest~N`, a version id or a serial.
    pub from: String,
    /// The other.
    pub to: String,
    /// Show what is sensitive.
    pub reveal: bool,
}

/// How two versions of the state of each selected unit differ; those that cannot be read are left
/// out.
pub async fn diff(ctx: &Context, options: &DiffOptions) -> (Vec<StateDiff>, Vec<Diagnostic>) {
    let (mut diffs, mut diagnostics) = (Vec::new(), Vec::new());
    for unit in ctx.units() {
        let (diff, told) = told::look(ctx, unit, None, async |record, diff| {
            *diff = Some(look(record, options).await?);
            Ok(())
        })
        .await;
        diffs.extend(diff);
        diagnostics.extend(told);
    }
    (diffs, diagnostics)
}

async fn look(record: &mut Record<'_>, options: &DiffOptions) -> Result<StateDiff, Failure> {
    let versions = Versions::list(record).await?;
    let one = versions.find(record, &options.from).await?;
    let other = versions.find(record, &options.to).await?;
    let (before, after) = tokio::join!(versions.read(one), versions.read(other));
    let (from, to) = (before?, after?);
    let (before, after) = (&from.document, &to.document);
    let secrets = Secrets::of(&[before, after], options.reveal);
    let (resources, outputs) = compare(before, after, &secrets);
    if !resources.is_empty() || !outputs.is_empty() {
        record.differs();
    }
    Ok(StateDiff {
        unit: record.unit.id.clone(),
        from: id_of(&from),
        to: id_of(&to),
        changes: Fingerprint::of(after).since(&Fingerprint::of(before)),
        resources,
        outputs,
    })
}

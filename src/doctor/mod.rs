//! `tfw doctor`: what is right and wrong with the whole set-up.
//!
//! Each file looks at one area, or at a few that are read together, and gives [`Check`]s. Nothing is
//! changed, and no Terraform runs but `terraform version`. What is on disk is read at once; AWS is
//! asked for all units side by side, each role and each bucket once. What cannot be looked at for
//! want of something else (the bucket of a unit without credentials) is left out: the something else
//! is told.

mod buckets;
mod credentials;
mod findings;
mod git;
mod locks;
mod manifest;
mod modules;
mod state_files;
mod tools;

use crate::model::{Area, Check, Diagnostic};
use crate::stage::Context;
use crate::stage::backend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::terraform::{Binary, BinaryError};

/// Areas that AWS is asked about.
const REMOTE: [Area; 4] = [Area::Credentials, Area::Bucket, Area::Kms, Area::Lock];

/// Looks at everything of the selected units, with the binary that the settings name.
pub async fn examine(ctx: &Context, binary: Result<Binary, BinaryError>) -> Vec<Check> {
    let records: Vec<Record<'_>> = ctx.units().map(|unit| Record::new(ctx, unit)).collect();
    let mut checks = manifest::look(ctx);
    checks.extend(modules::look(ctx));
    checks.extend(state_files::look(ctx));
    let (terraform, git, remote) = tokio::join!(
        tools::terraform(ctx, binary),
        git::look(ctx),
        until_stopped(ctx, look_at_aws(&records)),
    );
    checks.push(terraform);
    checks.extend(git);
    checks.extend(remote);
    // What was looked at together is told area by area.
    checks.sort_by_key(|check| check.area);
    for record in records {
        let stopped = ctx.signals.is_stopping();
        record.finish(if stopped {
            Err(Failure::not_started())
        } else {
            Ok(())
        });
    }
    checks
}

/// What there is to say where the manifest itself is wrong, or is not there.
pub fn without_manifest(problems: &[Diagnostic]) -> Vec<Check> {
    let checks = problems
        .iter()
        .map(|problem| findings::of_diagnostic(Area::Manifest, problem));
    checks.collect()
}

async fn look_at_aws(records: &[Record<'_>]) -> Vec<Check> {
    let prepared = at_once(records.iter().map(|record| backend::verify(record))).await;
    let mut checks = credentials::look(records, &prepared);
    let (of_buckets, there) = buckets::look(records, &prepared).await;
    checks.extend(of_buckets);
    checks.extend(locks::look(records, &prepared, &there).await);
    checks
}

/// The checks, or that the run was interrupted before they were done.
async fn until_stopped(ctx: &Context, checks: impl Future<Output = Vec<Check>>) -> Vec<Check> {
    tokio::select! {
        biased;
        () = ctx.signals.stopped() => {
            let interrupted = "not looked at: the run was interrupted";
            REMOTE.map(|area| Check::unknown(area, interrupted)).to_vec()
        }
        checks = checks => checks,
    }
}

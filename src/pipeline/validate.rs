//! `tfw validate`: needs neither a backend nor credentials, so it gets neither.

use super::schedule;
use crate::aws::VerifiedAccount;
use crate::events::Phase;
use crate::model::{Diagnostic, Severity, UnitResult};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::plugin_cache;
use crate::stage::record::Record;
use crate::stage::retry::Tries;
use crate::stage::terraform_step::{self, Call, Surroundings, Variables};
use crate::terraform::command::{self, Init, InitBackend};
use crate::terraform::parse_validation;

/// `tfw validate`.
pub async fn validate(ctx: &Context) {
    schedule::each_by_itself(ctx, validate_unit).await;
}

async fn validate_unit(record: &mut Record<'_>) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    // A data folder of its own: an init without a backend would forget the real one.
    let data_dir = ctx.run.tfw().data(&unit.id).join("validate");
    let nobody = VerifiedAccount::without_credentials();
    let variables = Variables::default();
    record.phase(Phase::Init);
    let mut tries = Tries::default();
    loop {
        let cache = plugin_cache::choose(ctx, unit).await?;
        let surroundings = Surroundings {
            data_dir: &data_dir,
            plugin_cache: cache.folder(),
            variables: &variables,
        };
        let json = ctx.terraform()?.init_prints_json();
        let call = Call::new(command::init(&Init {
            backend: InitBackend::None,
            json,
        }));
        let finished = terraform_step::run(record, &nobody, surroundings, call).await?;
        if finished.status.success() {
            cache.adopt(&data_dir)?;
            break;
        }
        if !tries.again(record, "terraform init", &finished).await? {
            return Err(finished.failure("terraform init"));
        }
    }
    record.phase(Phase::Validate);
    let surroundings = Surroundings {
        data_dir: &data_dir,
        plugin_cache: &plugin_cache::shared(ctx),
        variables: &variables,
    };
    let call = Call::new(command::validate()).private();
    let finished = terraform_step::run(record, &nobody, surroundings, call).await?;
    // `validate -json` prints one document, and ends with 1 where it has errors.
    match parse_validation(finished.private_output(), &ctx.shown(&unit.folder)) {
        Some(found) => conclude(record, found),
        None => finished.succeeded("terraform validate").map(drop),
    }
}

/// Tells what was found; errors among it fail the unit.
fn conclude(record: &mut Record<'_>, found: Vec<Diagnostic>) -> Result<(), Failure> {
    let mut errors = Vec::new();
    for diagnostic in found {
        match diagnostic.severity {
            Severity::Error => errors.push(diagnostic),
            Severity::Warning => record.diagnostic(diagnostic),
        }
    }
    let Some(first) = errors.first() else {
        return Ok(());
    };
    Err(Failure {
        result: UnitResult::Failed,
        reason: format!("`terraform validate` failed: {}", first.summary),
        diagnostics: errors,
        lock: None,
    })
}

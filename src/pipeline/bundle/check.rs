//! A bundle held against the world: every difference, of all units, before anything runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::basis::{Sources, View};
use super::compare::{self, Difference};
use super::record::{PlanRecord, UnitRecord};
use super::tree::Tree;
use super::{Bundle, plan_name};
use crate::journal::{remove_if_there, write_private};
use crate::model::sha256;
use crate::model::{Backend, Diagnostic, Unit, UnitId, describe_io};
use crate::root_module::ReadError;
use crate::stage::Context;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::inputs::{self, Missing};
use crate::stage::record::Record;
use crate::stage::states;
use crate::stage::terraform_step::Variables;
use crate::terraform::{StateMark, state_of_plan};

/// The run's own copy of a plan in a bundle: the very bytes whose hash is the recorded one. Only
/// [`check`] makes it.
#[derive(Debug)]
pub(in crate::pipeline) struct AdoptedPlan(PathBuf);

impl AdoptedPlan {
    pub(in crate::pipeline) fn into_path(self) -> PathBuf {
        self.0
    }
}

/// A unit of a bundle that is as it was when its plan was made.
#[derive(Debug)]
pub(super) struct Reviewed {
    /// `None`: there is nothing to apply.
    pub(super) plan: Option<AdoptedPlan>,
    /// The variables that the plan was made with.
    pub(super) variables: Variables,
}

/// What is to be said against a unit.
#[derive(Debug, Default)]
struct Objections {
    differences: Vec<Difference>,
    /// What could not be looked at.
    failures: Vec<Failure>,
}

/// Checks the selected units; the answers stand in their order.
pub(super) async fn check(ctx: &Context, bundle: &Bundle) -> Vec<Result<Reviewed, Failure>> {
    let units: Vec<&Unit> = ctx.units().collect();
    let sources: Vec<_> = units.iter().map(|unit| Sources::find(unit)).collect();
    let folders: BTreeSet<PathBuf> = sources
        .iter()
        .flatten()
        .flat_map(|sources| sources.folders.iter().cloned())
        .collect();
    let tree = match Tree::look(ctx, &folders).await {
        Ok(tree) => tree,
        Err(failure) => return units.iter().map(|_| Err(failure.clone())).collect(),
    };
    let folder = bundle.folder.canonicalize();
    let view = View {
        ctx,
        salt: &bundle.record.salt,
        tree: &tree,
        bundle: folder.as_deref().unwrap_or(&bundle.folder),
    };
    let checked = at_once(
        units
            .iter()
            .zip(&sources)
            .map(|(unit, sources)| check_unit(view, bundle, unit, sources)),
    )
    .await;
    let both = || units.iter().zip(&checked);
    let fit: Vec<&UnitId> = both()
        .filter(|(_, checked)| checked.is_ok())
        .map(|(unit, _)| &unit.id)
        .collect();
    let units = units.iter().zip(checked);
    units
        .map(|(unit, checked)| checked.map_err(|objections| objections.verdict(bundle, unit, &fit)))
        .collect()
}

async fn check_unit(
    view: View<'_>,
    bundle: &Bundle,
    unit: &Unit,
    sources: &Result<Sources, ReadError>,
) -> Result<Reviewed, Objections> {
    let mut objections = Objections::default();
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => {
            let failure = Failure::failed(Diagnostic::error(error.to_string()));
            objections.failures.push(failure);
            return Err(objections);
        }
    };
    let Some(recorded) = bundle.unit(&unit.id) else {
        let difference = Difference::new("unit", "it is not in the bundle");
        objections.differences.push(difference);
        return Err(objections);
    };
    let mut reader = Record::new(view.ctx, unit);
    // An output that is gone is a difference like any other.
    let variables = match inputs::variables(&mut reader, Missing::Leave).await {
        Ok(variables) => Some(variables),
        Err(failure) => {
            objections.failures.push(failure);
            None
        }
    };
    let now = view.basis(
        unit,
        sources,
        variables.as_ref().unwrap_or(&Variables::default()),
    );
    match now {
        Ok(mut now) => {
            if variables.is_none() {
                // Not known, and told as a failure.
                now.variables.clone_from(&recorded.basis.variables);
            }
            let commit = bundle.record.commit.as_deref();
            let both_committed = commit.is_some() && view.tree.commit().is_some();
            let differences = &mut objections.differences;
            differences.extend(compare::differences(&recorded.basis, &now, both_committed));
            differences.extend(compare::commit(commit, view.tree));
            // At another place, or in another name, there is another state.
            let same_place = (&recorded.basis.account_id, &recorded.basis.roles)
                == (&now.account_id, &now.roles)
                && recorded.basis.backend == now.backend;
            // Of other backends only Terraform knows the state, and that runs where all else fits.
            let is_readable = !matches!(unit.backend, Backend::Other(_))
                || (differences.is_empty() && objections.failures.is_empty());
            if same_place && is_readable {
                check_state(&mut reader, recorded, &mut objections).await;
            }
        }
        Err(failure) => objections.failures.push(failure),
    }
    if recorded.provisional {
        objections.differences.push(Difference::new(
            "plan",
            "plan: recorded as provisional, and such a plan does not go into a bundle",
        ));
    }
    let plan = recorded
        .plan
        .as_ref()
        .map(|plan| adopt(view.ctx, bundle, recorded, plan));
    let plan = match plan.transpose() {
        Ok(plan) => plan,
        Err(Adoption::Differs(difference)) => {
            objections.differences.push(difference);
            None
        }
        Err(Adoption::Failed(failure)) => {
            objections.failures.push(failure);
            None
        }
    };
    match variables {
        Some(variables) if objections.differences.is_empty() && objections.failures.is_empty() => {
            Ok(Reviewed { plan, variables })
        }
        _ => {
            if let Some(plan) = plan {
                // It is private, and pruned with its run.
                let _ = remove_if_there(&plan.into_path());
            }
            Err(objections)
        }
    }
}

async fn check_state(reader: &mut Record<'_>, recorded: &UnitRecord, objections: &mut Objections) {
    match states::read(reader).await {
        Ok(state) => {
            let now = state.map(|state| StateMark {
                lineage: state.lineage,
                serial: state.serial,
            });
            let difference = compare::state(recorded.state.as_ref(), now.as_ref());
            objections.differences.extend(difference);
        }
        Err(failure) => objections.failures.push(failure),
    }
}

/// Why a plan cannot be taken over.
enum Adoption {
    Differs(Difference),
    Failed(Failure),
}

/// Copies a plan from the bundle to where the run keeps its own. Read once: what has the right
/// hash is what is written, and what is applied later, whatever becomes of the bundle meanwhile.
fn adopt(
    ctx: &Context,
    bundle: &Bundle,
    recorded: &UnitRecord,
    plan: &PlanRecord,
) -> Result<AdoptedPlan, Adoption> {
    let differs = |detail: String| Adoption::Differs(Difference::new("plan", detail));
    let file = bundle.folder.join(&plan.file);
    let shown = file.display();
    if plan.file != plan_name(&recorded.unit) {
        return Err(differs(format!("plan: `{}` is not its name", plan.file)));
    }
    let bytes = fs::read(&file).map_err(|error| {
        differs(format!(
            "plan: cannot read `{shown}`: {}",
            describe_io(&error)
        ))
    })?;
    let now = sha256(&bytes);
    if now != plan.sha256 {
        return Err(differs(format!(
            "plan: `{shown}` was touched: recorded SHA-256 {:.12}, now {now:.12}",
            plan.sha256
        )));
    }
    // Whoever has made the record fit the world by hand has not made the plan fit it.
    if state_of_plan(&bytes).as_ref() != Ok(&recorded.state) {
        return Err(differs(format!(
            "plan: `{shown}` was made from another state than the recorded one"
        )));
    }
    let failed = |error| Adoption::Failed(Failure::from(error));
    let own = ctx.run.plan_file(&recorded.unit).map_err(failed)?;
    write_private(&own, &bytes).map_err(failed)?;
    Ok(AdoptedPlan(own))
}

impl Objections {
    /// A refusal, with all that could not be looked at beside it; a failure where there is nothing
    /// but that.
    fn verdict(self, bundle: &Bundle, unit: &Unit, fit: &[&UnitId]) -> Failure {
        let Self {
            differences,
            failures,
        } = self;
        if differences.is_empty() {
            let refusal = failures.iter().find(|failure| failure.is_refusal());
            let told = refusal.or(failures.first()).cloned();
            return told.unwrap_or_else(Failure::not_started);
        }
        let mut what: Vec<&str> = Vec::new();
        for difference in &differences {
            if !what.contains(&difference.what) {
                what.push(difference.what);
            }
        }
        let id = &unit.id;
        let mut diagnostic = Diagnostic::error(format!(
            "the bundle does not fit `{id}` any more: {}",
            what.join(", ")
        ));
        for difference in &differences {
            diagnostic = diagnostic.with_detail(&difference.detail);
        }
        diagnostic = diagnostic.with_hint(format!("plan again: `tfw plan {id} --out DIR`"));
        if what.contains(&"lock file") {
            diagnostic = diagnostic
                .with_hint("a lock file belongs into the repository; `tfw init` writes it");
        }
        // Its own apply moves a state on, too: a bundle of which a part is applied.
        if what == ["state"] && !fit.is_empty() {
            let rest: Vec<String> = fit.iter().map(ToString::to_string).collect();
            let folder = bundle.folder.display().to_string();
            diagnostic = diagnostic.with_hint(format!(
                "where this bundle has been applied to `{id}` already, go on with the rest: \
                 `tfw apply {} --from {}`",
                rest.join(" "),
                shlex::try_quote(&folder).unwrap_or_default()
            ));
        }
        let mut refusal = Failure::refused(diagnostic);
        let beside = failures.into_iter().flat_map(|failure| failure.diagnostics);
        refusal.diagnostics.extend(beside);
        refusal
    }
}

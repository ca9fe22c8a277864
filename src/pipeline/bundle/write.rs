//! `tfw plan --out DIR`: a bundle is written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::plan::{PlanMode, Planned, SavedPlan, plan_all};
use super::basis::{Sources, View};
use super::digest::Salt;
use super::record::{Basis, BundleRecord, LeftOut, PlanRecord, SCHEMA, UnitRecord};
use super::tree::Tree;
use super::{BundleError, DOCUMENT, plan_name};
use crate::events::Event;
use crate::journal::{FreshFolder, JournalError, remove_if_there, write_private};
use crate::model::sha256;
use crate::model::{Changes, Diagnostic, Outcome, Unit, UnitResult};
use crate::stage::Context;
use crate::terraform::{StateMark, state_of_plan};

/// A folder that a bundle is to be written into: there, empty and private.
#[derive(Debug)]
pub struct Draft {
    /// As it was named.
    folder: FreshFolder,
    /// As it is found from anywhere.
    absolute: PathBuf,
    selection: Vec<String>,
}

impl Draft {
    /// Makes the folder. `selection` is what was typed, for the record.
    ///
    /// # Errors
    /// Something is there already, or the folder cannot be made.
    pub fn prepare(folder: &Path, selection: Vec<String>) -> Result<Self, BundleError> {
        let folder = FreshFolder::prepare(folder)?;
        let absolute = folder
            .path()
            .canonicalize()
            .map_err(|source| JournalError::new("find", folder.path(), source))?;
        Ok(Self {
            folder,
            absolute,
            selection,
        })
    }
}

/// What a plan left in the bundle's folder, while the others are still being made.
struct Kept {
    changes: Changes,
    plan: Option<PlanRecord>,
    state: Option<StateMark>,
    basis: Basis,
    /// The run's own copy.
    original: PathBuf,
}

/// Plans the selected units, and writes a bundle of the plans that can go into one. Gives whether
/// there is a bundle, with every plan that belongs into it.
pub async fn plan_bundle(ctx: &Context, draft: &Draft) -> bool {
    let salt = Salt::new();
    let units: Vec<&Unit> = ctx.units().collect();
    let before: Vec<Option<Seen>> = units
        .iter()
        .map(|unit| Seen::now(ctx, unit, &salt))
        .collect();
    let folders: BTreeSet<PathBuf> = before
        .iter()
        .flatten()
        .flat_map(|seen| seen.sources.folders.iter().cloned())
        .collect();
    let tree_before = Tree::look(ctx, &BTreeSet::new()).await;
    let kept: Vec<RefCell<Result<Option<Kept>, String>>> =
        units.iter().map(|_| RefCell::new(Ok(None))).collect();
    let all = plan_all(ctx, PlanMode::Bundle, |planned| {
        let position = units
            .iter()
            .position(|unit| unit.id == planned.record.unit.id);
        if let Some(position) = position {
            let seen = before[position].as_ref();
            *kept[position].borrow_mut() = keep(draft, &salt, planned, seen).map(Some);
        }
    })
    .await;
    if ctx.signals.is_stopping() {
        return draft.give_up(ctx, "the run was interrupted");
    }
    let tree = match (tree_before, Tree::look(ctx, &folders).await) {
        (Ok(before), Ok(tree)) if before.commit() == tree.commit() => tree,
        (Ok(_), Ok(_)) => {
            return draft.give_up(ctx, "another commit was checked out while tfw planned");
        }
        _ => return draft.give_up(ctx, "the run was interrupted"),
    };
    if let Tree::Unknown(why) = &tree {
        warn(
            ctx,
            Diagnostic::warning(format!("the bundle names no commit: {why}"))
                .with_hint("without one, only configuration and variables are held against it at `tfw apply --from`"),
        );
    }
    let mut binder = Binder {
        ctx,
        draft,
        view: View {
            ctx,
            salt: &salt,
            tree: &tree,
            bundle: &draft.absolute,
        },
        units: Vec::new(),
        left_out: Vec::new(),
        is_whole: true,
    };
    for (position, ((unit, kept), seen)) in units.iter().zip(kept).zip(before).enumerate() {
        let outcome = all.outcomes.get(position).and_then(Option::as_ref);
        let because = all.provisional.get(position).copied().flatten();
        let upstream = because.map(|index| &ctx.project.units[index]);
        binder.decide(unit, outcome, upstream, kept.into_inner(), seen);
    }
    let commit = tree.commit().map(str::to_owned);
    binder.close(&salt, commit)
}

/// A unit's files as they are.
struct Seen {
    sources: Sources,
    files: BTreeMap<String, String>,
}

impl Seen {
    /// `None`: what is wrong with them is told where the unit is planned.
    fn now(ctx: &Context, unit: &Unit, salt: &Salt) -> Option<Self> {
        let sources = Sources::find(unit).ok()?;
        let files = sources.digests(&ctx.project.root, salt);
        Some(Self { sources, files })
    }
}

/// Puts a plan into the folder as soon as it is made. What it rests on is complete but for what
/// git says, which is asked once for all.
fn keep(
    draft: &Draft,
    salt: &Salt,
    planned: &Planned<'_, SavedPlan>,
    before: Option<&Seen>,
) -> Result<Kept, String> {
    let (ctx, unit) = (planned.record.ctx, planned.record.unit);
    let (plan, original) = (&planned.plan, planned.plan.path());
    let before = before.ok_or("its configuration cannot be read")?;
    let bytes = fs::read(original)
        .map_err(|source| JournalError::new("read", original, source).to_string())?;
    let state =
        state_of_plan(&bytes).map_err(|error| format!("its plan cannot be read: {error}"))?;
    let view = View {
        ctx,
        salt,
        tree: &Tree::None,
        bundle: &draft.absolute,
    };
    let basis = view
        .basis(unit, &before.sources, &planned.variables)
        .map_err(|failure| failure.reason)?;
    let record = if plan.has_changes() {
        let file = plan_name(&unit.id);
        write_private(&draft.folder.path().join(&file), &bytes)
            .map_err(|error| error.to_string())?;
        let sha256 = sha256(&bytes);
        Some(PlanRecord { file, sha256 })
    } else {
        // Kept so far for the state that it names.
        let _ = remove_if_there(original);
        None
    };
    Ok(Kept {
        changes: plan.changes(),
        plan: record,
        state,
        basis,
        original: original.to_owned(),
    })
}

/// Decides which plans stay, and writes the document.
struct Binder<'a> {
    ctx: &'a Context,
    draft: &'a Draft,
    view: View<'a>,
    units: Vec<(UnitRecord, PathBuf)>,
    left_out: Vec<LeftOut>,
    /// Whether all is in it that belongs into it.
    is_whole: bool,
}

impl Binder<'_> {
    fn decide(
        &mut self,
        unit: &Unit,
        outcome: Option<&Outcome>,
        upstream: Option<&Unit>,
        kept: Result<Option<Kept>, String>,
        before: Option<Seen>,
    ) {
        let succeeded = outcome.filter(|outcome| outcome.result == UnitResult::Succeeded);
        let again = format!("`tfw plan {} --out DIR` makes one of its own", unit.id);
        let (reason, hint) = match (succeeded, upstream, kept, before) {
            (None, ..) => {
                let why = outcome.and_then(|outcome| outcome.reason.clone());
                let why = why.unwrap_or_else(|| "it was not planned".to_owned());
                (why, format!("once that is seen to, {again}"))
            }
            (_, Some(upstream), kept, _) => {
                if let Ok(Some(kept)) = kept {
                    self.remove(&kept);
                }
                let id = &upstream.id;
                (
                    format!("its plan is provisional: `{id}` has changes that are not applied yet"),
                    format!("apply `{id}` first; then {again}"),
                )
            }
            (_, _, Err(why), _) => {
                self.is_whole = false;
                (why, format!("once that is seen to, {again}"))
            }
            (Some(_), None, Ok(Some(kept)), Some(before)) => {
                let unchanged = Seen::now(self.ctx, unit, self.view.salt)
                    .is_some_and(|now| now.files == before.files)
                    && kept.basis.files == before.files;
                if unchanged {
                    self.take(unit, kept, &before.sources);
                    return;
                }
                self.is_whole = false;
                self.remove(&kept);
                ("its files changed while tfw planned".to_owned(), again)
            }
            (Some(_), None, ..) => {
                self.is_whole = false;
                ("its configuration cannot be read".to_owned(), again)
            }
        };
        warn(
            self.ctx,
            Diagnostic::warning(format!("`{}` is not in the bundle: {reason}", unit.id))
                .with_hint(hint),
        );
        self.left_out.push(LeftOut {
            unit: unit.id.clone(),
            reason,
        });
    }

    fn take(&mut self, unit: &Unit, kept: Kept, sources: &Sources) {
        let mut basis = kept.basis;
        basis.uncommitted = self.view.uncommitted(sources);
        let record = UnitRecord {
            unit: unit.id.clone(),
            changes: kept.changes,
            provisional: false,
            plan: kept.plan,
            state: kept.state,
            basis,
        };
        self.units.push((record, kept.original));
    }

    fn remove(&self, kept: &Kept) {
        if let Some(plan) = &kept.plan {
            // A plan that nothing names is never applied.
            let _ = remove_if_there(&self.draft.folder.path().join(&plan.file));
        }
    }

    /// Writes the document, and says what there is.
    fn close(self, salt: &Salt, commit: Option<String>) -> bool {
        let (ctx, draft) = (self.ctx, self.draft);
        if self.units.is_empty() {
            return draft.give_up(ctx, "no unit has a plan that can go into one");
        }
        let (units, originals): (Vec<UnitRecord>, Vec<PathBuf>) = self.units.into_iter().unzip();
        let record = BundleRecord {
            schema: SCHEMA,
            tfw_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: Timestamp::now().to_string(),
            project: ctx.project.name.clone(),
            selection: draft.selection.clone(),
            commit,
            salt: salt.clone(),
            units,
            left_out: self.left_out,
        };
        // Last: without it there is no bundle, whatever else lies there.
        if let Err(error) = write_private(&draft.folder.path().join(DOCUMENT), &record.to_json()) {
            return draft.give_up(ctx, &error.to_string());
        }
        for (unit, original) in record.units.iter().zip(originals) {
            let plan_file = unit.plan.as_ref().map(|plan| {
                // One copy of what is secret in it is enough.
                let _ = remove_if_there(&original);
                ctx.shown(&draft.absolute.join(&plan.file))
            });
            ctx.events.emit(Event::Bundled {
                unit: unit.unit.clone(),
                plan_file,
            });
        }
        let count = record.units.len();
        let s = if count == 1 { "" } else { "s" };
        let folder = draft.folder.path().display();
        ctx.events.note(
            None,
            format!(
                "the bundle in `{folder}` has {count} unit{s}; its plans hold secrets in clear"
            ),
        );
        self.is_whole
    }
}

impl Draft {
    /// Leaves nothing behind, and says why there is no bundle.
    fn give_up(&self, ctx: &Context, why: &str) -> bool {
        for unit in ctx.units() {
            // A plan that no document names is never applied; it is only better gone.
            let _ = remove_if_there(&self.folder.path().join(plan_name(&unit.id)));
        }
        warn(
            ctx,
            Diagnostic::error(format!("there is no bundle: {why}"))
                .with_hint("see to that, then plan again"),
        );
        false
    }
}

fn warn(ctx: &Context, diagnostic: Diagnostic) {
    ctx.events.emit(Event::Diagnostic {
        unit: None,
        diagnostic,
    });
}

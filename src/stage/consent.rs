//! What has been agreed to, and by whom else to ask.

use std::collections::BTreeSet;

use super::Context;
use super::failure::Failure;
use crate::events::Expects;
use crate::model::{Diagnostic, EnvironmentName, Unit, UnitId};

/// The consent that the command line carries.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// `--yes`: agrees to what tfw itself asks, in environments that are not protected.
    pub yes: bool,
    /// `--auto-approve`: approves plans, in environments that are not protected.
    pub auto_approve: bool,
    /// `--approve NAME`: agrees to writes in this protected environment.
    pub approved: BTreeSet<EnvironmentName>,
    /// `--new-state UNIT`: units of protected environments that are meant to have no state yet.
    pub new_states: BTreeSet<UnitId>,
    /// Whether a person can be asked.
    pub interactive: bool,
}

/// What somebody is asked to agree to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matter {
    /// tfw's own doing: `--yes`.
    Tfw,
    /// A plan: `--auto-approve`.
    Plan,
}

impl Matter {
    fn flag(self) -> &'static str {
        match self {
            Self::Tfw => "--yes",
            Self::Plan => "--auto-approve",
        }
    }
}

impl Consent {
    /// Whether writes in the unit's environment are agreed to as far as its protection goes.
    pub(crate) fn covers_protection(&self, unit: &Unit) -> bool {
        !unit.protected || self.approved.contains(&unit.id.environment)
    }

    /// Refuses what can neither be taken as agreed to nor be asked: a write in a protected
    /// environment that `--approve` does not name, where nobody can be asked.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn can_answer(&self, unit: &Unit, doing: &str) -> Result<(), Failure> {
        if self.covers_protection(unit) || self.interactive {
            return Ok(());
        }
        let environment = &unit.id.environment;
        Err(Failure::refused(
            Diagnostic::error(format!(
                "`{environment}` is protected, and nobody agreed to {doing} there"
            ))
            .with_hint(format!("`--approve {environment}` agrees")),
        ))
    }

    /// Refuses what [`Consent::obtain`] would refuse where nobody can be asked, with all flags that
    /// are missing.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn can_obtain(
        &self,
        matter: Matter,
        unit: &Unit,
        doing: &str,
    ) -> Result<(), Failure> {
        let flags = self.missing_flags(matter, &[unit]);
        if flags.is_empty() || self.interactive {
            return Ok(());
        }
        Err(nobody_agreed(doing, &flags))
    }

    /// The flags that would still be needed. A protected environment takes both: its name, and the
    /// flag of the matter.
    fn missing_flags(&self, matter: Matter, units: &[&Unit]) -> Vec<String> {
        let agreed_by_flag = match matter {
            Matter::Tfw => self.yes,
            Matter::Plan => self.auto_approve,
        };
        let unnamed: BTreeSet<&EnvironmentName> = units
            .iter()
            .filter(|unit| !self.covers_protection(unit))
            .map(|unit| &unit.id.environment)
            .collect();
        let mut flags: Vec<String> = unnamed
            .iter()
            .map(|name| format!("--approve {name}"))
            .collect();
        if !agreed_by_flag {
            flags.push(matter.flag().to_owned());
        }
        flags
    }

    /// Gets consent to one matter that concerns these units: from the flags, else from a person.
    /// The answer is about all of them together.
    ///
    /// # Errors
    /// A refusal, when a person said no or nobody could be asked; an interruption, when the run is
    /// being stopped.
    pub(crate) async fn obtain(
        &self,
        ctx: &Context,
        matter: Matter,
        units: &[&Unit],
        question: impl FnOnce() -> String,
        doing: &str,
    ) -> Result<(), Failure> {
        if ctx.signals.is_stopping() {
            return Err(Failure::not_started());
        }
        let flags = self.missing_flags(matter, units);
        if flags.is_empty() {
            return Ok(());
        }
        if !self.interactive {
            return Err(nobody_agreed(doing, &flags));
        }
        let unnamed: BTreeSet<EnvironmentName> = units
            .iter()
            .filter(|unit| !self.covers_protection(unit))
            .map(|unit| unit.id.environment.clone())
            .collect();
        let flag = flags.join(" ");
        // Typing the name of a protected environment says more than yes.
        let expects = if unnamed.is_empty() {
            Expects::Yes
        } else {
            Expects::Names(unnamed.into_iter().collect())
        };
        ask(ctx, question(), expects, flag, doing).await
    }

    /// Gets consent to a write in the unit's environment as far as its protection goes: by
    /// `--approve`, else by typing its name.
    ///
    /// # Errors
    /// A refusal, when a person said no or nobody could be asked; an interruption, when the run is
    /// being stopped.
    pub(crate) async fn obtain_protection(
        &self,
        ctx: &Context,
        unit: &Unit,
        question: impl FnOnce() -> String,
        doing: &str,
    ) -> Result<(), Failure> {
        if self.covers_protection(unit) {
            return Ok(());
        }
        self.can_answer(unit, doing)?;
        let environment = unit.id.environment.clone();
        let flag = format!("--approve {environment}");
        let expects = Expects::Names(vec![environment]);
        ask(ctx, question(), expects, flag, doing).await
    }
}

fn nobody_agreed(doing: &str, flags: &[String]) -> Failure {
    Failure::refused(
        Diagnostic::error(format!("nobody agreed to {doing}"))
            .with_hint(format!("`{}` agrees", flags.join(" "))),
    )
}

/// Asks a person. Ctrl-C at a question is not a no, and after Ctrl-C nobody is asked.
async fn ask(
    ctx: &Context,
    question: String,
    expects: Expects,
    flag: String,
    doing: &str,
) -> Result<(), Failure> {
    let stopped = || {
        if ctx.signals.is_stopping() {
            Err(Failure::not_started())
        } else {
            Ok(())
        }
    };
    stopped()?;
    let agreed = ctx.events.ask(question, expects, flag).await;
    stopped()?;
    if agreed {
        Ok(())
    } else {
        Err(Failure::refused(Diagnostic::error(format!(
            "{doing} was declined"
        ))))
    }
}

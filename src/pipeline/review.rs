//! What a person reviews of a saved plan.

use std::path::Path;

use crate::model::{Changes, Diagnostic, ResourceChange};
use crate::stage::Initialised;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::terraform_step::{Call, Variables};
use crate::terraform::{PlanDocument, command};

/// A plan, as it is shown.
#[derive(Default)]
pub(super) struct Review {
    pub(super) resources: Vec<ResourceChange>,
    pub(super) outputs: Vec<String>,
    /// Terraform's own words, in place of the two.
    pub(super) text: Option<String>,
    /// How much it changes, where that had to be looked at anyway.
    pub(super) changes: Option<Changes>,
}

/// Each resource, attribute by attribute, so that units can be compared; of one unit alone,
/// Terraform's own words. What Terraform says here goes into no file.
pub(super) async fn of(
    record: &mut Record<'_>,
    site: &Initialised,
    variables: &Variables,
    path: &Path,
) -> Result<Review, Failure> {
    // Terraform does not know that a sensitive output of another unit is one.
    if record.ctx.selected.len() == 1 && variables.secrets().is_empty() {
        let call = Call::new(command::show_for_people(path)).private();
        let finished = site.terraform(record, call, &Variables::default()).await?;
        let finished = finished.succeeded("terraform show")?;
        let text = String::from_utf8_lossy(finished.private_output()).into_owned();
        return Ok(Review {
            text: Some(text),
            ..Review::default()
        });
    }
    let document = describe(record, site, path).await?;
    Ok(Review {
        resources: document.resources(variables.secrets()),
        outputs: document.outputs(),
        text: None,
        changes: Some(document.changes()),
    })
}

/// What is in a saved plan. The document holds secrets in plain text, so it goes into no file.
pub(super) async fn describe(
    record: &mut Record<'_>,
    site: &Initialised,
    path: &Path,
) -> Result<PlanDocument, Failure> {
    let call = Call::new(command::show(path)).private();
    let finished = site.terraform(record, call, &Variables::default()).await?;
    let finished = finished.succeeded("terraform show")?;
    PlanDocument::parse(finished.private_output()).map_err(|error| {
        Failure::failed(Diagnostic::error(format!(
            "`terraform show -json`: {error}"
        )))
    })
}

//! `tfw state show`: what one version of a state says.

use serde_json::{Map, Value, json};

use super::super::told;
use super::versions::{Versions, current, id_of};
use crate::model::{Diagnostic, ShownResource, ShownState, nearest};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states;
use crate::state::{Instance, Secrets, StateDocument};

/// What of a root output's name comes before it in an address.
const OUTPUT: &str = "output.";

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct ShowOptions {
    /// A version: `latest`, `latest~N`, a version id or a serial; `None`: the current state.
    pub version: Option<String>,
    /// An instance, a resource, a module, or `output.NAME`; `None`: the addresses of all.
    pub address: Option<String>,
    /// Show what is sensitive.
    pub reveal: bool,
}

/// What the state of each selected unit says; those that cannot be read are left out.
pub async fn show(ctx: &Context, options: &ShowOptions) -> (Vec<ShownState>, Vec<Diagnostic>) {
    let (mut shown, mut diagnostics) = (Vec::new(), Vec::new());
    for unit in ctx.units() {
        let (state, told) = told::look(ctx, unit, None, async |record, state| {
            *state = Some(look(record, options).await?);
            Ok(())
        })
        .await;
        shown.extend(state);
        diagnostics.extend(told);
    }
    (shown, diagnostics)
}

async fn look(record: &mut Record<'_>, options: &ShowOptions) -> Result<ShownState, Failure> {
    let unit = record.unit;
    let version = if let Some(name) = &options.version {
        let versions = Versions::list(record).await?;
        versions.read(versions.find(record, name).await?).await?
    } else {
        // Who may read a state may not be allowed to list its versions.
        let (raw, place) = current(record).await?;
        raw.parse(&place)
            .map_err(|error| states::unreadable(&error))?
    };
    let document = &version.document;
    let secrets = Secrets::of(&[document], options.reveal);
    let address = options.address.as_deref();
    let resources = resources(document, address, &secrets);
    let outputs = outputs(document, address, &secrets);
    if let Some(address) = address
        && resources.is_empty()
        && outputs.is_empty()
    {
        return Err(not_there(record, document, address));
    }
    Ok(ShownState {
        unit: unit.id.clone(),
        workspace: unit.backend.workspace().to_string(),
        state: id_of(&version),
        resources,
        outputs,
    })
}

fn resources(
    document: &StateDocument,
    address: Option<&str>,
    secrets: &Secrets,
) -> Vec<ShownResource> {
    let wanted = document.instances().filter_map(|instance| {
        let found = instance.address();
        let is_wanted = address.is_none_or(|address| covers(address, &found));
        is_wanted.then(|| ShownResource {
            address: found,
            mode: if instance.is_managed() {
                "managed"
            } else {
                "data"
            },
            kind: instance.kind().to_owned(),
            provider: instance.provider().to_owned(),
            tainted: instance.is_tainted(),
            attributes: address.map(|_| secrets.attributes(&instance)),
        })
    });
    wanted.collect()
}

fn outputs(
    document: &StateDocument,
    address: Option<&str>,
    secrets: &Secrets,
) -> Map<String, Value> {
    let wanted = document.outputs.iter().filter(|(name, _)| {
        address.is_none_or(|address| address.strip_prefix(OUTPUT) == Some(name))
    });
    let shown = wanted.map(|(name, output)| {
        let value = json!({
            "sensitive": output.sensitive,
            "type": output.value_type,
            "value": secrets.output(output),
        });
        (name.clone(), value)
    });
    shown.collect()
}

/// Whether an address is an instance, or the resource or the module that it is in.
fn covers(address: &str, instance: &str) -> bool {
    instance
        .strip_prefix(address)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', ' ']))
}

fn not_there(record: &Record<'_>, document: &StateDocument, address: &str) -> Failure {
    let unit = &record.unit.id;
    let mut known: Vec<String> = document
        .instances()
        .map(|each| Instance::address(&each))
        .collect();
    known.extend(
        document
            .outputs
            .keys()
            .map(|name| format!("{OUTPUT}{name}")),
    );
    let mut diagnostic = Diagnostic::error(format!("`{address}` is not in the state of `{unit}`"));
    if let Some(similar) = nearest(address, known.iter().map(String::as_str)) {
        diagnostic = diagnostic.with_hint(format!("did you mean `{similar}`?"));
    }
    Failure::failed(diagnostic.with_hint(format!("`tfw state show {unit}` lists all addresses")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_covers_what_is_in_it() {
        for (address, instance, covered) in [
            ("a.x", "a.x", true),
            ("a.x", "a.x[0]", true),
            ("a.x[0]", "a.x[0]", true),
            ("a.x[0]", "a.x[0] (deposed 1)", true),
            ("module.m", "module.m[\"k\"].a.x", true),
            ("module.m", "module.m.module.n.a.x", true),
            ("a.x", "a.xy", false),
            ("a.x[1]", "a.x[10]", false),
        ] {
            assert_eq!(covers(address, instance), covered, "{address} {instance}");
        }
    }
}

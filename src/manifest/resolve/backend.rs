//! `backend` and `bucket`: where the state lives.

use super::context::{Context, Reported};
use super::{bucket, encryption, options};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::raw;
use crate::manifest::suggest::nearest;
use crate::model::{
    AccountId, AssumeRole, Backend, BucketSpec, Encryption, LocalBackend, OtherBackend, Region,
    RoleArn, S3Backend, StateKey, Workspace,
};

/// The backends of Terraform 1.11, against misspelling; OpenTofu or a fork may have more.
const KINDS: [&str; 13] = [
    "s3",
    "local",
    "azurerm",
    "cloud",
    "consul",
    "cos",
    "gcs",
    "http",
    "kubernetes",
    "oci",
    "oss",
    "pg",
    "remote",
];

/// Whether a key is set.
type IsSet = fn(&raw::Backend) -> bool;

/// Keys of `backend` that only S3 has.
const S3_KEYS: [(&str, IsSet); 8] = [
    ("backend.bucket", |b| b.bucket.is_some()),
    ("backend.key", |b| b.key.is_some()),
    ("backend.region", |b| b.region.is_some()),
    ("backend.use_lockfile", |b| b.use_lockfile.is_some()),
    ("backend.kms_key_id", |b| b.kms_key_id.is_some()),
    ("backend.role_arn", |b| b.role_arn.is_some()),
    ("backend.account_id", |b| b.account_id.is_some()),
    ("backend.use_path_style", |b| b.use_path_style.is_some()),
];

/// Resolves the backend, and what its bucket must be like.
pub(super) fn backend(
    context: &Context<'_>,
    settings: &raw::Settings,
    project: &str,
    problems: &mut Collector,
) -> Result<(Backend, BucketSpec), Reported> {
    let Some(raw) = &settings.backend else {
        return Err(no_backend(context, project, problems));
    };
    let workspace = context
        .optional(problems, "backend.workspace", raw.workspace.as_deref())
        .map(Option::unwrap_or_default);
    let kind = kind(context, raw, problems);
    if kind == Ok("s3") {
        let bucket = settings.bucket.as_ref();
        return s3(context, raw, bucket, workspace, problems);
    }
    let options = options::check(context, raw, kind.unwrap_or_default(), problems);
    let kind = kind?;
    let foreign = only_s3(context, raw, kind, problems);
    let (workspace, options) = (workspace?, options?);
    foreign?;
    let backend = match kind {
        "local" => Backend::Local(LocalBackend { workspace, options }),
        _ => Backend::Other(OtherBackend {
            kind: kind.to_owned(),
            workspace,
            options,
        }),
    };
    Ok((backend, BucketSpec::new(Encryption::Aes256)))
}

fn no_backend(context: &Context<'_>, project: &str, problems: &mut Collector) -> Reported {
    if !context.is_invalid("backend") {
        // One table in `[defaults]` mends them all, so that it is one problem.
        problems.add_for(context.id, "no backend", None, |_| {
            Problem::error(format!("no backend is configured for `{}`", context.id))
                .at(context.key)
                .hint(format!(
                    "say where state lives:\n\n[defaults.backend]\ntype = \"s3\"\n\
                     bucket = \"{project}-tfstate-{{environment}}\"\n\
                     key = \"{{stack}}/terraform.tfstate\"\nregion = \"eu-central-1\""
                ))
        });
    }
    Reported
}

fn kind<'r>(
    context: &Context<'_>,
    raw: &'r raw::Backend,
    problems: &mut Collector,
) -> Result<&'r str, Reported> {
    let Some(kind) = raw.kind.as_deref() else {
        if context.is_invalid("backend.type") {
            return Err(Reported);
        }
        problems.add_for(
            context.id,
            "backend.type",
            Some(context.place("backend")),
            |_| {
                Problem::error("the backend has no `type`")
                    .hint("add `type = \"s3\"`, or `\"local\"`")
            },
        );
        return Err(Reported);
    };
    if KINDS.contains(&kind) {
        return Ok(kind);
    }
    match nearest(kind, KINDS) {
        Some(found) => Err(context.wrong(problems, "backend.type", || {
            Problem::error(format!("Terraform has no backend `{kind}`"))
                .label(format!("did you mean `{found}`?"))
        })),
        None => Ok(kind),
    }
}

/// Keys that mean nothing to another backend than S3 are mistakes, not decoration.
fn only_s3(
    context: &Context<'_>,
    raw: &raw::Backend,
    kind: &str,
    problems: &mut Collector,
) -> Result<(), Reported> {
    let mut result = Ok(());
    for (path, _) in S3_KEYS.iter().filter(|(_, is_set)| is_set(raw)) {
        let key = path.trim_start_matches("backend.");
        result = Err(context.wrong(problems, path, || {
            let problem = Problem::error(format!("`{key}` is a key of the `s3` backend")).related(
                context.place("backend.type"),
                format!("this one is `{kind}`"),
            );
            match kind {
                "local" => problem,
                _ => problem.hint("arguments of other backends belong in `backend.options`"),
            }
        }));
    }
    result
}

fn s3(
    context: &Context<'_>,
    raw: &raw::Backend,
    bucket_settings: Option<&raw::Bucket>,
    workspace: Result<Workspace, Reported>,
    problems: &mut Collector,
) -> Result<(Backend, BucketSpec), Reported> {
    let account = context.required_account(problems, "its state is in S3");
    let bucket = bucket::name(context, raw.bucket.as_deref(), problems);
    let key = context
        .optional::<StateKey>(problems, "backend.key", raw.key.as_deref())
        .and_then(|key| present(context, "backend.key", key, problems));
    let region = region(context, raw, problems);
    let role_arn =
        context.optional::<RoleArn>(problems, "backend.role_arn", raw.role_arn.as_deref());
    let owner = context
        .optional::<AccountId>(problems, "backend.account_id", raw.account_id.as_deref())
        .and_then(|own| {
            let of_role = role_arn.clone()?.as_ref().map(RoleArn::account_id);
            own.or(of_role).map_or(account.clone(), Ok)
        });
    let caller = role_arn
        .clone()
        .and_then(|role| role.as_ref().map(RoleArn::account_id).map_or(account, Ok));
    let options = options::check(context, raw, "s3", problems);
    let keys = encryption::keys(context, raw, bucket_settings, &region, &owner, problems);
    let spec = bucket::spec(
        context,
        bucket_settings,
        keys.as_ref().map(|(_, encryption)| encryption),
        &region,
        &owner,
        problems,
    );
    let (kms_key_id, _) = keys?;
    let backend = S3Backend {
        bucket: bucket?,
        key: key?,
        region: region?,
        workspace: workspace?,
        use_lockfile: raw.use_lockfile.unwrap_or(true),
        kms_key_id,
        role_arn: role_arn?,
        own_role: None,
        owner: owner?,
        caller: caller?,
        use_path_style: raw.use_path_style.unwrap_or(false),
        options: options?,
    };
    Ok((Backend::S3(Box::new(backend)), spec?))
}

/// Terraform does not get the unit's last `role`, because the provider takes one by itself, so that
/// it must take it for the state, too. Where there is none, the base credentials reach the bucket,
/// and must be of its owner's account.
pub(super) fn leave_role_to_terraform(backend: &mut Backend, role: Option<&AssumeRole>) {
    let Backend::S3(s3) = backend else {
        return;
    };
    if s3.role_arn.is_some() {
        return;
    }
    match role {
        Some(role) => s3.own_role = Some(role.clone()),
        None => s3.caller = s3.owner.clone(),
    }
}

/// A key that an S3 backend cannot do without.
pub(super) fn present<T>(
    context: &Context<'_>,
    path: &'static str,
    value: Option<T>,
    problems: &mut Collector,
) -> Result<T, Reported> {
    value.ok_or_else(|| {
        let key = path.trim_start_matches("backend.");
        let place = if context.is_unset(path) {
            path
        } else {
            "backend.type"
        };
        problems.add_for(context.id, path, Some(context.place(place)), |_| {
            let example = match key {
                "bucket" => "acme-tfstate-{environment}",
                _ => "{stack}/terraform.tfstate",
            };
            Problem::error(format!("the S3 backend has no `{key}`")).hint(format!(
                "add `{key} = \"{example}\"` to `[defaults.backend]`"
            ))
        });
        Reported
    })
}

fn region(
    context: &Context<'_>,
    raw: &raw::Backend,
    problems: &mut Collector,
) -> Result<Region, Reported> {
    if let Some(region) = context.optional(problems, "backend.region", raw.region.as_deref())? {
        return Ok(region);
    }
    if let Some(region) = context.region.clone()? {
        return Ok(region);
    }
    problems.add_for(
        context.id,
        "no region",
        Some(context.place("backend.type")),
        |_| {
            Problem::error("the S3 backend has no region")
                .hint("set `region` in `[defaults]`, or in `[defaults.backend]`")
        },
    );
    Err(Reported)
}

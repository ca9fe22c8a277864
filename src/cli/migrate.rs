//! `tfw migrate`.

use std::path::PathBuf;

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::migrate::{self, From, Options};
use crate::model::Region;
use crate::report::ExitCode;

/// Move a state to its backend, prove it there, and only then remove the local one
///
/// The state goes from where it is (local files with all their workspaces, another bucket, key or
/// region) to the backend of the manifest. tfw shows what will happen, with the edit of the backend
/// block where one is needed, and asks once. Then, for each unit: everything is copied into
/// `.tfw/backups/`; the destination is locked; Terraform moves the states from the copies; each one
/// is read back, by Terraform and by its version in S3, and held against the source; the lock is
/// released; and the local files are deleted.
///
/// A state at the destination that is another one is never replaced unless its lineage is named.
/// Whatever breaks on the way, the same command goes on from there, and `--abort` puts everything
/// back. A unit whose state is where it should be is left alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw migrate dev                         show, ask, move, prove, clean up
  tfw migrate --all --dry-run             only show what would be done
  tfw migrate dev --from s3://old/dev     from another bucket
  tfw migrate dev --to-local              the way back: into a local file
  tfw migrate dev --abort                 put back what a broken one did")]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Only show what is where, what would be written and what deleted
    #[arg(long, help_heading = "Migration")]
    dry_run: bool,
    /// Where the state is now: a file, or `s3://BUCKET/KEY?region=REGION` [default: found]
    ///
    /// Without it: what `.terraform` records, else what stands in the backend block, else the files
    /// that Terraform writes without a backend.
    #[arg(long, value_name = "PLACE", value_parser = parse_from, help_heading = "Migration")]
    from: Option<From>,
    /// To a local file, whatever the manifest says
    #[arg(long, conflicts_with = "from", help_heading = "Migration")]
    to_local: bool,
    /// Replace the state of this lineage at the destination
    #[arg(long, value_name = "LINEAGE", help_heading = "Migration")]
    overwrite: Option<String>,
    /// Keep the local files in the backup folder in place of deleting them
    #[arg(long, help_heading = "Migration")]
    keep_local: bool,
    /// Prove more than the content: `plan` also compares a plan before the move with one after it
    #[arg(long, value_name = "HOW", value_enum, help_heading = "Migration")]
    verify: Option<Verify>,
    /// Put back everything that an unfinished migration did
    #[arg(
        long,
        conflicts_with_all = ["dry_run", "from", "to_local", "overwrite", "keep_local", "verify"],
        help_heading = "Migration"
    )]
    abort: bool,
}

/// What is proven beside the content of each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verify {
    /// A plan before the move and one after it would change the same.
    Plan,
}

pub(super) fn run(
    args: MigrateArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let flags = typed(&args);
    let options = Options {
        dry_run: args.dry_run,
        from: args.from,
        to_local: args.to_local,
        overwrite: args.overwrite,
        keep_local: args.keep_local,
        verify_plan: args.verify == Some(Verify::Plan),
        abort: args.abort,
    };
    Frame {
        consent: args.consent,
        // A place is one unit's; a lineage is one state's.
        single_unit: options.from.is_some() || options.overwrite.is_some(),
        flags,
        ..Frame::new("migrate", global, environment, args.selection)
    }
    .run(async |ctx| {
        migrate::migrate(ctx, &options).await;
        Done::default()
    })
}

/// What of the flags a second try needs too.
fn typed(args: &MigrateArgs) -> Vec<String> {
    let given = [
        (args.dry_run, "--dry-run"),
        (args.to_local, "--to-local"),
        (args.keep_local, "--keep-local"),
        (args.abort, "--abort"),
    ];
    let mut flags: Vec<String> = given
        .into_iter()
        .filter(|(given, _)| *given)
        .map(|(_, flag)| flag.to_owned())
        .collect();
    if let Some(lineage) = &args.overwrite {
        flags.extend(["--overwrite".to_owned(), lineage.clone()]);
    }
    match &args.from {
        Some(From::File(path)) => {
            flags.extend(["--from".to_owned(), path.display().to_string()]);
        }
        Some(From::S3 {
            bucket,
            key,
            region,
        }) => {
            let region = region.as_ref().map(|region| format!("?region={region}"));
            let place = format!("s3://{bucket}/{key}{}", region.unwrap_or_default());
            flags.extend(["--from".to_owned(), place]);
        }
        None => {}
    }
    flags
}

fn parse_from(text: &str) -> Result<From, String> {
    let Some(rest) = text.strip_prefix("s3://") else {
        if text.is_empty() {
            return Err("a file, or s3://BUCKET/KEY".to_owned());
        }
        // Typed in the working directory, and used in the root module.
        return std::path::absolute(PathBuf::from(text))
            .map(From::File)
            .map_err(|error| error.to_string());
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let region = match query {
        None => None,
        Some(query) => match query.strip_prefix("region=") {
            Some(region) if region.parse::<Region>().is_ok() => Some(region.to_owned()),
            _ => return Err(format!("`?{query}` is not `?region=REGION`")),
        },
    };
    match place.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(From::S3 {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            region,
        }),
        _ => Err("an S3 place is s3://BUCKET/KEY".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_files_or_objects() {
        assert_eq!(
            parse_from("s3://b/k/t.tfstate?region=eu-west-1"),
            Ok(From::S3 {
                bucket: "b".to_owned(),
                key: "k/t.tfstate".to_owned(),
                region: Some("eu-west-1".to_owned()),
            })
        );
        assert!(matches!(parse_from("old.tfstate"), Ok(From::File(path)) if path.is_absolute()));
        for wrong in ["s3://b", "s3:///k", "s3://b/k?x=1", "s3://b/k?region=", ""] {
            assert!(parse_from(wrong).is_err(), "{wrong}");
        }
    }
}

//! What locks the state of a unit.

use serde_json::Value;

use crate::model::{S3Backend, Unit};
use crate::root_module::RootModule;
use crate::stage::state_lock::LOCK_TABLE;

/// How Terraform locks a state in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the file beside the state.
    File,
    /// By an item in this table of DynamoDB, and by the file too where that is not turned off.
    Table {
        /// The table's name.
        table: String,
        /// Whether there is a file, too.
        with_file: bool,
    },
    /// Not at all.
    Nothing,
}

/// How the state of a unit is locked, by the manifest and, where that can be read, the backend
/// block of its root module.
pub(super) fn of(unit: &Unit, s3: &S3Backend) -> Kind {
    let named = |value: Option<&Value>| {
        let name = value.and_then(Value::as_str);
        name.filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let in_block = || {
        let block = RootModule::read(&unit.folder).ok()?.backend?;
        named(
            block
                .arguments
                .get(LOCK_TABLE)
                .filter(|_| block.kind == "s3"),
        )
    };
    match (
        named(s3.options.get(LOCK_TABLE)).or_else(in_block),
        s3.use_lockfile,
    ) {
        (Some(table), with_file) => Kind::Table { table, with_file },
        (None, true) => Kind::File,
        (None, false) => Kind::Nothing,
    }
}

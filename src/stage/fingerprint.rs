//! What an init depends on, as one hash: while it is the same, an init would make what is there.

use std::fs;
use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::Context;
use super::failure::Failure;
use crate::journal::{JournalError, make_private_folder, write_private};
use crate::model::{Unit, hex};
use crate::root_module::RootModule;

/// Counts up when tfw itself does something else in an init.
const FORMAT: &str = "1";

/// The hash of everything that an init of a unit depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of now. The lock file is part of it and an init may write that, so it is
    /// taken again after one.
    pub(crate) fn take(
        ctx: &Context,
        unit: &Unit,
        module: &RootModule,
        backend_config: &str,
    ) -> Result<Self, Failure> {
        let lock_file = fs::read(unit.folder.join(".terraform.lock.hcl")).unwrap_or_default();
        let (identity, requirements) = (ctx.terraform()?.identity(), module.requirements());
        let parts: [&[u8]; 6] = [
            FORMAT.as_bytes(),
            identity.as_bytes(),
            unit.backend.workspace().as_str().as_bytes(),
            backend_config.as_bytes(),
            requirements.as_bytes(),
            &lock_file,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            // With lengths, so that no two lists of parts read the same.
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Ok(Self(hex(&hash.finalize())))
    }

    /// Whether the last successful init of the unit had the same.
    pub(crate) fn is_recorded(&self, ctx: &Context, unit: &Unit) -> bool {
        fs::read_to_string(file(ctx, unit)).is_ok_and(|recorded| recorded == self.0)
    }

    /// Whether there was a successful init of the unit, of whatever.
    pub(crate) fn was_recorded(ctx: &Context, unit: &Unit) -> bool {
        file(ctx, unit).is_file()
    }

    /// Forgets the last successful init: another one begins, and may break off in the middle.
    pub(crate) fn forget(ctx: &Context, unit: &Unit) -> Result<(), JournalError> {
        let path = file(ctx, unit);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(JournalError {
                doing: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Records a successful init.
    pub(crate) fn record(&self, ctx: &Context, unit: &Unit) -> Result<(), JournalError> {
        make_private_folder(&ctx.run.tfw().data(&unit.id))?;
        write_private(&file(ctx, unit), self.0.as_bytes())
    }
}

fn file(ctx: &Context, unit: &Unit) -> PathBuf {
    ctx.run.tfw().data(&unit.id).join("init.fingerprint")
}

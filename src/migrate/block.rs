//! The backend block: edited in place, after consent, whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::io_failure;
use crate::journal::Migration;
use crate::journal::migration::Entry;
use crate::model::{Diagnostic, sha256};
use crate::root_module::BackendEdit;
use crate::stage::failure::Failure;
use crate::stage::record::Record;

pub(super) fn edit_block(
    record: &Record<'_>,
    migration: &mut Migration,
    edit: &BackendEdit,
) -> Result<(), Failure> {
    if is_made(edit) {
        return Ok(());
    }
    migration.note(Entry::EditingBlock {
        file: edit.file.clone(),
        existed: edit.before.is_some(),
        after: sha256(edit.after.as_bytes()),
    })?;
    write_edit(edit)?;
    migration.note(Entry::BlockEdited)?;
    record.note(format!("edited {}", record.ctx.shown(&edit.file)));
    Ok(())
}

/// Whether an edit has been made already: by another unit that shares the root module.
fn is_made(edit: &BackendEdit) -> bool {
    fs::read_to_string(&edit.file).is_ok_and(|now| now == edit.after)
}

/// Writes a configuration file whole or not at all, as readable as it was; `false`: it was so
/// already.
pub(super) fn write_edit(edit: &BackendEdit) -> Result<bool, Failure> {
    if is_made(edit) {
        return Ok(false);
    }
    let shown = edit.file.display().to_string();
    // Somebody may have edited it while the question stood.
    let now = fs::read_to_string(&edit.file).ok();
    if now.as_deref() != edit.before.as_deref() {
        return Err(Failure::failed(
            Diagnostic::error(format!(
                "`{shown}` has changed meanwhile, and was left as it is"
            ))
            .with_hint("run again"),
        ));
    }
    write_file(&edit.file, edit.after.as_bytes())
        .map_err(|error| io_failure("write", &shown, &error))?;
    Ok(true)
}

/// Replaces a file whole, with the permissions that it has.
pub(super) fn write_file(file: &Path, content: &[u8]) -> std::io::Result<()> {
    // A link stays one.
    let file = &file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let permissions = fs::metadata(file).map(|metadata| metadata.permissions());
    let Ok(permissions) = permissions else {
        return fs::write(file, content);
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(content)?;
    fresh.as_file().set_permissions(permissions)?;
    fresh.as_file().sync_data()?;
    fresh.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_the_permissions_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.tf");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        write_file(&file, b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
    }
}

//! A library that is preloaded into tfw, for what cannot be provoked otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library that ends tfw after a journal entry, built once by the C compiler that Rust links
/// with.
pub(crate) fn kill_after_entry() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/kill_after_entry.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join(format!("kill_after_entry-{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .status()
            .expect(
                "`cc` was not found: install a C compiler (Debian and Ubuntu: the package `gcc`)",
            );
        assert!(built.success(), "the library could not be built");
        library
    })
}

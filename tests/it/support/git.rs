//! The repository of a test, in git.

use std::path::Path;

use super::TestEnvironment;
use super::command::Run;

impl TestEnvironment {
    /// Commits all that is not ignored; the first time, the repository is made.
    #[track_caller]
    pub(crate) fn commit(&self, message: &str) {
        let repository = self.path("");
        if !repository.join(".git").exists() {
            self.write(".gitignore", ".terraform/\n*.tfstate\n*.tfstate.*\n");
            self.git(&repository, &["init", "--quiet"]);
        }
        self.git(&repository, &["add", "--all"]);
        self.git(
            &repository,
            &["commit", "--quiet", "--allow-empty", "-m", message],
        );
    }

    /// Clones the repository to a folder beside it, and gives that.
    #[track_caller]
    pub(crate) fn clone_repository(&self) -> std::path::PathBuf {
        let clone = self.path("../clone");
        let clone_name = clone.display().to_string();
        self.git(&self.path(""), &["clone", "--quiet", ".", &clone_name]);
        clone
    }

    #[track_caller]
    fn git(&self, folder: &Path, arguments: &[&str]) -> Run {
        let command = self.command(Path::new("git"), folder);
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
        command.args(identity).args(arguments).run().succeeds()
    }
}

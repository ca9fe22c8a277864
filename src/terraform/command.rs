//! Terraform's command lines. Pure; no secret is ever among them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Workspace;

/// What `terraform init` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Which backend.
    pub backend: InitBackend,
    /// Whether lines are JSON: see [`super::version::init_prints_json`].
    pub json: bool,
}

/// Which backend `terraform init` sets up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitBackend {
    /// None: for `validate`, which needs providers and modules only.
    None,
    /// The one in the root module, or the local one where that has none, as it stands there.
    AsWritten,
    /// The one in the root module, completed by this file.
    File {
        /// The generated file.
        config: PathBuf,
        /// Forget what `.terraform` records. Only where that is known to be the same place: state
        /// at the old one is left behind.
        reconfigure: bool,
    },
    /// The one in the root module, completed by this file where there is one, with all states
    /// copied to it from the one that `.terraform` records, over whatever is there. Whether that
    /// may be is for the caller to know, who also holds the lock.
    Migrate {
        /// The generated file.
        config: Option<PathBuf>,
    },
}

/// What `terraform plan` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Changes, or destruction.
    pub mode: PlanMode,
    /// Where the plan is saved.
    pub out: PathBuf,
    /// How long to wait for the state lock.
    pub lock_timeout: Duration,
    /// In this order: later ones win.
    pub var_files: Vec<PathBuf>,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanMode {
    /// Make the world like the configuration.
    Normal,
    /// Remove everything.
    Destroy,
    /// Only compare the state with the world.
    RefreshOnly,
}

/// `terraform version`.
pub fn version() -> Vec<OsString> {
    words(&["version", "-json"])
}

/// `terraform init`.
pub fn init(init: &Init) -> Vec<OsString> {
    let mut args = words(&["init", "-input=false", "-no-color"]);
    if init.json {
        args.push("-json".into());
    }
    match &init.backend {
        InitBackend::None => args.push("-backend=false".into()),
        InitBackend::AsWritten => {}
        InitBackend::Migrate { config } => {
            args.extend(words(&["-migrate-state", "-force-copy", "-lock=false"]));
            args.extend(
                config
                    .iter()
                    .map(|config| with_path("-backend-config=", config)),
            );
        }
        InitBackend::File {
            config,
            reconfigure,
        } => {
            args.push(with_path("-backend-config=", config));
            if *reconfigure {
                args.push("-reconfigure".into());
            }
        }
    }
    args
}

/// `terraform workspace select`, which makes the workspace where it is not there.
pub fn select_workspace(workspace: &Workspace) -> Vec<OsString> {
    let mut args = words(&["workspace", "select", "-no-color", "-or-create"]);
    args.push(workspace.as_str().into());
    args
}

/// `terraform force-unlock` without a question.
pub fn force_unlock(id: &str) -> Vec<OsString> {
    let mut args = words(&["force-unlock", "-force"]);
    args.push(id.into());
    args
}

/// `terraform workspace list`.
pub fn list_workspaces() -> Vec<OsString> {
    words(&["workspace", "list"])
}

/// `terraform plan`: exit code 0 is no changes, 2 is changes, 1 is a failure.
pub fn plan(plan: &Plan) -> Vec<OsString> {
    let mut args = words(&[
        "plan",
        "-input=false",
        "-no-color",
        "-json",
        "-detailed-exitcode",
    ]);
    match plan.mode {
        PlanMode::Normal => {}
        PlanMode::Destroy => args.push("-destroy".into()),
        PlanMode::RefreshOnly => args.push("-refresh-only".into()),
    }
    args.push(lock_timeout(plan.lock_timeout));
    args.push(with_path("-out=", &plan.out));
    args.extend(
        plan.var_files
            .iter()
            .map(|file| with_path("-var-file=", file)),
    );
    args
}

/// `terraform apply` of a saved plan. It takes no variables: they are in the plan.
pub fn apply(plan: &Path, timeout: Duration) -> Vec<OsString> {
    let mut args = words(&[
        "apply",
        "-input=false",
        "-no-color",
        "-json",
        "-auto-approve",
    ]);
    args.push(lock_timeout(timeout));
    args.push(plan.into());
    args
}

/// `terraform show` of a saved plan, for people: coloured, sensitive values masked.
pub fn show_for_people(plan: &Path) -> Vec<OsString> {
    let mut args = words(&["show"]);
    args.push(plan.into());
    args
}

/// `terraform show` of a saved plan, as a document that holds sensitive values in clear.
pub fn show(plan: &Path) -> Vec<OsString> {
    let mut args = words(&["show", "-no-color", "-json"]);
    args.push(plan.into());
    args
}

/// `terraform validate`.
pub fn validate() -> Vec<OsString> {
    words(&["validate", "-no-color", "-json"])
}

/// `terraform state pull`. Its answer holds sensitive values in clear.
pub fn state_pull() -> Vec<OsString> {
    words(&["state", "pull"])
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// In one word, so that a path that begins with `-` is no flag.
pub(super) fn with_path(flag: &str, path: &Path) -> OsString {
    let mut word = OsString::from(flag);
    word.push(path);
    word
}

/// In Go's notation of durations.
pub(super) fn lock_timeout(timeout: Duration) -> OsString {
    if timeout.subsec_nanos() == 0 {
        format!("-lock-timeout={}s", timeout.as_secs()).into()
    } else {
        format!("-lock-timeout={}ms", timeout.as_millis()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(args: &[OsString]) -> String {
        let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn init_takes_the_backend_from_a_file() {
        let mut request = Init {
            backend: InitBackend::File {
                config: "/p/.tfw/dev.hcl".into(),
                reconfigure: false,
            },
            json: true,
        };
        assert_eq!(
            line(&init(&request)),
            "init -input=false -no-color -json -backend-config=/p/.tfw/dev.hcl"
        );
        request.backend = InitBackend::File {
            config: "f".into(),
            reconfigure: true,
        };
        request.json = false;
        assert_eq!(
            line(&init(&request)),
            "init -input=false -no-color -backend-config=f -reconfigure"
        );
        request.backend = InitBackend::Migrate {
            config: Some("f".into()),
        };
        assert_eq!(
            line(&init(&request)),
            "init -input=false -no-color -migrate-state -force-copy -lock=false -backend-config=f"
        );
        request.backend = InitBackend::None;
        assert_eq!(
            line(&init(&request)),
            "init -input=false -no-color -backend=false"
        );
    }

    #[test]
    fn plans_are_saved_and_tell_by_their_exit_code() {
        let mut request = Plan {
            mode: PlanMode::Normal,
            out: "/runs/dev.tfplan".into(),
            lock_timeout: Duration::ZERO,
            var_files: vec!["/p/common.tfvars".into(), "/p/dev.tfvars".into()],
        };
        assert_eq!(
            line(&plan(&request)),
            "plan -input=false -no-color -json -detailed-exitcode -lock-timeout=0s \
             -out=/runs/dev.tfplan -var-file=/p/common.tfvars -var-file=/p/dev.tfvars"
        );
        request.var_files.clear();
        request.mode = PlanMode::Destroy;
        request.lock_timeout = Duration::from_secs(90);
        assert!(line(&plan(&request)).contains("-destroy -lock-timeout=90s "));
        request.lock_timeout = Duration::from_millis(1500);
        assert!(line(&plan(&request)).contains("-destroy -lock-timeout=1500ms "));
        request.mode = PlanMode::RefreshOnly;
        assert!(line(&plan(&request)).contains("-detailed-exitcode -refresh-only "));
    }

    #[test]
    fn the_rest_is_short() {
        assert_eq!(
            line(&apply(Path::new("/p/plan"), Duration::from_secs(5))),
            "apply -input=false -no-color -json -auto-approve -lock-timeout=5s /p/plan"
        );
        assert_eq!(
            line(&select_workspace(&"blue".parse().expect("valid"))),
            "workspace select -no-color -or-create blue"
        );
        assert_eq!(
            line(&show(Path::new("/p/plan"))),
            "show -no-color -json /p/plan"
        );
        assert_eq!(line(&validate()), "validate -no-color -json");
        assert_eq!(line(&state_pull()), "state pull");
    }
}

//! tfw by itself: how long it takes to start, to understand a large manifest, and how much memory
//! it needs for many units.
//!
//! No Terraform runs here. What reads the manifest needs none, and the run over many units gets a
//! script in its place, which says what Terraform says and takes almost nothing.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;

use super::Bench;
use super::measure::{Job, Sample};

/// Stacks in each environment.
const STACKS: usize = 10;

/// Resources that change in each unit of the run that measures memory.
const CHANGES: usize = 10;

/// A root module that takes an input from another.
const MODULE: &str = "variable \"network\" {\n  type    = string\n  default = \"\"\n}\n";

/// A repository of many units, a tenth as many environments.
pub(super) struct Many<'a> {
    bench: &'a Bench,
    folder: tempfile::TempDir,
    units: usize,
}

impl<'a> Many<'a> {
    /// Makes one whose units stand in folders of their own.
    pub(super) fn new(bench: &'a Bench, units: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tfw-bench-").tempdir()?;
        let many = Self {
            bench,
            folder,
            units,
        };
        let root = many.folder.path();
        for environment in 0..units / STACKS {
            for stack in 0..STACKS {
                let module = root.join(format!("e{environment:04}/s{stack}"));
                fs::create_dir_all(&module)?;
                fs::write(module.join("main.tf"), MODULE)?;
            }
        }
        let (script, document) = (root.join("terraform.sh"), root.join("show.json"));
        fs::write(&document, plan_document())?;
        fs::write(&script, terraform_script(&document))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(many)
    }

    /// `tfw manifest show` of one unit in the middle: reads, checks and resolves all of them, and
    /// selects one.
    pub(super) fn resolve(&self) -> Result<Sample> {
        self.write_manifest("type = \"local\"")?;
        let unit = format!("e{:04}/s5", self.units / STACKS / 2);
        self.tfw(["manifest", "show", &unit])
            .run(self.folder.path())
    }

    /// `tfw plan --all` where every unit is refused, since its root module has no such backend:
    /// resolves, selects and orders all units, looks into each root module and writes the report,
    /// but starts nothing.
    pub(super) fn refuse(&self) -> Result<Sample> {
        self.write_manifest(
            "type = \"http\"\noptions = { address = \"http://127.0.0.1:1/{environment}/{stack}\" }",
        )?;
        self.tfw(["plan", "--all", "--quiet"])
            .expecting(4)
            .run(self.folder.path())
    }

    /// `tfw plan --all` with changes in every unit, over the script: the whole run as tfw sees it.
    pub(super) fn plan(&self) -> Result<Sample> {
        self.write_manifest("type = \"local\"")?;
        self.tfw(["plan", "--all", "--detailed-exitcode"])
            .expecting(2)
            .run(self.folder.path())
    }

    fn tfw<const N: usize>(&self, args: [&str; N]) -> Job {
        let root = self.folder.path();
        let mut env: Vec<(OsString, OsString)> = vec![
            ("HOME".into(), root.into()),
            ("TFW_TERRAFORM".into(), root.join("terraform.sh").into()),
        ];
        if let Some(path) = std::env::var_os("PATH") {
            env.push(("PATH".into(), path));
        }
        Job::new(&self.bench.tfw, root, &env).args(args)
    }

    /// Every stack takes an output of its environment's first, and waits for the one before it;
    /// every tenth environment waits for the first one.
    fn write_manifest(&self, backend: &str) -> Result<()> {
        let mut text = format!(
            "[project]\nname = \"bench\"\n\n[terraform]\nparallelism = {}\n\n[defaults]\nregion = \"eu-central-1\"\nvar_files = []\n\n[defaults.backend]\n{backend}\n",
            self.bench.parallelism
        );
        for environment in 0..self.units / STACKS {
            let _ = writeln!(
                text,
                "\n[environments.e{environment:04}]\naccount_id = \"{:012}\"\ntags = [\"t{}\"]",
                environment + 1,
                environment % 7
            );
            if environment > 0 && environment % 10 == 0 {
                text.push_str("depends_on = [\"e0000\"]\n");
            }
            for stack in 0..STACKS {
                let _ = writeln!(text, "[environments.e{environment:04}.stacks.s{stack}]");
                if stack > 0 {
                    let _ = writeln!(text, "depends_on = [\"s{}\"]", stack - 1);
                }
            }
        }
        Ok(fs::write(self.folder.path().join("tfw.toml"), text)?)
    }
}

/// Says what Terraform says, with some changes in every plan.
fn terraform_script(document: &Path) -> String {
    let change = |index: usize| {
        format!(
            "{{\"@level\":\"info\",\"@message\":\"\",\"type\":\"planned_change\",\"change\":{{\"resource\":{{\"addr\":\"terraform_data.this[{index}]\",\"module\":\"\",\"resource\":\"terraform_data.this[{index}]\",\"implied_provider\":\"terraform\",\"resource_type\":\"terraform_data\",\"resource_name\":\"this\",\"resource_key\":{index}}},\"action\":\"create\"}}}}\n"
        )
    };
    let changes: String = (0..CHANGES).map(change).collect();
    format!(
        r#"#!/bin/sh
case $1 in
version) echo '{{"terraform_version":"1.11.4","platform":"linux_amd64","provider_selections":{{}},"terraform_outdated":false}}' ;;
show) exec cat '{}' ;;
plan)
  cat <<'EVENTS'
{changes}{{"@level":"info","@message":"","type":"change_summary","changes":{{"add":{CHANGES},"change":0,"import":0,"remove":0,"operation":"plan"}}}}
EVENTS
  for argument; do
    case $argument in
    -out=*) printf 'PK\005\006\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >"${{argument#-out=}}" ;;
    esac
  done
  exit 2
  ;;
esac
"#,
        document.display()
    )
}

/// What `terraform show -json` of such a plan prints.
fn plan_document() -> String {
    let change = |index: usize| {
        format!(
            r#"{{"address":"terraform_data.this[{index}]","mode":"managed","type":"terraform_data","name":"this","index":{index},"provider_name":"terraform.io/builtin/terraform","change":{{"actions":["create"],"before":null,"after":{{"input":"hello {index}","triggers_replace":null}},"after_unknown":{{"id":true,"output":true}},"before_sensitive":false,"after_sensitive":{{}}}}}}"#
        )
    };
    let changes: Vec<String> = (0..CHANGES).map(change).collect();
    format!(
        r#"{{"format_version":"1.2","terraform_version":"1.11.4","resource_changes":[{}],"output_changes":{{}}}}"#,
        changes.join(",")
    )
}

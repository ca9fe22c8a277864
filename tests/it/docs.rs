//! What is written about tfw is what tfw does: generated pages are up to date, links lead
//! somewhere, commands that pages show exist, and `man` and a shell get what they read.

#![expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask docs` says by a variable that pages are to be written; a real bash asks for completions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tfw() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tfw"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// README, changelog and everything in `docs/`.
fn pages() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("docs")).expect("docs/");
    let mut pages: Vec<PathBuf> = folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages.push(root().join("README.md"));
    pages.push(root().join("CONTRIBUTING.md"));
    pages
}

/// Holds a generated page to what it is generated from, or writes it where `cargo xtask docs` asks.
fn up_to_date(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("TFW_WRITE_DOCS").is_some() {
        fs::create_dir_all(root().join("docs")).expect("docs/");
        fs::write(&path, text).expect("written");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if let Some((index, (old, new))) = found
        .lines()
        .chain(std::iter::repeat(""))
        .zip(text.lines())
        .enumerate()
        .find(|(_, (old, new))| old != new)
    {
        panic!(
            "docs/{name}, line {}, is out of date: run `cargo xtask docs`\n  is        {old}\n  should be {new}",
            index + 1
        );
    }
    assert!(
        found == text,
        "docs/{name} is out of date: run `cargo xtask docs`"
    );
}

#[test]
fn the_command_reference_is_up_to_date() {
    up_to_date("commands.md", &tfw::cli::reference());
}

#[test]
fn the_manifest_reference_is_up_to_date() {
    up_to_date("manifest.md", &tfw::manifest::reference());
}

/// What GitHub makes of a heading in links.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|part| part.split(')').next())
        {
            if link.starts_with("https://") || link.contains(char::is_whitespace) {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("a folder").join(path),
            };
            let exists = if heading.is_empty() {
                // Not there before the first `cargo xtask bench --write`.
                target.exists() || path == "performance.md"
            } else {
                let text = fs::read_to_string(&target).unwrap_or_default();
                text.lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading)
            };
            if !exists {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The tfw command lines in a page's blocks of code: what follows a prompt, and lines of scripts.
fn command_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut block: Option<&str> = None;
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then_some(language);
            continue;
        }
        let typed = match block {
            Some("console") => line.strip_prefix("$ "),
            Some("sh") => Some(line),
            _ => None,
        };
        let Some((before, start)) =
            typed.and_then(|typed| Some(typed.split_at(typed.find("tfw ")?)))
        else {
            continue;
        };
        // `source <(tfw completions bash)`, `eval "$(tfw env dev)"`.
        let end = if before.ends_with('(') {
            start.find(')')
        } else {
            None
        };
        lines.push(start[..end.unwrap_or(start.len())].to_owned());
    }
    lines
}

#[test]
fn every_command_line_in_a_page_parses() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for line in command_lines(&text) {
            let words = shlex::split(&line).unwrap_or_else(|| panic!("open quotes: {line}"));
            let mut words: Vec<String> = words
                .into_iter()
                .skip(1)
                .take_while(|word| !matches!(word.as_str(), "|" | ">" | ">>" | "&&"))
                .collect();
            // Parses all that is before it, and does nothing.
            let end = words.iter().position(|word| word == "--");
            words.insert(end.unwrap_or(words.len()), "--help".to_owned());
            let output = tfw().args(&words).output().expect("tfw runs");
            assert!(
                output.status.success(),
                "{}: {line}\n{}",
                page.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            count += 1;
        }
    }
    assert!(count > 50, "{count} command lines");
}

#[test]
fn manifests_for_people_to_copy_are_right() {
    let mut count = 0;
    for page in ["README.md", "docs/getting-started.md"] {
        let text = fs::read_to_string(root().join(page)).expect("a page");
        let blocks = text.split("```toml\n").skip(1);
        for block in blocks.filter_map(|block| block.split("```").next()) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let write = |name: &str, text: &str| {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().expect("a folder")).expect("created");
                fs::write(path, text).expect("written");
            };
            let module = "variable \"name\" {}\nvariable \"owner\" {}\nvariable \"vpc_id\" {}\n\
                          output \"vpc_id\" { value = 1 }\n";
            for unit in ["dev", "prod", "prod/network", "prod/eks"] {
                write(&format!("{unit}/main.tf"), module);
            }
            write("common.tfvars", "");
            write("tfw.toml", block);
            let output = tfw()
                .args(["manifest", "show"])
                .current_dir(folder.path())
                .output()
                .expect("tfw runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{page}:\n{said}");
            count += 1;
        }
    }
    assert_eq!(count, 3);
}

#[test]
fn pages_name_no_command_that_is_not_there() {
    let reference = tfw::cli::reference();
    let known: BTreeSet<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("## tfw "))
        .filter_map(|name| name.split(' ').next())
        .collect();
    assert!(known.contains("plan"));
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for part in text.split("`tfw ").skip(1) {
            let name: String = part.chars().take_while(char::is_ascii_lowercase).collect();
            // `tfw --version` and `tfw COMMAND` name none.
            if !name.is_empty() && !known.contains(name.as_str()) {
                wrong.push(format!("{}: tfw {name}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such commands:\n{}", wrong.join("\n"));
}

#[test]
fn man_gets_a_page_for_each_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = tfw()
        .args(["man", "--out"])
        .arg(folder.path().join("man1"))
        .output()
        .expect("tfw runs");
    assert!(output.status.success());
    let commands = tfw::cli::reference();
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    assert!(commands.len() > 10);
    for command in &commands {
        let name = command.replace(' ', "-");
        let page = folder.path().join("man1").join(format!("{name}.1"));
        let text = fs::read_to_string(&page).unwrap_or_else(|_| panic!("no page for `{command}`"));
        for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\""] {
            assert!(
                text.contains(&format!("\n.SH {section}\n")),
                "{name}: {section}"
            );
        }
        // Where there is a groff, it must have nothing to say.
        let checked = Command::new("groff")
            .args(["-man", "-ww", "-z"])
            .arg(&page)
            .output();
        if let Ok(checked) = checked {
            assert_eq!(String::from_utf8_lossy(&checked.stderr), "", "{name}");
        }
    }
    let pages = fs::read_dir(folder.path().join("man1"))
        .expect("pages")
        .count();
    assert_eq!(pages, commands.len());
}

/// What bash offers for the last of these words.
fn bash(folder: &Path, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source <(tfw completions bash)\n\
         COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9\n\
         _clap_complete_tfw tfw '{}' '{}'\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let program = Path::new(env!("CARGO_BIN_EXE_tfw"));
    let bin = program.parent().expect("a folder");
    let output = Command::new("bash")
        .args(["--norc", "-c", &script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .output()
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_names_from_the_manifest_and_is_silent_without_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    assert!(bash(path, &["tfw", "plan", "d"]).is_empty());
    // Half typed, and no environment has a folder: nobody wants to hear that now.
    let manifest = "[environments.dev]\ntags = ['eu']\nreg\n";
    fs::write(path.join("tfw.toml"), manifest).expect("written");
    assert!(bash(path, &["tfw", "plan", "d"]).is_empty());
    let manifest = "[environments.dev]\ntags = ['eu']\nregoin = 'x'\n\
                    [environments.prod]\nprotected = true\n[environments.prod.stacks.app]\n";
    fs::write(path.join("tfw.toml"), manifest).expect("written");
    assert_eq!(bash(path, &["tfw", "plan", "d"]), ["dev"]);
    assert_eq!(bash(path, &["tfw", "exec", "prod/"]), ["prod/app"]);
    assert_eq!(bash(path, &["tfw", "plan", "--tag", ""]), ["eu"]);
    assert_eq!(bash(path, &["tfw", "apply", "--approve", ""]), ["prod"]);
    assert_eq!(bash(path, &["tfw", "manif"]), ["manifest"]);
}

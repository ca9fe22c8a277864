use super::*;
use crate::manifest::testing::abstract_project;

const MANIFEST: &str = "
    [environments.dns]
    [environments.dev]
    tags = ['eu']
    [environments.dev.stacks.network]
    [environments.dev.stacks.app]
    depends_on = ['network']
    [environments.prod]
    depends_on = ['dev']
    tags = ['eu', 'live']
    [environments.prod.stacks.network]
    [environments.prod.stacks.app]
    inputs = { vpc = 'network.vpc' }";

fn request(patterns: &[&str]) -> SelectionRequest {
    SelectionRequest {
        patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
        working_dir: PathBuf::from("/elsewhere"),
        ..SelectionRequest::default()
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Names of the selected units; with `!` those whose environment was named.
fn selected(request: &SelectionRequest) -> Result<String, SelectionError> {
    selected_in(&abstract_project(MANIFEST), request)
}

fn selected_in(project: &Project, request: &SelectionRequest) -> Result<String, SelectionError> {
    let selected = select(project, request)?;
    let names = selected.units.iter().map(|unit| {
        let id = &project.units[unit.index].id;
        format!("{id}{}", if unit.named { "!" } else { "" })
    });
    Ok(names.collect::<Vec<_>>().join(" "))
}

#[test]
fn patterns_name_units() {
    for (patterns, expected) in [
        (&["dns"][..], "dns!"),
        (&["dev"], "dev/network! dev/app!"),
        (&["dev/"], "dev/network! dev/app!"),
        (&["prod/app", "dns"], "dns! prod/app!"),
        (&["*/network"], "dev/network prod/network"),
        (&["*"], "dns dev/network dev/app prod/network prod/app"),
        (&["d*"], "dns dev/network dev/app"),
        (&["prod/*"], "prod/network! prod/app!"),
        (&["{dev,prod}/app"], "dev/app prod/app"),
        (
            &["*/*", "dev/app"],
            "dev/network dev/app! prod/network prod/app",
        ),
    ] {
        assert_eq!(
            selected(&request(patterns)).as_deref(),
            Ok(expected),
            "{patterns:?}"
        );
    }
}

#[test]
fn flags_widen_and_narrow() {
    let all = SelectionRequest {
        all: true,
        ..request(&[])
    };
    let tag = |tags: &[&str], patterns: &[&str]| SelectionRequest {
        tags: strings(tags),
        ..request(patterns)
    };
    let exclude = |exclude: &[&str], request: SelectionRequest| SelectionRequest {
        exclude: strings(exclude),
        ..request
    };
    for (request, expected) in [
        (all.clone(), "dns dev/network dev/app prod/network prod/app"),
        (tag(&["live"], &[]), "prod/network prod/app"),
        (
            tag(&["live", "eu"], &[]),
            "dev/network dev/app prod/network prod/app",
        ),
        (tag(&["live"], &["*/app"]), "prod/app"),
        (exclude(&["prod"], all.clone()), "dns dev/network dev/app"),
        (exclude(&["*/network", "dns"], all), "dev/app prod/app"),
        (exclude(&["prod/app"], request(&["prod"])), "prod/network!"),
    ] {
        assert_eq!(selected(&request).as_deref(), Ok(expected), "{request:?}");
    }
}

#[test]
fn dependencies_come_along_unnamed() {
    let with = |dependencies, dependents, pattern| SelectionRequest {
        with_dependencies: dependencies,
        with_dependents: dependents,
        ..request(&[pattern])
    };
    for (request, expected) in [
        (
            with(true, false, "prod/app"),
            "dev/network dev/app prod/network prod/app!",
        ),
        (
            with(false, true, "dev/app"),
            "dev/app! prod/network prod/app",
        ),
        (with(false, true, "dns"), "dns!"),
        (
            SelectionRequest {
                exclude: strings(&["dev/app"]),
                ..with(true, false, "prod/network")
            },
            "dev/network prod/network!",
        ),
    ] {
        assert_eq!(selected(&request).as_deref(), Ok(expected), "{request:?}");
    }
}

#[test]
fn the_working_directory_means_what_is_around_it() {
    let project = abstract_project(MANIFEST);
    let within = |folder: &str| SelectionRequest {
        working_dir: project.root.join(folder),
        ..SelectionRequest::default()
    };
    for (folder, expected) in [
        ("dev", "dev/network dev/app"),
        ("dev/app", "dev/app"),
        ("dev/app/templates", "dev/app"),
        ("dev/other", "dev/network dev/app"),
        ("dns/files", "dns"),
    ] {
        assert_eq!(
            selected_in(&project, &within(folder)).as_deref(),
            Ok(expected),
            "{folder}"
        );
    }
    let error = selected_in(&project, &within("")).expect_err("outside");
    assert_eq!(
        error.hint().as_deref(),
        Some("name what is meant, or say `--all`; there are `dns`, `dev` and `prod`")
    );
}

#[test]
fn a_folder_of_several_units_means_none_of_them() {
    let mut project = abstract_project(MANIFEST);
    let shared = project.root.join("shared");
    for unit in &mut project.units[1..3] {
        unit.folder.clone_from(&shared);
    }
    let request = SelectionRequest {
        working_dir: shared,
        ..SelectionRequest::default()
    };
    let error = selected_in(&project, &request).expect_err("two units");
    assert_eq!(
        error.hint().as_deref(),
        Some("name the unit: `dev/network` and `dev/app`")
    );
}

#[test]
fn what_means_nothing_is_refused_with_a_way_out() {
    let cases = [
        (
            request(&["dve"]),
            "`dve` matches no environment and no unit",
            "did you mean `dev`?",
        ),
        (
            request(&["prd/app"]),
            "`prd/app` matches no environment and no unit",
            "did you mean `prod/app`?",
        ),
        (
            request(&["prod/ap"]),
            "`prod/ap` matches no environment and no unit",
            "did you mean `prod/app`?",
        ),
        (
            request(&["prod/zz"]),
            "`prod/zz` matches no environment and no unit",
            "the stacks of `prod` are `network` and `app`",
        ),
        (
            request(&["network"]),
            "`network` matches no environment and no unit",
            "`network` is a stack: write `dev/network` or `*/network`",
        ),
        (
            request(&["dns/x"]),
            "`dns/x` matches no environment and no unit",
            "`dns` has no stacks: write `dns`",
        ),
        (
            request(&["x*"]),
            "`x*` matches no environment and no unit",
            "the environments are `dns`, `dev` and `prod`",
        ),
        (
            request(&["[a"]),
            "`[a` is not a pattern: unclosed character class; missing ']'",
            "`*` stands for any part of a name, as in `*/network`",
        ),
        (
            SelectionRequest {
                all: true,
                ..request(&["dev"])
            },
            "`--all` and `dev` exclude each other",
            "leave one of them out",
        ),
        (
            SelectionRequest {
                tags: strings(&["livee"]),
                ..request(&[])
            },
            "no environment has the tag `livee`",
            "did you mean `live`?",
        ),
        (
            SelectionRequest {
                all: true,
                exclude: strings(&["porod"]),
                ..request(&[])
            },
            "`porod` of `--exclude` matches nothing",
            "did you mean `prod`?",
        ),
    ];
    for (request, message, hint) in cases {
        let error = selected(&request).expect_err(message);
        assert_eq!(error.to_string(), message);
        assert_eq!(error.hint().as_deref(), Some(hint), "{message}");
    }
    let nothing = SelectionRequest {
        tags: strings(&["live"]),
        ..request(&["dev"])
    };
    assert_eq!(
        selected(&nothing),
        Err(SelectionError::NothingLeft { after: "`--tag`" })
    );
    let nothing = SelectionRequest {
        exclude: strings(&["dev"]),
        ..request(&["dev"])
    };
    assert_eq!(
        selected(&nothing),
        Err(SelectionError::NothingLeft {
            after: "`--exclude`"
        })
    );
}

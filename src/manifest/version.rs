//! What a version constraint looks like. The grammar itself, and what a constraint allows, is for
//! `terraform` to say: this only catches what is none, with its place in the manifest.

/// Checks that a text looks like `~> 1.11` or `>= 1.11, < 2.0`.
pub(super) fn check(constraint: &str) -> Result<(), String> {
    constraint.split(',').try_for_each(one)
}

fn one(part: &str) -> Result<(), String> {
    let part = part.trim();
    let operators = ["~>", ">=", "<=", "!=", "=", ">", "<"];
    let version = operators
        .iter()
        .find_map(|operator| part.strip_prefix(operator))
        .unwrap_or(part)
        .trim();
    if version.is_empty() {
        return Err("a version is missing".to_owned());
    }
    let (numbers, suffix) = match version.split_once(['-', '+']) {
        Some((numbers, suffix)) => (numbers, Some(suffix)),
        None => (version, None),
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let numbers = numbers.strip_prefix('v').unwrap_or(numbers);
    let is_version = numbers.split('.').count() <= 3
        && numbers.split('.').all(is_number)
        && suffix.is_none_or(|suffix| !suffix.is_empty());
    if is_version {
        Ok(())
    } else {
        Err(format!("`{version}` is not a version"))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn constraints_are_told_from_other_texts() {
        for good in [
            "1.11.4",
            "~> 1.11",
            ">= 1.11, < 2.0",
            "!=1.2.3",
            "= 1.6.0-beta1",
            "1",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "", "latest", "^1.11", "~> ", "1.11,", "1.2.3.4", ">= 1.x", "=> 1.2",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

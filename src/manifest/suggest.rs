//! "Did you mean …?"

/// The candidate that was probably meant, if one is near enough.
pub(super) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let limit = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != given)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", if something is near enough.
pub(super) fn did_you_mean<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(given, candidates).map(|found| format!("did you mean `{found}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let names = ["region", "bucket", "backend", "stacks"];
        for (given, expected) in [
            ("regionn", Some("region")),
            ("Region", Some("region")),
            ("stack", Some("stacks")),
            ("buckets", Some("bucket")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(given, names), expected, "{given}");
        }
    }
}

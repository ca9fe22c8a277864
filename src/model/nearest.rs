//! "Did you mean …?"

/// The candidate that is most like what was typed, if any is like it at all.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_word_and_other_words_do_not() {
        let known = ["backend", "bucket", "region"];
        assert_eq!(nearest("bukcet", known).as_deref(), Some("bucket"));
        assert_eq!(nearest("regions", known).as_deref(), Some("region"));
        assert_eq!(nearest("xyz", known), None);
    }
}

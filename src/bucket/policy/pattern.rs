//! Patterns of IAM: `*` is anything, `?` one character.

/// Whether a pattern matches whatever the other one does. A text without wildcards is a pattern that
/// matches itself alone.
///
/// It may say no of two patterns that have to be thought about (`a*?` and `a?*`), and never says yes
/// wrongly.
pub(in crate::bucket) fn covers(general: &str, specific: &str) -> bool {
    let general: Vec<char> = general.chars().collect();
    let specific: Vec<char> = specific.chars().collect();
    let (mut at, mut seen) = (0, 0);
    // The last `*`, and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while seen < specific.len() {
        let next = general.get(at);
        if next == Some(&'*') {
            star = Some((at, seen));
            at += 1;
        } else if next.is_some_and(|next| is_one(*next, specific[seen])) {
            at += 1;
            seen += 1;
        } else if let Some((place, reach)) = star {
            star = Some((place, reach + 1));
            at = place + 1;
            seen = reach + 1;
        } else {
            return false;
        }
    }
    general[at..].iter().all(|left| *left == '*')
}

/// Whether one sign of a pattern, no `*`, matches what one of the other does: a `*` only another `*`
/// can match.
fn is_one(general: char, specific: char) -> bool {
    specific != '*' && (general == specific || general == '?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_iams() {
        assert!(covers("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b"));
        assert!(covers("s3:getobjec?", "s3:getobject"));
        assert!(covers("*a*b", "xxaab") && !covers("*a*b", "xxaabc"));
        assert!(!covers("arn:aws:iam::1:role/A", "arn:aws:iam::1:role/AB"));
        assert!(covers("a[b]{c}", "a[b]{c}") && covers("", "") && !covers("", "a"));
    }

    #[test]
    fn a_pattern_covers_a_narrower_one_and_no_wider_one() {
        for (general, specific) in [
            ("arn:aws:iam::1:*", "arn:aws:iam::1:role/Admin"),
            ("arn:aws:iam::1:*", "arn:aws:iam::1:role/*"),
            ("arn:aws:iam::1:role/*Admin", "arn:aws:iam::1:role/*/Admin"),
            ("a*", "a*b*"),
            ("*", "*"),
        ] {
            assert!(covers(general, specific), "{general} {specific}");
            assert!(
                general == specific || !covers(specific, general),
                "{specific} {general}"
            );
        }
        assert!(!covers("role/?", "role/*"));
        assert!(!covers("role/a*", "role/*"));
    }
}

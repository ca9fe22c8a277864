//! What a chain of errors tells: each error, and below it what caused it.
//!
//! In the chains of the SDK and of hyper most links name a layer; the reason is one of the last.

use std::error::Error;

/// The first error of a type in a chain.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|link| link.downcast_ref())
}

/// What a chain of errors tells, in one line: without the links that only say that something
/// failed, and without what a later link says again.
pub(super) fn text(error: &(dyn Error + 'static)) -> String {
    let links: Vec<String> = chain(error)
        .map(|link| {
            let said = text_of(link);
            let words: Vec<&str> = said.split_whitespace().collect();
            words.join(" ").trim_end_matches('.').to_owned()
        })
        .filter(|text| !is_empty_talk(text))
        .collect();
    let mut told: Vec<&str> = Vec::new();
    for (at, text) in links.iter().enumerate() {
        let said_again = links[at + 1..]
            .iter()
            .any(|later| later.contains(text.as_str()))
            || told.iter().any(|earlier| earlier.contains(text.as_str()));
        if !said_again {
            told.push(text);
        }
    }
    if told.is_empty() {
        error.to_string()
    } else {
        told.join(": ")
    }
}

/// What one link says; of an error of the system in words only, without "(os error 111)".
fn text_of(link: &(dyn Error + 'static)) -> String {
    match link.downcast_ref::<std::io::Error>() {
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        _ => link.to_string(),
    }
}

/// Links of the SDK's and hyper's chains that name a layer and no reason.
fn is_empty_talk(text: &str) -> bool {
    const LAYERS: [&str; 18] = [
        "dispatch failure",
        "service error",
        "request has timed out",
        "failed to construct request",
        "response error",
        "io error",
        "timeout",
        "other",
        "user error",
        "client error (Connect)",
        "client error (SendRequest)",
        "tcp connect error",
        "the credential provider was not enabled",
        "an error occurred while loading credentials",
        "the credentials provider was not properly configured",
        "unexpected credentials error",
        "unhandled error",
        "timed out",
    ];
    text.is_empty() || LAYERS.iter().any(|layer| text.eq_ignore_ascii_case(layer))
}

/// An error and its sources. `std::io::Error::source` skips its own payload, where hyper keeps the
/// TLS error.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&link| {
        match link.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => link.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_each_thing_once_and_leave_out_layers() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Link {
            text: &'static str,
            source: Option<Box<Link>>,
        }
        let link = |says, source: Option<Link>| Link {
            text: says,
            source: source.map(Box::new),
        };
        let chain = link(
            "dispatch failure",
            Some(link(
                "cannot load",
                Some(link("token: it expired", Some(link("it expired", None)))),
            )),
        );
        assert_eq!(text(&chain), "cannot load: token: it expired");
        assert_eq!(text(&link("service error", None)), "service error");
    }
}

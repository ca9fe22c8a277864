//! Words for what the operating system says.

use std::io;

/// The reason alone, without Rust's `(os error 28)`: "no space left on device".
pub fn describe_io(error: &io::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = reason.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_error_is_left_out() {
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(describe_io(&full), "no space left on device");
        assert_eq!(
            describe_io(&io::Error::other("Broken thing")),
            "broken thing"
        );
    }
}

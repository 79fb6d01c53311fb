//! Text from outside, made fit to be shown: errors quote what they found, and what they found may be hostile.

/// Characters of a foreign value that an error message shows.
const SHOWN: usize = 160;

/// The value without control characters, cut to a length that fits a line.
pub fn excerpt(value: &str) -> String {
    cut(value, SHOWN)
}

/// The value without control characters, cut to at most `limit` characters and an ellipsis.
pub fn cut(value: &str, limit: usize) -> String {
    let mut shown: String = value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(limit).collect();
    if value.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn control_characters_and_length_are_tamed() {
        assert_eq!(excerpt("a\n\u{1b}[31mb"), "a\u{fffd}\u{fffd}[31mb");
        assert_eq!(excerpt(&"x".repeat(500)).chars().count(), 161);
    }
}

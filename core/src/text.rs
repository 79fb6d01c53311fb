//! Text from outside, made fit to be shown: errors quote what they found, and what they found may be hostile.

/// Characters of a foreign value that an error message shows.
const SHOWN: usize = 160;

/// The value without control characters, cut to a length that fits a line.
pub fn excerpt(value: &str) -> String {
    cut(value, SHOWN)
}

/// Control characters, and those that reorder or hide what stands beside them (Unicode category Cf, as far as it can).
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The value without control characters, cut to at most `limit` characters and an ellipsis.
pub fn cut(value: &str, limit: usize) -> String {
    let mut shown: String = value.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).take(limit).collect();
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
        assert_eq!(excerpt("a\u{202e}b\u{200b}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(excerpt(&"x".repeat(500)).chars().count(), 161);
    }
}

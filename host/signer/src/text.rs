//! Text that somebody else wrote, made fit for an error message.

use core::time::Duration;

/// Characters of such a text. What programs write first and last says most; 200 of each are still read.
const MAX_CHARS: usize = 400;

/// No control characters or text direction marks, white space joined, the middle left out where it is long.
pub(crate) fn tame(text: &str) -> String {
    let visible = |c: &char| {
        !(c.is_control()
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
    };
    let spaced: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(visible).collect();
    let joined: Vec<char> = spaced.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    if joined.len() <= MAX_CHARS {
        return joined.into_iter().collect();
    }
    let (first, last) = (&joined[..MAX_CHARS / 2], &joined[joined.len() - MAX_CHARS / 2..]);
    first.iter().chain(&[' ', '…', ' ']).chain(last).collect()
}

/// A duration for people: `10 s`, `200 ms`.
pub(crate) fn span(duration: &Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds.is_multiple_of(1000) { format!("{} s", duration.as_secs()) } else { format!("{milliseconds} ms") }
}

/// `": text"`, or nothing where there is no text.
pub(crate) fn tail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{MAX_CHARS, span, tame};

    #[test]
    fn foreign_text_becomes_one_line_of_visible_characters() {
        assert_eq!(tame(" a\tb\r\n\n c\u{1b}[31m\u{0}\u{202e}d \u{feff}"), "a b c[31md");
        assert_eq!(tame("\n \t"), "");
        let long = format!("begin{}end", "ä".repeat(100_000));
        let tamed = tame(&long);
        assert!(tamed.starts_with("begin") && tamed.ends_with("end") && tamed.contains(" … "), "{tamed}");
        assert_eq!(tamed.chars().count(), MAX_CHARS + 3);
    }

    #[test]
    fn durations_are_for_people() {
        assert_eq!(span(&Duration::from_secs(10)), "10 s");
        assert_eq!(span(&Duration::from_millis(1500)), "1500 ms");
    }
}

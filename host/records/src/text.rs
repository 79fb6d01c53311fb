//! Texts that strangers chose, cut to what a record has room for.

/// The text, cut so that it takes at most `limit` octets as a JSON string without its quotes. A cut ends in `…`.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    const MARK: char = '…';
    let fits = |limit: usize| {
        let mut taken = 0usize;
        text.char_indices().find(|(_, c)| {
            taken = taken.saturating_add(octets(*c));
            taken > limit
        })
    };
    if fits(limit).is_none() {
        return text.to_owned();
    }
    let end = fits(limit.saturating_sub(MARK.len_utf8())).map_or(text.len(), |(at, _)| at);
    let mut short = text.get(..end).unwrap_or_default().to_owned();
    short.push(MARK);
    short
}

/// Octets of a character in canonical JSON.
const fn octets(c: char) -> usize {
    match c {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::cut;

    proptest! {
        #[test]
        fn what_is_cut_fits_and_is_marked(text in "\\PC{0,60}|[\\x00-\\x1f\"\\\\é😀]{0,60}", limit in 3usize..80) {
            let short = cut(&text, limit);
            let encoded = serde_json::to_string(&short).expect("a string").len() - 2;
            prop_assert!(encoded <= limit, "{encoded} > {limit}");
            let whole = serde_json::to_string(&text).expect("a string").len() - 2;
            prop_assert_eq!(whole <= limit, short == text);
            let start = short.strip_suffix('…').unwrap_or(&short).to_owned();
            prop_assert!(text.starts_with(&start));
        }
    }
}

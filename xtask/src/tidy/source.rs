//! Rust source as far as tidy reads it: comments, texts and test code blanked, lines kept.

/// The source with comments, string and character literals and everything under `#[cfg(test)]` replaced by blanks.
/// Line numbers stay. Reads what rustfmt writes; it is no parser.
pub(super) fn code_without_tests(text: &str) -> String {
    let mut code = blank_texts(text);
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = end_of_item(&code, start);
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// Whether a line calls this, and not something whose name merely ends like it (`my_panic!`).
pub(super) fn calls(line: &str, what: &str) -> bool {
    line.match_indices(what)
        .any(|(at, _)| what.starts_with('.') || !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Where the item ends that begins with the attribute at `start`: after its block, or after its semicolon.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0usize;
    for (offset, c) in code[start..].char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let end = start + offset + c.len_utf8();
        // `use a::{b};` goes on after its braces.
        let closed = c == '}' && !code[end..].starts_with(';');
        if depth == 0 && (closed || c == ';') {
            return end;
        }
    }
    code.len()
}

fn blank_texts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before_is_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest, '"'),
            'r' | 'b' | 'c' if !before_is_name => prefixed(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let taken = if skipped == 0 { first.len_utf8() } else { skipped };
        let (part, after) = rest.split_at(taken);
        match skipped {
            0 => out.push_str(part),
            _ => out.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
        rest = after;
    }
    out
}

/// Octets of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match rest {
            open if open.starts_with("/*") => (depth + 1, 2),
            close if close.starts_with("*/") => (depth.saturating_sub(1), 2),
            other => (depth, other.chars().next().map_or(1, char::len_utf8)),
        };
        depth = step.0;
        at += step.1;
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}

/// Octets of a literal that begins with this quote, escapes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Octets of a literal with a prefix (`b""`, `r#""#`, `br""`, `b''`), or 0 where this is only a name.
fn prefixed(text: &str) -> usize {
    let letters = text.len() - text.trim_start_matches(['b', 'c', 'r']).len();
    let rest = &text[letters..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if letters > 2 {
        return 0;
    }
    if text[..letters].ends_with('r') && rest[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = letters + hashes + 1;
        return text[body..].find(&end).map_or(text.len(), |at| body + at + end.len());
    }
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => letters + quoted(rest, quote),
        _ => 0,
    }
}

/// Octets of a character literal, or 0 where the quote begins a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{calls, code_without_tests};

    #[test]
    fn comments_and_texts_are_blank_and_code_stays() {
        let text =
            "a(\"x.unwrap()\"); // b.unwrap()\n/* c /* d */ e */ f('\"'); g(r#\"h\"i\"#); j::<'k>(b'\\'', '\\\\');\n";
        let code = code_without_tests(text);
        assert_eq!(code.lines().count(), text.lines().count());
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words, ["a(", ");", "f(", ");", "g(", ");", "j::<'k>(", ",", ");"]);
    }

    #[test]
    fn test_code_is_blank_and_what_follows_stays() {
        let text = "#[cfg(test)]\nuse a::{b};\n#[cfg(test)]\nmod tests {\n fn c() { \"}\" }\n}\nfn d() {}\n";
        assert_eq!(code_without_tests(text).trim(), "fn d() {}");
        assert_eq!(code_without_tests(text).lines().count(), 7);
    }

    #[test]
    fn a_longer_name_is_another_call() {
        assert!(calls("x.unwrap()", ".unwrap()"));
        assert!(!calls("x.unwrap_or(1)", ".unwrap()"));
        assert!(calls("core::panic!(\"\")", "panic!"));
        assert!(!calls("no_panic!()", "panic!"));
    }
}

//! Authentication challenges: the value of `WWW-Authenticate` (RFC 9110, section 11.6.1).

use std::collections::BTreeMap;

/// Octets of one header value that are read. A challenge is a realm, a service and a few scopes.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// One challenge. Names are in lower case; of a repeated parameter the first counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The challenges in a header value, as far as it can be read. What follows a syntax error is ignored.
pub(crate) fn parse(value: &str) -> Vec<Challenge> {
    let mut reader = Reader { rest: value.get(..MAX_HEADER_BYTES).unwrap_or(value) };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        reader.skip(|c| c == ',' || is_space(c));
        let Some(name) = reader.token() else { return challenges };
        let before_value = reader.rest;
        // RFC 9110, section 11.2: a token followed by `=` and a value is a parameter of the challenge before it; any
        // other token begins a challenge.
        reader.skip(is_space);
        if let (true, Some(challenge)) = (reader.take('='), challenges.last_mut()) {
            reader.skip(is_space);
            let Some(text) = reader.value() else { return challenges };
            challenge.parameters.entry(name.to_ascii_lowercase()).or_insert(text);
        } else {
            reader.rest = before_value;
            challenges.push(Challenge { scheme: name.to_ascii_lowercase(), parameters: BTreeMap::new() });
            reader.skip(is_space);
            reader.token68();
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(unwanted);
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Skips a token68 (`Negotiate YII…==`), which ends at a comma or the end and is nothing else.
    fn token68(&mut self) {
        let body = self.rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        let end = body.trim_start_matches('=').trim_start_matches(is_space);
        let padded_or_whole = body.starts_with('=') || body.len() < self.rest.len();
        if padded_or_whole && (end.is_empty() || end.starts_with(',')) {
            self.rest = end;
        }
    }

    fn value(&mut self) -> Option<String> {
        if !self.take('"') {
            return self.token().map(ToOwned::to_owned);
        }
        let mut text = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => text.push(characters.next()?),
                other => text.push(other),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::{Challenge, parse};

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        Challenge {
            scheme: scheme.into(),
            parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn challenges_are_parsed() {
        for (value, expected) in [
            (
                r#"Bearer realm="https://auth.example/token",service="svc",scope="repository:org/app:pull,push""#,
                vec![challenge(
                    "bearer",
                    &[
                        ("realm", "https://auth.example/token"),
                        ("service", "svc"),
                        ("scope", "repository:org/app:pull,push"),
                    ],
                )],
            ),
            (
                r#"Basic realm="a \"quoted\", b", BEARER Realm=token , error="x""#,
                vec![
                    challenge("basic", &[("realm", r#"a "quoted", b"#)]),
                    challenge("bearer", &[("realm", "token"), ("error", "x")]),
                ],
            ),
            (
                r#"Negotiate abc123==, Basic realm="r", NTLM, , Digest realm = "d" ,"#,
                vec![
                    challenge("negotiate", &[]),
                    challenge("basic", &[("realm", "r")]),
                    challenge("ntlm", &[]),
                    challenge("digest", &[("realm", "d")]),
                ],
            ),
            (r#"Bearer realm="first",realm="second""#, vec![challenge("bearer", &[("realm", "first")])]),
            (r#"Bearer realm="never closed"#, vec![challenge("bearer", &[])]),
            (r#"Bearer realm="ends in escape\"#, vec![challenge("bearer", &[])]),
            ("=x", vec![]),
            ("", vec![]),
            ("Basic", vec![challenge("basic", &[])]),
        ] {
            assert_eq!(parse(value), expected, "{value}");
        }
    }

    #[test]
    fn no_cut_of_a_challenge_panics() {
        let whole = r#"Negotiate a==, Basic realm="ä\"b", Bearer realm="https://x/", scope="a,b""#;
        for end in 0..=whole.len() {
            if let Some(cut) = whole.get(..end) {
                parse(cut);
            }
        }
    }
}

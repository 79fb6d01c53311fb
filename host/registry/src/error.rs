//! Why a registry gave nothing usable: one sentence each, with the registry, the request and what happened.

use core::time::Duration;

/// A request to a registry that failed. `Display` is one sentence that names the registry first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry said 404.
    #[error("{registry}: HTTP 404 from {request}")]
    Absent {
        /// The registry asked.
        registry: String,
        /// Method and what was asked for, e.g. `GET manifests/latest`.
        request: String,
    },
    /// More octets than may be read.
    #[error("{registry}: {request} gives {got} octets, at most {limit} are read")]
    TooLarge {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// Octets announced, or read when reading stopped.
        got: u64,
        /// Octets allowed.
        limit: u64,
    },
    /// A status that the protocol has no use for here.
    #[error("{registry}: HTTP {status} from {request}{}", tail(.detail))]
    Status {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// The status that came.
        status: u16,
        /// What the body said: at most 200 characters, no control characters. May be empty.
        detail: String,
    },
    /// No connection, after all tries.
    #[error("{registry}: cannot connect for {request}: {reason}")]
    Connect {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// What the network or TLS said.
        reason: String,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("{registry}: {request} broke off: {reason}")]
    Broken {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// What the network said.
        reason: String,
    },
    /// No headers in time.
    #[error("{registry}: no answer to {request} within {}", span(.after))]
    NoHeaders {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The caller's deadline came first.
    #[error("{registry}: {request} was not done when the deadline came, after {}", span(.after))]
    Deadline {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The body came too slowly.
    #[error("{registry}: {rate} {} for {}, at least {expected} expected", per_second(.rate), span(.window))]
    Slow {
        /// The registry asked.
        registry: String,
        /// Octets per second that came.
        rate: u64,
        /// How long that was measured.
        window: Duration,
        /// Octets per second expected.
        expected: u64,
    },
    /// The registry asks to come back after the deadline.
    #[error("{registry}: HTTP {status} from {request}, asks to wait {}, which is past the deadline", span(.wait))]
    RetryAfter {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// The status that came.
        status: u16,
        /// What `Retry-After` said.
        wait: Duration,
    },
    /// A redirect, a `Location` or a `Link` to where no byte may go.
    #[error("{registry}: {request} points to {target}, refused: {reason}")]
    Redirect {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// Scheme and host of the target.
        target: String,
        /// Why, with the configuration key that would allow it.
        reason: String,
    },
    /// Authentication failed, or could not be tried.
    #[error("{registry}: {request} needs authentication: {reason}")]
    Authentication {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// What went wrong, without any secret.
        reason: String,
    },
    /// An answer that breaks the protocol.
    #[error("{registry}: {request} gave an unusable answer: {reason}")]
    Protocol {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// What was wrong with it.
        reason: String,
    },
    /// Content differs from its digest.
    #[error("{registry}: {request} gave content with digest {got}, expected {expected}")]
    DigestMismatch {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// The digest asked for.
        expected: String,
        /// The digest of what came, or that the registry reported.
        got: String,
    },
    /// Content differs from its announced size.
    #[error("{registry}: {request} gave {got} octets, expected {expected}")]
    SizeMismatch {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        request: String,
        /// Octets expected.
        expected: u64,
        /// Octets that came, at least.
        got: u64,
    },
    /// Others wrote a tag as well, and each time it was without what was added here.
    #[error("{registry}: another writer of {tag} replaced what was added, {times} times in a row; try again later")]
    Replaced {
        /// The registry written to.
        registry: String,
        /// The tag.
        tag: String,
        /// How often it was written.
        times: u32,
    },
    /// A manifest that refers to another one was pushed, and is not in the list of those that do.
    #[error("the signature is pushed, but not yet listed where verifiers look for it: {error}")]
    NotListed {
        /// Why it is not listed.
        error: Box<RegistryError>,
    },
    /// A name that cannot be asked for. Nothing was sent.
    #[error("{registry}: {reason}")]
    Name {
        /// The registry as it was named.
        registry: String,
        /// Which name is wrong, and how.
        reason: String,
    },
}

/// Characters of a registry's own words that are repeated: enough for a message, too few to flood a log.
const MAX_DETAIL_CHARS: usize = 200;

/// Foreign text made fit for a log line: no control characters or text direction marks, white space joined, 200
/// characters at most.
pub(crate) fn clean(text: &str) -> String {
    let visible = |c: &char| {
        !(c.is_control()
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
    };
    let spaced: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(visible).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_DETAIL_CHARS).collect()
}

/// The innermost cause of an error, which is the one that says something: `Connection refused (os error 111)`.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    clean(&cause.to_string())
}

/// A duration for people: `5 s`, `200 ms`, `1.5 s`.
pub(crate) fn span(duration: &Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else if milliseconds % 1000 < 50 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

fn per_second(rate: &u64) -> &'static str {
    if *rate == 1 { "byte/s" } else { "bytes/s" }
}

fn tail(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{RegistryError, clean, span};

    #[test]
    fn reasons_are_one_sentence() {
        let error = RegistryError::Status {
            registry: "registry.example".into(),
            request: "GET manifests/latest".into(),
            status: 500,
            detail: String::new(),
        };
        assert_eq!(error.to_string(), "registry.example: HTTP 500 from GET manifests/latest");
        let slow = RegistryError::Slow {
            registry: "registry.example".into(),
            rate: 1,
            window: Duration::from_secs(5),
            expected: 1024,
        };
        assert_eq!(slow.to_string(), "registry.example: 1 byte/s for 5 s, at least 1024 expected");
    }

    #[test]
    fn foreign_text_is_cut_and_cleaned() {
        assert_eq!(clean("a\u{1b}[31mred\r\n\tb\u{202e}c"), "a[31mred bc");
        assert_eq!(clean(&"x".repeat(500)).len(), 200);
        assert_eq!(span(&Duration::from_millis(1500)), "1.5 s");
        assert_eq!(span(&Duration::from_millis(200)), "200 ms");
    }
}

//! Why a Notary server gave nothing usable.

use bulla_registry::RegistryError;
use serde::Deserialize;

/// Characters of a server's own words that are repeated.
const MAX_SAID: usize = 400;

/// A request to a Notary server that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotaryError {
    /// There was no answer, or none that could be read.
    #[error(transparent)]
    Request(#[from] RegistryError),
    /// A name that cannot be asked for. Nothing was sent.
    #[error("{name:?} is not {expected}")]
    Name {
        /// The name.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The server has nothing under this name.
    #[error("{server}: HTTP 404 from {request}")]
    Absent {
        /// The server.
        server: String,
        /// Method and file.
        request: String,
    },
    /// Somebody else published in the meantime: fetch, prepare and sign again.
    #[error("{server}: {request} comes too late, another version was published in the meantime: {said}")]
    Outdated {
        /// The server.
        server: String,
        /// Method and file.
        request: String,
        /// What the server said.
        said: String,
    },
    /// The server refuses.
    #[error("{server}: HTTP {status} from {request}: {said}")]
    Refused {
        /// The server.
        server: String,
        /// Method and file.
        request: String,
        /// The status.
        status: u16,
        /// The code in its error document, e.g. `INVALID_UPDATE`. Empty where there is none.
        code: String,
        /// What the server said, with details.
        said: String,
    },
}

#[derive(Deserialize)]
struct Document {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: serde_json::Value,
}

impl NotaryError {
    /// What a status that is not 200 means, with what the body says about it.
    pub(crate) fn from_answer(server: &str, request: String, status: u16, body: &[u8]) -> Self {
        let server = server.to_owned();
        if status == 404 {
            return Self::Absent { server, request };
        }
        let problem =
            serde_json::from_slice(body).ok().and_then(|document: Document| document.errors.into_iter().next());
        let (code, said) = match problem {
            Some(Problem { code, message, detail }) => {
                let detail = if detail.is_null() { String::new() } else { format!(" ({detail})") };
                let said = format!("{code}: {message}{detail}");
                (code, said)
            }
            None => (String::new(), String::from_utf8_lossy(body).into_owned()),
        };
        let said = clean(&said);
        match code.as_str() {
            "VERSION" => Self::Outdated { server, request, said },
            _ => Self::Refused { server, request, status, code: clean(&code), said },
        }
    }
}

/// Foreign text made fit for a line.
pub(crate) fn clean(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID).collect::<String>();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::NotaryError;

    fn from(status: u16, body: &str) -> NotaryError {
        NotaryError::from_answer("notary.example", "POST".to_owned(), status, body.as_bytes())
    }

    #[test]
    fn what_a_server_says_is_told_apart() {
        let (server, request) = ("notary.example".to_owned(), "POST".to_owned());
        assert_eq!(from(404, ""), NotaryError::Absent { server, request });
        let version = r#"{"errors":[{"code":"VERSION","message":"A newer version","detail":null}]}"#;
        assert!(
            matches!(from(400, version), NotaryError::Outdated { ref said, .. } if said == "VERSION: A newer version")
        );
        let update =
            r#"{"errors":[{"code":"INVALID_UPDATE","message":"bad","detail":{"error":{"name":"ErrBadRoot"}}}]}"#;
        let error = from(400, update);
        assert_eq!(
            error.to_string(),
            "notary.example: HTTP 400 from POST: INVALID_UPDATE: bad ({\"error\":{\"name\":\"ErrBadRoot\"}})"
        );
        let plain = from(502, "bad\u{1b}[31m\ngateway");
        assert!(matches!(plain, NotaryError::Refused { status: 502, ref said, .. } if said == "bad [31m gateway"));
    }
}

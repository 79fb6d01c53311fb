//! Credential helpers: programs called `docker-credential-<name>` (docker/docker-credential-helpers, README).

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use moka::future::Cache;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::credentials::{Credential, password_credential};
use crate::error::{clean, span};
use crate::secret::Secret;

/// Octets of a helper's answer. A token in it may be a few kilobytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// How long an answer is reused. Cloud helpers give passwords that live for hours; asking again each quarter of an hour
/// keeps them fresh and costs nothing.
const REMEMBERED: Duration = Duration::from_secs(900);

/// Runs helpers and remembers what they said.
#[derive(Clone)]
pub(crate) struct Helpers {
    timeout: Duration,
    /// Where the programs are; None for the folders of `PATH`.
    folder: Option<PathBuf>,
    answers: Cache<(String, String), Option<Arc<Credential>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    secret: Secret,
}

impl Helpers {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, folder: None, answers: Cache::builder().max_capacity(1024).time_to_live(REMEMBERED).build() }
    }

    /// What a helper knows about a server. None when it says that it has nothing.
    pub(crate) async fn get(&self, helper: &str, server: &str) -> Result<Option<Credential>, String> {
        let key = (helper.to_owned(), server.to_owned());
        let answer =
            self.answers.try_get_with(key, self.run(helper, server)).await.map_err(|error| String::clone(&error))?;
        Ok(answer.map(|credential| Credential::clone(&credential)))
    }

    async fn run(&self, helper: &str, server: &str) -> Result<Option<Arc<Credential>>, String> {
        let program = format!("docker-credential-{helper}");
        let failed = |what: String| format!("credential helper {program}: {what}");
        let path = self.folder.as_ref().map_or_else(|| PathBuf::from(&program), |folder| folder.join(&program));
        match tokio::time::timeout(self.timeout, ask(&path, server)).await {
            Err(_) => Err(failed(format!("no answer within {}", span(&self.timeout)))),
            Ok(answer) => answer.map_err(failed),
        }
    }
}

impl Default for Helpers {
    fn default() -> Self {
        Self::new(Duration::from_secs(10))
    }
}

impl fmt::Debug for Helpers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helpers").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Whether the text can be the last part of a program's name. A name with a slash would run a program of somebody's
/// choosing.
pub(crate) fn is_helper_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.contains("..")
}

async fn ask(program: &Path, server: &str) -> Result<Option<Arc<Credential>>, String> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipes to it".into());
    };
    // A helper that answers without reading closes its end: what counts is the answer.
    let _ = input.write_all(server.as_bytes()).await;
    drop(input);
    let mut answer = Zeroizing::new(Vec::new());
    output.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if !status.success() {
        // Helpers say on standard output why they failed; nothing secret is there then.
        let said = clean(&String::from_utf8_lossy(&answer));
        return if said.contains("credentials not found") { Ok(None) } else { Err(format!("{status}: {said}")) };
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| "the answer is not the JSON that helpers give".to_owned())?;
    Ok(Some(Arc::new(password_credential(&answer.username, answer.secret.expose()))))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Helpers, is_helper_name};
    use crate::credentials::Credential;
    use crate::secret::Secret;

    /// A helper called `test` that does this, and where it is.
    fn helper(script: &str, timeout: Duration) -> (Helpers, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let helpers = Helpers { folder: Some(folder.path().to_owned()), ..Helpers::new(timeout) };
        (helpers, folder)
    }

    #[tokio::test]
    async fn a_helper_is_asked_once_for_a_server() {
        let script = r#"echo "$1 $(cat)" >> "$0.log"; echo '{"ServerURL":"x","Username":"u","Secret":"p"}'"#;
        let (helpers, folder) = helper(script, Duration::from_secs(10));
        for _ in 0..2 {
            let found = helpers.get("test", "registry.example").await;
            let expected = Credential::Password { username: "u".into(), password: Secret::new("p".into()) };
            assert_eq!(found, Ok(Some(expected)));
        }
        let log = std::fs::read_to_string(folder.path().join("docker-credential-test.log")).expect("log");
        assert_eq!(log, "get registry.example\n");
    }

    #[tokio::test]
    async fn a_helper_may_give_an_identity_token_or_nothing() {
        let (helpers, _folder) = helper(r#"echo '{"Username":"<token>","Secret":"t"}'"#, Duration::from_secs(10));
        assert_eq!(helpers.get("test", "r").await, Ok(Some(Credential::Identity(Secret::new("t".into())))));
        let script = "echo credentials not found in native keychain; exit 1";
        let (helpers, _folder) = helper(script, Duration::from_secs(10));
        assert_eq!(helpers.get("test", "r").await, Ok(None));
    }

    #[tokio::test]
    async fn helpers_that_fail_are_named_and_what_they_print_is_not_repeated_where_it_may_be_secret() {
        for (script, milliseconds, reason) in [
            ("exec sleep 60", 200, "no answer within 200 ms"),
            ("echo locked keychain; exit 1", 10_000, "exit status: 1: locked keychain"),
            ("echo hunter2", 10_000, "the answer is not the JSON that helpers give"),
        ] {
            let (helpers, _folder) = helper(script, Duration::from_millis(milliseconds));
            let expected = format!("credential helper docker-credential-test: {reason}");
            assert_eq!(helpers.get("test", "r").await, Err(expected));
        }
        let (helpers, folder) = helper("", Duration::from_secs(10));
        drop(folder);
        let error = helpers.get("test", "r").await.expect_err("gone");
        assert!(error.starts_with("credential helper docker-credential-test: No such file"), "{error}");
    }

    #[test]
    fn helper_names_are_not_paths() {
        assert!(is_helper_name("ecr-login") && is_helper_name("osxkeychain"));
        for bad in ["", "../x", "a/b", "a b", "a\\b", "..", "a;b"] {
            assert!(!is_helper_name(bad), "{bad}");
        }
    }
}

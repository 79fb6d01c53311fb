//! Reading a configuration file: strict YAML, every problem at its place, relative paths made absolute.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_core::yaml::{Document, YamlError};
use bulla_records::limits::MIN_STORE_BYTES;

use crate::config::{Config, Tls};

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, when it came from one.
    pub file: Option<PathBuf>,
    /// Line, counted from 1; 0 when the file could not be read.
    pub line: usize,
    /// Column in characters, counted from 1; 0 when the file could not be read.
    pub column: usize,
    /// Path of the value, e.g. `webhook.tls`; empty for the whole file.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        match self.line {
            0 => f.write_str(" ")?,
            line => write!(f, "{line}:{}: ", self.column)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl From<YamlError> for ConfigError {
    fn from(error: YamlError) -> Self {
        let (line, column) = (error.place.line, error.place.column);
        Self { file: None, line, column, path: error.path, message: error.message }
    }
}

impl Config {
    /// Reads a configuration file; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file, for the first thing that is wrong.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let in_file = |error: ConfigError| ConfigError { file: Some(file.to_owned()), ..error };
        let text = fs::read_to_string(file).map_err(|error| {
            in_file(ConfigError { file: None, line: 0, column: 0, path: String::new(), message: error.to_string() })
        })?;
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self::read(&text, folder).map_err(in_file)
    }

    /// Reads a configuration. Relative paths in it are joined to `base_dir`. An empty text gives the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong with the text itself. What it names is looked at by
    /// [`check`](Self::check).
    pub fn read(text: &str, base_dir: &Path) -> Result<Self, ConfigError> {
        let documents = Document::read_all(text)?;
        let mut config = match documents.as_slice() {
            [] => Self::default(),
            [document] => {
                let config: Self = document.shape()?;
                if let Some((path, message)) = config.problems().into_iter().next() {
                    return Err(document.error(&path, message).into());
                }
                config
            }
            [_, second, ..] => return Err(second.error("", "one document is expected, here is a second one").into()),
        };
        config.base(base_dir);
        Ok(config)
    }

    /// What is wrong with the values, each with its path. Nothing outside is looked at.
    pub(crate) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Problems(Vec::new());
        problems.range("engine.instances", self.engine.instances as u64, 1, 4096);
        problems.range("reloadSeconds", self.reload_seconds, 1, 86_400);
        if let Some(records) = &self.records {
            problems.range("records.bytes", records.bytes, MIN_STORE_BYTES, u64::MAX);
            problems.range("records.days", records.days, 1, 3650);
        }
        if let Some(webhook) = &self.webhook {
            problems.range("webhook.deadlineMilliseconds", webhook.deadline_milliseconds, 500, 30_000);
            problems.range("webhook.parallelImages", webhook.parallel_images as u64, 1, 256);
            problems.range("webhook.reviews", webhook.reviews as u64, 1, 1024);
            problems.tls("webhook.tls", &webhook.tls);
        }
        if let Some(proxy) = &self.proxy {
            problems.range("proxy.deadlineMilliseconds", proxy.deadline_milliseconds, 500, 120_000);
            problems.range("proxy.permitSeconds", proxy.permit_seconds, 1, 31_536_000);
            problems.range("proxy.permits", proxy.permits, 1, 100_000_000);
            problems.range("proxy.pulls", proxy.pulls as u64, 1, 65_536);
            if proxy.upstream.is_empty() || proxy.upstream.contains(['/', '@', ' ', '?', '#']) {
                let message = format!(
                    "{:?} is not a registry: write its name as in image references, e.g. docker.io",
                    proxy.upstream
                );
                problems.add("proxy.upstream", message);
            }
            // The module normalises names, and a permit is for the name that it gives.
            if matches!(proxy.upstream.as_str(), "index.docker.io" | "registry-1.docker.io") {
                problems
                    .add("proxy.upstream", format!("{} is docker.io in image references: write that", proxy.upstream));
            }
            if let Some(tls) = &proxy.tls {
                problems.tls("proxy.tls", tls);
            }
        }
        if let Some(tls) = self.http.as_ref().and_then(|http| http.tls.as_ref()) {
            problems.tls("http.tls", tls);
        }
        problems.0.extend(self.page_problems());
        problems.0
    }

    fn base(&mut self, folder: &Path) {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        self.policies.iter_mut().for_each(join);
        join(&mut self.state_dir);
        self.records.iter_mut().for_each(|records| join(&mut records.folder));
        self.engine.cache_dir.iter_mut().for_each(join);
        join(&mut self.trust.state);
        self.trust.ca_file.iter_mut().for_each(join);
        let database = self.trust.database.iter_mut();
        let files = database.flat_map(|database| database.password_file.iter_mut().chain(&mut database.ca_file));
        files.for_each(join);
        self.registry.layouts.values_mut().for_each(join);
        self.registry.credential_files.iter_mut().flatten().for_each(join);
        self.registry.revocation.ca_file.iter_mut().for_each(join);
        self.registry.hosts.values_mut().filter_map(|host| host.ca_file.as_mut()).for_each(join);
        let tls = self.webhook.iter_mut().map(|webhook| &mut webhook.tls);
        let tls = tls.chain(self.proxy.iter_mut().filter_map(|proxy| proxy.tls.as_mut()));
        for tls in tls.chain(self.http.iter_mut().filter_map(|http| http.tls.as_mut())) {
            tls.cert_file.iter_mut().chain(&mut tls.key_file).for_each(join);
        }
    }
}

struct Problems(Vec<(String, String)>);

impl Problems {
    fn add(&mut self, path: &str, message: String) {
        self.0.push((path.to_owned(), message));
    }

    fn range(&mut self, path: &str, got: u64, from: u64, to: u64) {
        if !(from..=to).contains(&got) {
            self.add(path, format!("{got} is not within {from} to {to}"));
        }
    }

    fn tls(&mut self, path: &str, tls: &Tls) {
        match (&tls.cert_file, &tls.key_file, tls.self_signed) {
            (Some(_), Some(_), false) if !tls.names.is_empty() => {
                self.add(&format!("{path}.names"), "names belong to selfSigned; a file has its own".to_owned());
            }
            (Some(_), Some(_), false) | (None, None, true) => {}
            (None, None, false) => {
                self.add(path, "no certificate: give certFile and keyFile, or selfSigned: true".to_owned());
            }
            (_, _, true) => self.add(path, "either selfSigned, or certFile and keyFile".to_owned()),
            (_, None, _) => self.add(path, "certFile without keyFile".to_owned()),
            (None, _, _) => self.add(path, "keyFile without certFile".to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;

//! Everything that a start would do short of listening, with all problems at once: `serve --check`.

use bulla_engine::Engine;
use bulla_records::{Store, StoreError};
use bulla_registry::Sources;
use bulla_trust::Trust;

use crate::config::Config;
use crate::policies::Loaded;
use crate::tls::Certificate;

impl Config {
    /// Loads what a start would load: policies through the module, certificates, credentials and layouts, the folder for
    /// compiled code. A self-signed certificate that is not there yet is made.
    ///
    /// # Errors
    /// Every problem, one sentence each, with the key or the file that it is about.
    pub async fn check(&self, engine: &Engine) -> Result<Loaded, Vec<String>> {
        let mut problems: Vec<String> =
            self.problems().into_iter().map(|(path, message)| format!("{path}: {message}")).collect();
        if self.webhook.is_none() && self.proxy.is_none() && self.http.is_none() {
            problems.push("nothing to do: give at least one of webhook, proxy and http".to_owned());
        }
        if self.engine.cache_dir.is_some() {
            let warnings = &engine.started().warnings;
            problems.extend(warnings.iter().map(|warning| format!("engine.cacheDir: {warning}")));
        }
        if let Some(records) = &self.records {
            match Store::open(&records.folder, records.options()) {
                // By the services that run with this configuration now, mostly.
                Ok(_) | Err(StoreError::Locked { .. }) => {}
                Err(problem) => problems.push(format!("records.folder: {problem}")),
            }
        }
        match Sources::new(&self.registry) {
            Ok(sources) => {
                let trust = Trust::new(&self.registry, &self.trust, sources.stats().clone());
                problems.extend(trust.err().map(|problem| problem.to_string()));
            }
            Err(problem) => problems.push(format!("registry.{problem}")),
        }
        let proxy_tls = self.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref());
        let http_tls = self.http.as_ref().and_then(|http| http.tls.as_ref());
        let webhook_tls = self.webhook.as_ref().map(|webhook| &webhook.tls);
        let listeners = [("webhook", webhook_tls), ("proxy", proxy_tls), ("http", http_tls)];
        for (listener, tls) in listeners.into_iter().filter_map(|(listener, tls)| Some((listener, tls?))) {
            if let Err(problem) = Certificate::open(listener, tls, &self.state_dir) {
                problems.push(format!("{listener}.tls: {problem}"));
            }
        }
        match Loaded::load(engine, &self.policies).await {
            Ok(loaded) if problems.is_empty() => Ok(loaded),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.extend(problem.to_string().lines().map(|line| format!("policies: {line}")));
                Err(problems)
            }
        }
    }
}

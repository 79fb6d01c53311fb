//! Change while the services run: policies and certificates are looked at again and again, and at once on SIGHUP.
//!
//! What is invalid changes nothing: the old stays in force, the log says what is wrong, and a metric says that it is so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::decider::Decider;
use crate::policies::{PolicyError, PolicyFiles, read_blocking};
use crate::tls::Certificate;

/// Time between two readings that have to agree, so that a file is not taken while somebody writes it.
const SETTLE: Duration = Duration::from_millis(50);

/// A request to look now; answered when it was done.
pub(crate) type Look = oneshot::Sender<()>;

/// Looks at policies and certificates.
pub(crate) struct Reloader {
    pub(crate) decider: Arc<Decider>,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) certificates: Vec<Certificate>,
    /// What was refused last: said once, not every two seconds.
    pub(crate) refused: Option<String>,
}

impl Reloader {
    /// Looks every so often, and whenever it is asked to, until nobody can ask any more.
    pub(crate) async fn run(mut self, every: Duration, mut asked: mpsc::Receiver<Look>) {
        loop {
            let answer = tokio::select! {
                () = tokio::time::sleep(every) => None,
                asked = asked.recv() => match asked {
                    Some(answer) => Some(answer),
                    None => return,
                },
            };
            self.policies().await;
            self = match tokio::task::spawn_blocking(move || self.certificates()).await {
                Ok(this) => this,
                Err(problem) => {
                    error!(%problem, "policies and certificates are not looked at any more");
                    return;
                }
            };
            if let Some(answer) = answer {
                // Whoever asked may have gone.
                let _ = answer.send(());
            }
        }
    }

    async fn policies(&mut self) {
        let metrics = self.decider.metrics().clone();
        match self.settled().await {
            Ok(None) => {}
            Ok(Some(files)) if files.generation() == self.decider.loaded().generation() => {
                if self.refused.take().is_some() {
                    info!("the policy files are again those in force");
                }
                metrics.set_policies_invalid(false);
            }
            Ok(Some(files)) if self.refused.as_deref() == Some(files.generation()) => {}
            Ok(Some(files)) => {
                let generation = files.generation().clone();
                match files.validate(self.decider.engine()).await {
                    Ok(loaded) => {
                        info!(policies = %generation, count = loaded.count(), "new policies are in force");
                        self.decider.replace(loaded);
                        self.refused = None;
                        metrics.set_policies_invalid(false);
                    }
                    Err(problem @ PolicyError::Invalid { .. }) => self.refuse(generation.to_string(), &problem),
                    // Whether they are good is not known: the next look asks again.
                    Err(problem) => warn!(policies = %generation, %problem, "new policies are not in force yet"),
                }
            }
            Err(problem) => {
                let what = problem.to_string();
                if self.refused.as_ref() != Some(&what) {
                    self.refuse(what, &problem);
                }
            }
        }
    }

    fn refuse(&mut self, what: String, problem: &PolicyError) {
        let in_force = self.decider.loaded().generation().clone();
        error!(%problem, %in_force, "the policy files are invalid: the old policies stay in force");
        self.refused = Some(what);
        self.decider.metrics().set_policies_invalid(true);
    }

    /// The files, when two readings of something new agree.
    async fn settled(&self) -> Result<Option<PolicyFiles>, PolicyError> {
        let first = read_blocking(self.paths.clone()).await?;
        if first.generation() == self.decider.loaded().generation()
            || self.refused.as_deref() == Some(first.generation())
        {
            return Ok(Some(first));
        }
        tokio::time::sleep(SETTLE).await;
        let second = read_blocking(self.paths.clone()).await?;
        Ok((first == second).then_some(second))
    }

    fn certificates(mut self) -> Self {
        let mut invalid = false;
        for certificate in &mut self.certificates {
            match certificate.refresh() {
                Ok(true) => info!(listener = certificate.listener(), "a new certificate is in use"),
                Ok(false) => {}
                Err(problem) => {
                    invalid = true;
                    error!(listener = certificate.listener(), %problem, "the old certificate stays in use");
                }
            }
        }
        self.decider.metrics().set_certificates_invalid(invalid);
        self
    }
}

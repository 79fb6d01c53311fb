//! A line on the terminal for work that takes longer than a second.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// A line that shows itself after a second, where somebody can see it.
pub(crate) struct Progress {
    bar: ProgressBar,
    later: JoinHandle<()>,
}

impl Progress {
    /// Counts up to `length`; `words` say what is counted: `images decided`.
    pub(crate) fn after_a_second(length: usize, words: &str) -> Self {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{pos}} of {{len}} {words}, {{elapsed}}"))
        {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let later = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if std::io::stderr().is_terminal() {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(100));
            }
        });
        Self { bar, later }
    }

    /// One more is done.
    pub(crate) fn one(&self) {
        self.bar.inc(1);
    }

    /// Takes the line away.
    pub(crate) fn end(self) {
        self.later.abort();
        self.bar.finish_and_clear();
    }
}

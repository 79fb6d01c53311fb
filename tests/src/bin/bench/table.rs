//! The table: what was measured, how much, against what.

use core::fmt;
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Table {
    module: String,
    rows: Vec<[String; 4]>,
}

impl Table {
    pub(crate) fn module(&mut self, digest: &str) {
        digest.clone_into(&mut self.module);
    }

    pub(crate) fn row(&mut self, what: &str, measured: String, peer: &str, ratio: String) {
        eprintln!("  {what}: {measured} {ratio}");
        self.rows.push([what.to_owned(), measured, peer.to_owned(), ratio]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(out, "# Measured\n")?;
        writeln!(
            out,
            "Written by `cargo xtask bench --write` on {processors} processors, shared with whatever else ran; release build."
        )?;
        writeln!(out, "Medians unless said otherwise. Read the ratios: both sides of one are from the same run.\n")?;
        writeln!(out, "Module sha256:{}\n", self.module)?;
        writeln!(out, "| what | measured | against | ratio or goal |\n| --- | --- | --- | --- |")?;
        for [what, measured, peer, ratio] in &self.rows {
            writeln!(out, "| {what} | {measured} | {peer} | {ratio} |")?;
        }
        Ok(())
    }
}

/// The time of each of `runs` calls, sorted.
pub(crate) fn times(runs: usize, mut call: impl FnMut()) -> Vec<Duration> {
    for _ in 0..runs / 10 {
        call();
    }
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The value below which this share of the sorted times lies.
pub(crate) fn percentile(times: &[Duration], share: f64) -> Duration {
    let last = times.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = (last as f64 * share).round() as usize;
    times.get(place).copied().unwrap_or_default()
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    percentile(times, 0.5)
}

pub(crate) fn ratio(ours: Duration, theirs: Duration) -> String {
    format!("{:.1} ×", ours.as_secs_f64() / theirs.as_secs_f64().max(f64::MIN_POSITIVE))
}

pub(crate) fn show(time: Duration) -> String {
    match time.as_micros() {
        0..10 => format!("{:.2} µs", time.as_secs_f64() * 1e6),
        10..1000 => format!("{:.0} µs", time.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
    }
}

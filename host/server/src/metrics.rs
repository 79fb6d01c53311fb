//! What is counted, in OpenMetrics text (OpenMetrics 1.0).

use std::sync::atomic::{AtomicBool, Ordering};

use bulla_registry::RequestKind;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::decider::{Decided, Decider};

/// Bounds of the buckets for decisions, in seconds: a warm cache takes milliseconds, a slow registry takes its deadline.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Who asked for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// The admission webhook.
    Webhook,
    /// The enforcing proxy.
    Proxy,
}

impl Surface {
    /// The name used in logs and as a label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Proxy => "proxy",
        }
    }

    /// The same in a record.
    pub(crate) const fn recorded(self) -> bulla_records::Surface {
        match self {
            Self::Webhook => bulla_records::Surface::Webhook,
            Self::Proxy => bulla_records::Surface::Proxy,
        }
    }
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters and gauges of this process.
#[derive(Debug)]
pub struct Metrics {
    decisions: Family<Labels<2>, Counter>,
    durations: Family<Labels<1>, Histogram>,
    glass_broken: Counter,
    reviews: Family<Labels<1>, Counter>,
    pulls: Family<Labels<2>, Counter>,
    gateway: Family<Labels<2>, Counter>,
    policies_invalid: AtomicBool,
    certificates_invalid: AtomicBool,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            decisions: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            glass_broken: Counter::default(),
            reviews: Family::default(),
            pulls: Family::default(),
            gateway: Family::default(),
            policies_invalid: AtomicBool::new(false),
            certificates_invalid: AtomicBool::new(false),
        }
    }

    /// Counts a decision.
    pub fn decided(&self, surface: Surface, decided: &Decided) {
        let surface = ("surface", surface.name());
        self.decisions.get_or_create(&[surface, ("outcome", decided.outcome().name())]).inc();
        self.durations.get_or_create(&[surface]).observe(decided.took.as_secs_f64());
    }

    /// Counts an image that was accepted because somebody has broken a policy's glass.
    pub(crate) fn glass_broken(&self) {
        self.glass_broken.inc();
    }

    /// Counts a review: `allowed`, `denied`, `invalid`, `overload` or `failed`.
    pub(crate) fn reviewed(&self, result: &'static str) {
        self.reviews.get_or_create(&[("result", result)]).inc();
    }

    /// Counts an answer of the proxy: `manifest`, `blob` or `other`, and `served`, `denied`, `unavailable`, …
    pub(crate) fn pulled(&self, what: &'static str, result: &'static str) {
        self.pulls.get_or_create(&[("what", what), ("result", result)]).inc();
    }

    /// Counts a request of the page: `fetch` or `push`, and `served`, `unauthenticated`, `denied`, `limited`, …
    pub(crate) fn asked_for_page(&self, what: &'static str, result: &'static str) {
        self.gateway.get_or_create(&[("what", what), ("result", result)]).inc();
    }

    /// Whether the policy files that lie there now are invalid, and older ones are in force.
    pub fn policies_invalid(&self) -> bool {
        self.policies_invalid.load(Ordering::Relaxed)
    }

    pub(crate) fn set_policies_invalid(&self, invalid: bool) {
        self.policies_invalid.store(invalid, Ordering::Relaxed);
    }

    pub(crate) fn set_certificates_invalid(&self, invalid: bool) {
        self.certificates_invalid.store(invalid, Ordering::Relaxed);
    }

    /// Everything as OpenMetrics text.
    pub(crate) fn encode(&self, decider: &Decider) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("bulla");
        registry.register("decisions", "Decisions by surface and outcome", self.decisions.clone());
        registry.register_with_unit(
            "decision_duration",
            "Wall time of decisions",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "glass_broken",
            "Images accepted because somebody has broken a policy's glass",
            self.glass_broken.clone(),
        );
        registry.register("reviews", "Admission reviews by result", self.reviews.clone());
        registry.register("pulls", "Answers of the proxy by what was asked for and result", self.pulls.clone());
        registry.register("gateway_requests", "Requests of the page by kind and result", self.gateway.clone());
        self.state(&mut registry, decider);
        sources(&mut registry, decider);
        records(&mut registry, decider);
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }

    fn state(&self, registry: &mut Registry, decider: &Decider) {
        let (all, free) = decider.engine().places();
        let gauge = |value: usize| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register("sandboxes", "Sandboxes for decisions that can exist at once", gauge(all));
        registry.register("sandboxes_used", "Sandboxes for decisions that are in use", gauge(all.saturating_sub(free)));
        let digest = decider.engine().module_digest().to_owned();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        registry.register("module", "The module that decides", Info::new([("sha256", digest), ("version", version)]));

        let loaded = decider.loaded();
        let generation = Info::new([("generation", loaded.generation().to_string())]);
        registry.register("policies_generation", "The policies in force", generation);
        registry.register("policies", "Policies in force", gauge(loaded.count()));
        let at = ConstGauge::new(loaded.at());
        registry.register_with_unit("policies_loaded_time", "When these policies were loaded", Unit::Seconds, at);
        let flag = |flag: &AtomicBool| gauge(usize::from(flag.load(Ordering::Relaxed)));
        registry.register(
            "policies_invalid",
            "1 while the policy files are invalid and older policies are in force",
            flag(&self.policies_invalid),
        );
        registry.register(
            "certificates_invalid",
            "1 while certificate files are invalid and an older certificate is in use",
            flag(&self.certificates_invalid),
        );
    }
}

fn sources(registry: &mut Registry, decider: &Decider) {
    let stats = decider.sources().stats().snapshot();
    let requests: Family<Labels<1>, Counter> = Family::default();
    for kind in RequestKind::ALL {
        requests.get_or_create(&[("kind", kind.name())]).inc_by(stats.of(kind));
    }
    registry.register("registry_requests", "HTTP requests sent to registries, by kind", requests);
    let bytes = ConstCounter::new(stats.bytes_received);
    registry.register_with_unit("registry_received", "Bodies received from registries", Unit::Bytes, bytes);
    registry.register("registry_cache_hits", "Needs answered without a request", ConstCounter::new(stats.cache_hits));
    registry.register(
        "registry_retries",
        "Requests to registries that were repeated",
        ConstCounter::new(stats.retries),
    );
}

fn records(registry: &mut Registry, decider: &Decider) {
    let Some(recorder) = decider.recorder() else { return };
    let stats = recorder.store().stats();
    registry.register("records", "Records of decisions written", ConstCounter::new(stats.records));
    let octets = ConstCounter::new(stats.octets);
    registry.register_with_unit("records_written", "Records written, and what they brought", Unit::Bytes, octets);
    let failures = ConstCounter::new(stats.failures);
    registry.register("records_failures", "Records that were not written, flushes that failed", failures);
    let size = ConstGauge::new(i64::try_from(stats.size).unwrap_or(i64::MAX));
    registry.register_with_unit("records_kept", "All records after the last collection", Unit::Bytes, size);
}

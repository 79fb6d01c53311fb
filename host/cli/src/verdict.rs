//! Showing verdicts to people: the outcome first, then the tree of reasons with a mark at each part.

use std::fmt::Write as _;

use bulla_server::{Decided, Outcome};
use serde_json::Value;

use crate::output::Exit;

/// A verdict as text: `reject  host/app:1@sha256:…` and what led to it, indented.
pub(crate) fn text(decided: &Decided) -> String {
    let verdict = &decided.verdict;
    let mut out = format!("{}  {}\n", decided.outcome().name(), name(decided));
    let policies = list(verdict, "policies");
    for policy in policies {
        let mode = match string(policy, "mode") {
            Some("enforce") | None => String::new(),
            Some(mode) => format!(" (mode {mode}: does not decide)"),
        };
        let tree = policy.get("tree").unwrap_or(&Value::Null);
        line(&mut out, 1, &format!("{} policy {}{mode}", mark(tree), string(policy, "policy").unwrap_or("?")));
        node(&mut out, 2, tree);
    }
    for reason in list(verdict, "reasons") {
        line(&mut out, 1, &format!("{} {}", mark(verdict), string(reason, "message").unwrap_or("?")));
    }
    // Without policies and reasons, as when no sandbox could be had, the summary is all there is.
    if policies.is_empty() && list(verdict, "reasons").is_empty() {
        line(&mut out, 1, &format!("{} {}", mark(verdict), decided.summary()));
    }
    for form in list(verdict, "otherForms") {
        let count = form.get("count").and_then(Value::as_u64).unwrap_or_default();
        let form = string(form, "form").unwrap_or("?");
        line(&mut out, 1, &format!("· found, not read: {count} × {form}"));
    }
    out
}

/// The exit code for several verdicts: a rejection is the firmest thing that can be said, then what is unknown.
pub(crate) fn exit<'d>(decisions: impl IntoIterator<Item = &'d Decided>) -> Exit {
    let mut exit = Exit::Done;
    for decided in decisions {
        exit = match (decided.outcome(), exit) {
            (Outcome::Reject, _) | (_, Exit::Rejected) => Exit::Rejected,
            (Outcome::Unknown, _) | (_, Exit::Failed) => Exit::Failed,
            (Outcome::Accept, Exit::Done) => Exit::Done,
        };
    }
    exit
}

/// The image with the digest that was decided about, where that was settled.
pub(crate) fn name(decided: &Decided) -> &str {
    decided.pinned().or_else(|| string(&decided.verdict, "image")).unwrap_or("?")
}

fn node(out: &mut String, depth: usize, tree: &Value) {
    let mut words = format!("{} {}", mark(tree), string(tree, "rule").unwrap_or("?"));
    if let Some(key) = string(tree, "key") {
        let _ = write!(words, "  {key}");
    }
    if let Some(place) = tree.get("signature") {
        let _ = write!(words, "  {}", self::place(place));
    }
    if let Some(digest) = string(tree, "digest") {
        let _ = write!(words, "  {digest}");
    }
    line(out, depth, &words);
    if let Some(exempted) = string(tree, "exempted") {
        line(out, depth.saturating_add(2), exempted);
    }
    for reason in list(tree, "reasons") {
        line(out, depth.saturating_add(2), string(reason, "message").unwrap_or("?"));
    }
    for part in list(tree, "of") {
        node(out, depth.saturating_add(1), part);
    }
}

/// A place as the module's reasons name it, with the manifest that leads there.
pub(crate) fn place(place: &Value) -> String {
    let holder = match string(place, "holder") {
        Some("bundle") => "bundle",
        Some("attestation") => "attestation",
        Some("ociSignature") => "OCI 1.1 signature",
        _ => "signature",
    };
    let number = place.get("number").and_then(Value::as_u64).unwrap_or_default();
    let manifest = string(place, "manifest").map(|manifest| format!("  {manifest}")).unwrap_or_default();
    format!("{holder} {number}{manifest}")
}

fn mark(value: &Value) -> &'static str {
    match string(value, "outcome") {
        Some("accept") => "✓",
        Some("reject") => "✗",
        _ => "?",
    }
}

/// Adds a line at this depth.
pub(crate) fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth.saturating_mul(2));
}

/// The items of a member that is a list.
pub(crate) fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A member that is a text.
pub(crate) fn string<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

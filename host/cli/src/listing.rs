//! Showing to people what lies there for an image: one block for each signature or attestation, and what is not known.

use bulla_server::Decided;
use serde_json::{Value, json};

use crate::verdict::{self, line, list, string};

/// What was given to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: nothing is verified.
    Nothing,
    /// Public keys.
    Keys,
    /// Policies.
    Policies,
}

/// What was found for one image, and the verdict where something was given to judge by.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// The module's listing.
    pub(crate) listing: Value,
    /// What `verify` would say.
    pub(crate) decided: Option<Decided>,
}

impl Inspected {
    /// Whether everything could be fetched and read.
    pub(crate) fn is_complete(&self) -> bool {
        self.listing.get("complete").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// A listing for when the module gave none.
pub(crate) fn failed(image: &str, reason: &str) -> Value {
    json!({
        "image": image,
        "digest": null,
        "pinned": null,
        "signatureRepository": null,
        "contents": null,
        "entries": [],
        "unread": [],
        "gaps": [{"code": "failed", "message": reason}],
        "complete": false,
    })
}

/// The listing with the verdict, for programs.
pub(crate) fn json(inspected: &Inspected) -> Value {
    let mut value = inspected.listing.clone();
    if let (Some(decided), Some(fields)) = (&inspected.decided, value.as_object_mut()) {
        fields.insert("verdict".to_owned(), decided.verdict.clone());
    }
    value
}

/// All listings as text. `keys` is how many were given.
pub(crate) fn text(all: &[Inspected], trust: Trust, keys: usize) -> String {
    let mut out: String = all.iter().map(|one| block(one, trust, keys) + "\n").collect();
    line(
        &mut out,
        0,
        match trust {
            Trust::Nothing => "Listing is not trust: nothing was verified. --key or --policy say who made what.",
            Trust::Keys | Trust::Policies => {
                "Listing is not trust: `claims` are anybody's words. `made by` names whose signature holds."
            }
        },
    );
    out
}

fn block(one: &Inspected, trust: Trust, keys: usize) -> String {
    let listing = &one.listing;
    let name = string(listing, "pinned").or_else(|| string(listing, "image")).unwrap_or("?");
    let contents = listing.get("contents").unwrap_or(&Value::Null);
    let leaves = list(contents, "leaves");
    let what = match string(contents, "kind") {
        Some("index") => format!("  index of {}", leaves.len()),
        Some(kind) => format!("  {kind}"),
        None => String::new(),
    };
    let mut out = format!("inspect  {name}{what}\n");
    for leaf in leaves {
        let platform = string(leaf, "platform").unwrap_or("?");
        let digest = string(leaf, "digest").or_else(|| string(leaf, "defect")).unwrap_or("?");
        line(&mut out, 1, &format!("leaf {platform}  {digest}"));
    }
    let entries = list(listing, "entries");
    for shown in entries {
        entry(&mut out, shown, string(listing, "digest").unwrap_or("?"), keys);
    }
    let notation = list(listing, "notation");
    for shown in notation {
        envelope(&mut out, shown);
    }
    let gaps = list(listing, "gaps");
    let is_empty = |gap: &&Value| matches!(string(gap, "code"), Some("not-signed" | "not-attested" | "no-signatures"));
    if entries.is_empty() && notation.is_empty() && gaps.iter().all(|gap| is_empty(&gap)) {
        line(&mut out, 1, "no signature or attestation that this version reads");
    }
    let unread: Vec<String> = list(listing, "unread")
        .iter()
        .map(|form| format!("{} × {}", number(form, "count"), string(form, "form").unwrap_or("?")))
        .collect();
    if !unread.is_empty() {
        line(&mut out, 1, &format!("not read: {}", unread.join(", ")));
    }
    for gap in gaps.iter().filter(|gap| !is_empty(gap)) {
        line(&mut out, 1, &format!("not known: {}", string(gap, "message").unwrap_or("?")));
    }
    if let Some(decided) = &one.decided {
        let who = if trust == Trust::Policies { "policy" } else { "verify" };
        line(&mut out, 1, &format!("{who} would: {}", decided.outcome().name()));
        for because in verdict::text(decided).lines().skip(1) {
            line(&mut out, 1, because);
        }
    }
    out
}

fn entry(out: &mut String, entry: &Value, digest: &str, keys: usize) {
    let place = entry.get("place").unwrap_or(&Value::Null);
    let claim = entry.get("claim").filter(|claim| !claim.is_null());
    let mut title = verdict::place(place);
    // A tag says what lies under it; a bundle can be either.
    if string(place, "holder") == Some("bundle") {
        title.push_str(&format!("  {}", string(entry, "kind").unwrap_or("signature or attestation")));
    }
    let predicate_type = claim.and_then(|claim| string(claim, "predicateType"));
    let hint = string(entry, "annotatedAs");
    if let Some(predicate_type) = predicate_type.filter(|_| string(place, "holder").is_some_and(has_types)) {
        title.push_str(&format!("  {predicate_type}"));
    }
    line(out, 1, &title);
    if let Some(hint) = hint.filter(|_| hint != predicate_type) {
        line(out, 2, &format!("annotated as {hint}, which nobody signed"));
    }
    if let Some(claim) = claim {
        line(out, 2, &format!("claims   {}", claimed(claim, digest)));
    }
    line(out, 2, &format!("made by  {}", makers(entry, keys)));
    if let Some(defect) = entry.get("defect").and_then(|defect| string(defect, "message")) {
        line(out, 2, &format!("defect   {defect}"));
    }
}

/// One of Notation's signatures.
fn envelope(out: &mut String, entry: &Value) {
    line(out, 1, &verdict::place(entry.get("place").unwrap_or(&Value::Null)));
    if let Some(claim) = entry.get("claim").filter(|claim| !claim.is_null()) {
        let about = match entry.get("aboutImage").and_then(Value::as_bool) {
            Some(true) => "this digest",
            _ => claim.pointer("/target/digest").and_then(Value::as_str).unwrap_or("?"),
        };
        let (format, algorithm) = (string(claim, "format").unwrap_or("?"), string(claim, "algorithm").unwrap_or("?"));
        line(out, 2, &format!("claims   {about}, {format} {algorithm}"));
        for (number, certificate) in list(claim, "certificates").iter().enumerate() {
            let role = if number == 0 { "by     " } else { "under  " };
            let (subject, thumbprint) = (string(certificate, "subject"), string(certificate, "thumbprint"));
            line(out, 2, &format!("{role}  {} ({})", subject.unwrap_or("?"), thumbprint.unwrap_or("?")));
        }
    }
    if let Some(defect) = entry.get("defect").and_then(|defect| string(defect, "message")) {
        line(out, 2, &format!("defect   {defect}"));
    }
}

/// Whether what lies there is of many types; a legacy signature is of one.
fn has_types(holder: &str) -> bool {
    matches!(holder, "bundle" | "attestation")
}

fn claimed(claim: &Value, digest: &str) -> String {
    let count = number(claim, "digestCount");
    let first = list(claim, "digests").first().and_then(Value::as_str);
    let mut text = match (claim.get("aboutImage").and_then(Value::as_bool), first) {
        (Some(true), _) => format!("{digest} (this image)"),
        (_, Some(other)) => format!("{other} (not this image)"),
        (_, None) => "no digest that can be compared".to_owned(),
    };
    if count > 1 {
        text.push_str(&format!(" and {} more", count.saturating_sub(1)));
    }
    if let Some(identity) = string(claim, "identity") {
        text.push_str(&format!("  identity {identity}"));
    }
    let annotations: Vec<String> = claim
        .get("annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("?")))
        .collect();
    let all = usize::try_from(number(claim, "annotationCount")).unwrap_or(usize::MAX);
    match (annotations.len(), all.saturating_sub(annotations.len())) {
        (0, 0) => {}
        (0, left_out) => text.push_str(&format!("  {left_out} annotations, too many to show")),
        (_, 0) => text.push_str(&format!("  annotations {}", annotations.join(", "))),
        (_, left_out) => text.push_str(&format!("  annotations {} and {left_out} more", annotations.join(", "))),
    }
    text
}

fn makers(entry: &Value, keys: usize) -> String {
    let unchecked = number(entry, "uncheckedKeys");
    let certificate = entry.get("certificate").and_then(Value::as_bool) == Some(true);
    let mut text = match entry.get("madeBy").and_then(Value::as_array) {
        None if keys == 0 => "unknown: no keys given".to_owned(),
        None if unchecked > 0 => "unknown: not checked".to_owned(),
        None => "unknown: there is nothing to check".to_owned(),
        Some(makers) if makers.is_empty() => match keys {
            1 => "not the given key".to_owned(),
            keys => format!("none of the {keys} given keys"),
        },
        Some(makers) => {
            let shown = makers.iter().map(|maker| {
                format!("{} ({})", string(maker, "name").unwrap_or("?"), string(maker, "key").unwrap_or("?"))
            });
            shown.collect::<Vec<_>>().join(", ")
        }
    };
    if unchecked > 0 {
        text.push_str(&format!("; {unchecked} of the keys were not checked"));
    }
    if certificate {
        text.push_str("; it came with a certificate, so no long-lived key is expected");
    }
    text
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}

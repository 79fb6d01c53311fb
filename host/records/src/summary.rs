//! A record as a SLSA verification summary (slsa.dev/spec/v1.1/verification_summary).

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::record::Outcome;
use crate::whole::Whole;

/// The predicate type of the statement.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// What a summary says that is not in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryOptions {
    /// A URI for who verified (`verifier.id`). Whoever reads summaries trusts pairs of signer and verifier.
    pub verifier: String,
    /// A URI for the policies (`policy.uri`). Default: `urn:bulla:policies:` and the digest of their list.
    pub policy_uri: Option<String>,
    /// What the image was verified as (`resourceUri`). Default: its package URL.
    pub resource_uri: Option<String>,
}

/// The predicate, and what the statement is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The digest of the image, the statement's subject: `sha256:…`.
    pub subject: String,
    /// The image pinned to that digest.
    pub image: String,
    /// The predicate.
    pub predicate: Value,
}

/// Why a record has no summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSummary {
    /// Neither passed nor failed.
    #[error("the verdict is unknown: a verification summary says PASSED or FAILED")]
    Unknown,
    /// No policy enforces.
    #[error("no policy that enforces matched this image: there is no result to sum up")]
    NotEnforced,
    /// Nothing that a statement could be about.
    #[error("the image's digest was not settled: a verification summary is about a digest")]
    NoDigest,
}

/// Makes the predicate. It says less than the record: the signers and reasons are in the verdict.
///
/// # Errors
/// [`NoSummary`].
pub fn summary(whole: &Whole, options: &SummaryOptions) -> Result<Summary, NoSummary> {
    let record = &whole.record;
    let answer: Value = whole.verdict.as_deref().and_then(|it| serde_json::from_slice(it).ok()).unwrap_or_default();
    let said = |field: &str| answer.pointer(&format!("/ok/verdict/{field}"));
    // Bulla looks at no build, so an accept says nothing about a level of the build track.
    let (result, level) = match record.verdict.outcome {
        Outcome::Unknown => return Err(NoSummary::Unknown),
        Outcome::Accept => ("PASSED", "SLSA_BUILD_LEVEL_0"),
        Outcome::Reject => ("FAILED", "FAILED"),
    };
    if said("enforced").and_then(Value::as_bool) == Some(false) {
        return Err(NoSummary::NotEnforced);
    }
    let text = |field: &str| said(field).and_then(Value::as_str);
    let (Some(repository), Some(subject)) = (text("repository"), text("digest")) else {
        return Err(NoSummary::NoDigest);
    };
    let policies = record.policies.digest;
    let policy_uri = options.policy_uri.clone().unwrap_or_else(|| format!("urn:bulla:policies:{policies}"));
    let resource_uri = options.resource_uri.clone().unwrap_or_else(|| package_url(repository, subject));
    let inputs: Vec<Value> = whole
        .evidence
        .iter()
        .filter_map(|(entry, _)| Some((entry, entry.content()?)))
        .map(|(entry, content)| {
            // The id of a need is its kind and where it was fetched.
            let place = entry.need.split_once(' ').map_or(entry.need.as_str(), |(_, place)| place);
            json!({"uri": format!("oci://{}", escaped(place)), "digest": digests(&content)})
        })
        .collect();
    let predicate = json!({
        "verifier": {"id": options.verifier},
        "timeVerified": timestamp(record.now()),
        "resourceUri": resource_uri,
        "policy": {"uri": policy_uri, "digest": digests(&policies)},
        "inputAttestations": inputs,
        "verificationResult": result,
        "verifiedLevels": [level],
        "slsaVersion": "1.1",
        "urn:bulla:record": whole.id,
        "urn:bulla:module": record.module,
    });
    Ok(Summary { subject: subject.to_owned(), image: format!("{repository}@{subject}"), predicate })
}

fn digests(digest: &Digest) -> Value {
    json!({"sha256": digest.hex()})
}

/// `pkg:oci/<last part>@<digest>?repository_url=<repository>` (package-url/purl-spec, type `oci`).
fn package_url(repository: &str, digest: &str) -> String {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    format!("pkg:oci/{}@{}?repository_url={}", escaped(name), digest.replace(':', "%3A"), escaped(repository))
}

/// Percent-encoded but for what may stand in the path of a URI (RFC 3986, section 3.3), and `%` itself.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' => {
                out.push(char::from(octet));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Seconds since 1970 as RFC 3339 writes them.
fn timestamp(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is a year's last.
    let days = days.saturating_add(719_468);
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year.saturating_add(era.saturating_mul(400)).saturating_add(i64::from(month <= 2));
    format!("{year:04}-{month:02}-{of_month:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::{package_url, timestamp};

    #[test]
    fn times_are_as_in_rfc_3339() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(seconds), want);
        }
    }

    #[test]
    fn images_have_package_urls() {
        let url = package_url("localhost:5000/team/app", "sha256:00");
        assert_eq!(url, "pkg:oci/app@sha256%3A00?repository_url=localhost:5000/team/app");
    }
}

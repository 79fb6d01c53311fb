//! A push plan, carried out as `bulla sign` carries it out, with the user's own credentials (docs/abi.md, section "Signing").

use std::time::Duration;

use bulla_abi::Message;
use bulla_registry::{Added, Addition, Client, Credential, Digest, PlanHeader, PushPlan, RegistryError, UnderTag};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use super::refusal::Refusal;
use super::{Done, Gateway, login};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    plan: PlanHeader,
}

impl Gateway {
    /// Pushes, and logs who did.
    pub(super) async fn push(
        &self,
        user: &str,
        body: &[u8],
        login: Option<Credential>,
        within: Duration,
    ) -> Result<Done, Refusal> {
        let plan = read(body)?;
        self.places.check(&plan.registry, &plan.repository)?;
        let place = format!("{}/{}", plan.registry, plan.repository);
        if self.decider.sources().layout(&plan.registry, &plan.repository).is_some() {
            return Err(Refusal::Layout { place });
        }
        let addition = check(&plan)?;
        let (digest, with_login) = (Digest::sha256(&plan.manifest), login.is_some());
        let client = login::client(self.decider.sources().client(), &plan.registry, login);
        info!(target: "bulla::push", user, place, reference = plan.reference, %digest, with_login, "pushing");
        let pushing = tokio::time::timeout(within, carry_out(&client, &plan, &addition)).await;
        match pushing.unwrap_or(Err(Refusal::Late { within })) {
            Ok(Added { writes, conflicts }) => {
                info!(target: "bulla::push", user, place, reference = plan.reference, %digest, writes, conflicts, "pushed");
                let answer = json!({"ok": {"registry": plan.registry, "repository": plan.repository,
                    "reference": plan.reference, "digest": digest.as_str(), "writes": writes, "conflicts": conflicts}});
                let body = Bytes::from(answer.to_string());
                Ok(Done { body, media_type: "application/json", count: plan.blobs.len() })
            }
            Err(problem) => {
                let why = problem.message();
                warn!(target: "bulla::push", user, place, reference = plan.reference, %digest, why, "not pushed");
                Err(problem)
            }
        }
    }
}

fn read(body: &[u8]) -> Result<PushPlan, Refusal> {
    let unreadable = |reason: String| Refusal::Unreadable { reason };
    let message = Message::decode(body).map_err(|error| unreadable(error.to_string()))?;
    let request: Request = serde_json::from_slice(&message.header).map_err(|error| unreadable(error.to_string()))?;
    request.plan.with(message.blobs).map_err(|error| unreadable(error.to_string()))
}

/// What must hold before anything is sent: each digest is that of its bytes, and nothing but signatures is named. A tag that
/// people use for images is never written.
fn check(plan: &PushPlan) -> Result<Addition, Refusal> {
    let addition = plan.addition().map_err(|error| Refusal::Plan { reason: error.to_string() })?;
    for (digest, bytes) in &addition.blobs {
        same(digest, bytes)?;
    }
    match &plan.tag {
        Some(tag) if *tag != plan.reference => {
            let reason = format!("the reference {:?} is not the tag {tag:?}", plan.reference);
            Err(Refusal::Plan { reason })
        }
        Some(tag) if !is_signature_tag(tag) => Err(Refusal::ImageTag { tag: tag.clone() }),
        Some(tag) => signatures(&plan.manifest).map(|_| addition).ok_or_else(|| Refusal::Plan {
            reason: format!("what is to be pushed under {tag} is not a manifest with layers"),
        }),
        None => {
            let digest = Digest::parse(&plan.reference).map_err(|error| Refusal::Plan { reason: error.to_string() })?;
            same(&digest, &plan.manifest)?;
            let document: Option<Value> = serde_json::from_slice(&plan.manifest).ok();
            let subject = document.as_ref().and_then(|document| document.pointer("/subject/digest")?.as_str());
            if subject.is_none() || subject != plan.subject.as_deref() {
                let named = |subject: Option<&str>| subject.unwrap_or("nothing").to_owned();
                let (got, planned) = (named(subject), named(plan.subject.as_deref()));
                let reason = format!("the manifest refers to {got}, the plan says {planned}");
                return Err(Refusal::Plan { reason });
            }
            Ok(addition)
        }
    }
}

fn same(named: &Digest, bytes: &[u8]) -> Result<(), Refusal> {
    let got = named.recompute(bytes);
    if got == *named {
        return Ok(());
    }
    Err(Refusal::Plan { reason: format!("what is named {named} has the digest {got}") })
}

/// Whether a tag is one that signatures of a digest are kept under: `sha256-<hex>.<suffix>` (cosign, SIGNATURE_SPEC.md,
/// section "Tag-based object discovery").
fn is_signature_tag(tag: &str) -> bool {
    tag.split_once('.').is_some_and(|(digest, suffix)| {
        Digest::parse(&digest.replacen('-', ":", 1)).is_ok()
            && !suffix.is_empty()
            && suffix.bytes().all(|byte| byte.is_ascii_lowercase())
    })
}

async fn carry_out(client: &Client, plan: &PushPlan, addition: &Addition) -> Result<Added, Refusal> {
    let (registry, repository) = (&plan.registry, &plan.repository);
    let Some(tag) = &plan.tag else {
        return Ok(client.refer(registry, repository, &plan.reference, addition).await?);
    };
    let merge = async |under: UnderTag<'_>| merged(tag, under.now, addition);
    client.add_to_tag(registry, repository, tag, merge).await
}

/// What to write over what lies under the tag now: nothing where the plan's layers are there, the plan where it keeps
/// everything that is there. Else it was made from something older, and only its maker can make another: the module merges.
fn merged(tag: &str, now: Option<&Bytes>, addition: &Addition) -> Result<Option<Addition>, Refusal> {
    let Some(now) = now else { return Ok(Some(addition.clone())) };
    let occupied = || Refusal::Occupied { tag: tag.to_owned() };
    let (there, there_besides) = signatures(now).ok_or_else(occupied)?;
    let (ours, ours_besides) = signatures(&addition.manifest).ok_or_else(occupied)?;
    if ours.iter().all(|layer| there.contains(layer)) {
        return Ok(None);
    }
    let keeps = |(name, value): (&String, &Value)| ours_besides.get(name) == Some(value);
    if there.iter().all(|layer| ours.contains(layer)) && there_besides.iter().all(keeps) {
        return Ok(Some(addition.clone()));
    }
    Err(Refusal::Changed { tag: tag.to_owned(), there: Digest::sha256(now).to_string() })
}

/// The layers of a signature image, of which each is a signature, and what else its manifest says. The config follows from
/// the layers.
fn signatures(manifest: &[u8]) -> Option<(Vec<Value>, Map<String, Value>)> {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(manifest) else { return None };
    let Some(Value::Array(layers)) = members.remove("layers") else { return None };
    members.remove("config");
    (!layers.is_empty()).then_some((layers, members))
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let reason = error.to_string();
        match error {
            RegistryError::Authentication { .. } | RegistryError::Status { status: 401 | 403, .. } => {
                Self::Denied { reason }
            }
            RegistryError::Replaced { .. } => Self::Replaced { reason },
            _ => Self::Registry { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use bulla_registry::Addition;
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{is_signature_tag, merged};

    fn manifest(layers: &[&str], besides: &str) -> Bytes {
        let layers: Vec<_> = layers.iter().map(|name| json!({"digest": "same", "annotations": {"by": name}})).collect();
        json!({"layers": layers, "config": {"size": layers.len()}, "annotations": besides}).to_string().into()
    }

    #[test]
    fn nothing_that_lies_there_is_lost() {
        let addition = Addition { manifest: manifest(&["a", "b"], ""), media_type: "m/t".into(), blobs: Vec::new() };
        for (now, want) in [
            (None, "written"),
            (Some(manifest(&["a"], "")), "written"),
            (Some(manifest(&["b"], "")), "written"),
            (Some(manifest(&["b", "a"], "")), "there"),
            (Some(manifest(&["c", "b", "a"], "x")), "there"),
            (Some(manifest(&["a", "c"], "")), "changed"),
            (Some(manifest(&["a"], "x")), "changed"),
            (Some(Bytes::from(json!({"manifests": []}).to_string())), "occupied"),
            (Some(Bytes::from_static(b"nonsense")), "occupied"),
        ] {
            let got = match merged("t", now.as_ref(), &addition) {
                Ok(Some(_)) => "written",
                Ok(None) => "there",
                Err(refusal) => refusal.code(),
            };
            assert_eq!(got, want, "{now:?}");
        }
        assert!(serde_json::from_slice::<Value>(&addition.manifest).is_ok());
    }

    #[test]
    fn tags_of_images_are_not_tags_of_signatures() {
        let hex = "a".repeat(64);
        assert!(is_signature_tag(&format!("sha256-{hex}.sig")) && is_signature_tag(&format!("sha256-{hex}.att")));
        for tag in [
            "latest".to_owned(),
            "v1.0".to_owned(),
            format!("sha256-{hex}"),
            format!("sha256-{hex}."),
            format!("{hex}.sig"),
        ] {
            assert!(!is_signature_tag(&tag), "{tag}");
        }
    }
}

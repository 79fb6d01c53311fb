//! From needs to evidence (docs/abi.md, section "Needs and evidence"): what is named, from where it is allowed, as it came.

use std::collections::BTreeSet;
use std::time::Instant;

use bulla_abi::{Message, Need, NeedKind, Outcome};
use bulla_engine::{Answered, BoxFuture, Fetched, Source, answer_all};
use bulla_registry::{Client, Credential, Sources};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::refusal::Refusal;
use super::{Done, Gateway, MESSAGE, login};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    needs: Vec<Need>,
}

impl Gateway {
    /// Answers each need with evidence, in one message for `supply`.
    pub(super) async fn fetch(
        &self,
        body: &[u8],
        login: Option<Credential>,
        deadline: Instant,
    ) -> Result<Done, Refusal> {
        let request = serde_json::from_slice(body).map_err(|error| Refusal::Unreadable { reason: error.to_string() });
        let Request { needs } = request?;
        self.check(&needs)?;
        let sources = self.decider.sources();
        let reader = Reader { sources, client: reading(sources.client(), &needs, login)? };
        let answered = within(&needs, &reader, self.config.answer_bytes, deadline).await;
        let count = answered.len();
        let body = framed(answered).map_err(|reason| Refusal::Stopped { reason })?;
        Ok(Done { body, media_type: MESSAGE, count })
    }

    fn check(&self, needs: &[Need]) -> Result<(), Refusal> {
        let limit = self.config.needs;
        if needs.len() > limit {
            return Err(Refusal::TooManyNeeds { got: needs.len(), limit });
        }
        let mut ids = BTreeSet::new();
        for need in needs {
            if !ids.insert(&need.id) {
                return Err(Refusal::Twice { id: need.id.clone() });
            }
            if is_read(need.kind) {
                self.places.check(&need.registry, &need.repository)?;
            }
        }
        Ok(())
    }
}

/// Whether needs of this kind are read here. Others name addresses that no list here allows.
fn is_read(kind: NeedKind) -> bool {
    matches!(kind, NeedKind::Resolve | NeedKind::Manifest | NeedKind::Referrers | NeedKind::Blob)
}

/// With whose credentials is read: the user's, for one registry, where he sent some; else this host's.
fn reading(host: &Client, needs: &[Need], login: Option<Credential>) -> Result<Client, Refusal> {
    let Some(login) = login else { return Ok(host.clone()) };
    let mut registries = needs.iter().filter(|need| is_read(need.kind)).map(|need| need.registry.as_str());
    let first = registries.next().unwrap_or_default();
    match registries.find(|registry| *registry != first) {
        Some(second) => Err(Refusal::TwoRegistries { first: first.to_owned(), second: second.to_owned() }),
        None => Ok(login::client(host, first, Some(login))),
    }
}

/// Reads past the evidence cache: what a user may see is no other user's, and who signs has to see what lies there now.
struct Reader<'g> {
    sources: &'g Sources,
    client: Client,
}

impl Source for Reader<'_> {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        if !is_read(need.kind) {
            let reason = format!("{}: this gateway does not fetch {:?}", need.registry, need.kind);
            return Box::pin(async move { Fetched::Failed { reason } });
        }
        match self.sources.layout(&need.registry, &need.repository) {
            Some(layout) => layout.fetch(need, deadline),
            None => self.client.fetch(need, deadline),
        }
    }
}

/// Answers all needs, as many at a time as surely fit into what is left of the answer's octets.
async fn within(needs: &[Need], source: &dyn Source, most: u64, deadline: Instant) -> Vec<Answered> {
    let (mut rest, mut left, mut all) = (needs, most, Vec::with_capacity(needs.len()));
    while !rest.is_empty() {
        let mut sum = 0u64;
        let fits = |need: &&Need| {
            sum = sum.saturating_add(need.limit);
            sum <= left
        };
        let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        // One whose own limit does not fit may be smaller than that.
        let now: Vec<Need> = now.iter().map(|need| Need { limit: need.limit.min(left), ..need.clone() }).collect();
        for ((mut evidence, bytes), need) in answer_all(&now, source, deadline).await.into_iter().zip(rest) {
            left = left.saturating_sub(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64));
            // To the module "too large" means its own limit, and it draws conclusions from that.
            if let Outcome::TooLarge { got } = evidence.outcome
                && got <= need.limit
            {
                let reason = format!(
                    "{}: {got} octets, and the gateway gives {most} in one answer: ask for less at a time",
                    need.registry
                );
                evidence.outcome = Outcome::Failed { reason };
            }
            all.push((evidence, bytes));
        }
        rest = later;
    }
    all
}

/// One message: `{"evidence": […]}` and the blobs that it names.
fn framed(answered: Vec<Answered>) -> Result<Bytes, String> {
    let mut message = Message::default();
    let mut evidence = Vec::with_capacity(answered.len());
    for (mut piece, bytes) in answered {
        if let (Outcome::Found { blob, .. }, Some(bytes)) = (&mut piece.outcome, bytes) {
            *blob = message.push(bytes.into());
        }
        evidence.push(piece);
    }
    message.header = serde_json::to_vec(&json!({"evidence": evidence})).map_err(|error| error.to_string())?;
    message.encode().map(Bytes::from).map_err(|error| error.to_string())
}

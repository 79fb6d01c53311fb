//! Signing for Notation: what the module is asked, and the timestamping authority (Notary Project,
//! signing-and-verification-workflow.md, "Signing Steps").

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use bulla_engine::Engine;
use bulla_engine::abi::Operation;
use bulla_registry::{Client, Digest, PlanHeader, PushPlan};
use bulla_server::PolicyFiles;
use clap::ValueEnum;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::certificate::{Chain, public_key};
use crate::plan::Request;
use crate::policies;
use crate::signer::Signer;

/// What a signature says made it: shown, never trusted.
const AGENT: &str = concat!("bulla/", env!("CARGO_PKG_VERSION"));
/// Octets of entropy in a question for a timestamp. 16: nobody guesses it, and every authority takes as many.
const NONCE: usize = 16;
/// A manifest for the question whether anything can be signed at all.
const ANY: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

/// The two envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Envelope {
    /// JSON, which every verifier reads
    Jws,
    /// COSE, which is smaller
    Cose,
}

/// How images are signed.
#[derive(Debug)]
pub(crate) struct Notation {
    pub(crate) envelope: Envelope,
    pub(crate) chain: Chain,
    /// Unix time.
    pub(crate) now: i64,
    /// Unix time.
    pub(crate) expiry: Option<i64>,
    pub(crate) timestamps: Option<Timestamps>,
    /// Whether verifiers have to call Bulla as their plugin.
    pub(crate) plugin: bool,
}

/// Who states when a signature was made.
#[derive(Debug)]
pub(crate) struct Timestamps {
    /// What has given the address, for errors.
    pub(crate) option: &'static str,
    pub(crate) url: String,
    /// The authorities that are trusted for it, PEM.
    pub(crate) roots: String,
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'s> {
    Image {
        /// By digest.
        image: &'s str,
        manifest: &'s [u8],
        media_type: Option<&'s str>,
    },
    /// A payload that somebody else wrote, as it is.
    Payload(&'s [u8]),
}

/// Bytes that were prepared for a signer.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) payload: Vec<u8>,
    protected: Vec<u8>,
    /// What is signed.
    pub(crate) message: Vec<u8>,
    /// What trust policies call the certificate.
    identity: String,
}

#[derive(Deserialize)]
struct PayloadAnswer {
    payload: usize,
    protected: usize,
    message: usize,
    identity: String,
}

#[derive(Deserialize)]
struct EnvelopeAnswer {
    envelope: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimestampAnswer {
    timestamp_request: usize,
}

impl Notation {
    /// A policy for every image that exactly this certificate must have signed, with this metadata: what reads a signature
    /// back. What cannot be said of any image is refused here.
    ///
    /// # Errors
    /// When the certificates are those of another key, or the module does not take what is to be said.
    pub(crate) async fn policy(
        &self,
        engine: &Engine,
        signer: &Signer,
        metadata: &BTreeMap<String, String>,
    ) -> Result<PolicyFiles> {
        self.chain.belongs_to(&public_key(&signer.public)?)?;
        let image = format!("registry.invalid/any@{}", Digest::sha256(ANY));
        let any = Subject::Image { image: &image, manifest: ANY, media_type: None };
        let identity = self.prepare(engine, any, metadata).await?.identity;
        // Revocation is for those who verify later: whoever signs knows his own key's standing.
        let mut trusted = json!({
            "trustStores": {"ca": [self.chain.root_pem()?]},
            "trustedIdentities": [identity],
            "level": "strict",
            "override": {"revocation": "skip"},
            "metadata": metadata,
        });
        if let Some(timestamps) = &self.timestamps {
            trusted["trustStores"]["tsa"] = json!([timestamps.roots]);
            trusted["verifyTimestamp"] = "always".into();
        }
        Ok(policies::for_notation(&trusted))
    }

    /// The bytes that a signer of this image has to sign.
    ///
    /// # Errors
    /// When a verifier would refuse what is to be said.
    pub(crate) async fn prepare(
        &self,
        engine: &Engine,
        subject: Subject<'_>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Payload> {
        let (mut request, mut how) = self.request(subject)?;
        if !metadata.is_empty() {
            request.header.insert("annotations".to_owned(), json!(metadata));
        }
        how.insert("now".to_owned(), self.now.into());
        how.insert("plugin".to_owned(), self.plugin.into());
        how.extend(self.expiry.map(|expiry| ("expiry".to_owned(), expiry.into())));
        request.header.insert("notation".to_owned(), how.into());
        let (answer, blobs): (PayloadAnswer, _) = request.ask(engine, Operation::Prepare).await?;
        let blob =
            |index: usize| blobs.get(index).cloned().ok_or_else(|| anyhow!("the module prepared nothing to sign"));
        Ok(Payload {
            payload: blob(answer.payload)?,
            protected: blob(answer.protected)?,
            message: blob(answer.message)?,
            identity: answer.identity,
        })
    }

    /// Signs what was prepared: the octets of the signature as envelopes have them.
    ///
    /// # Errors
    /// When the key does not sign.
    pub(crate) async fn sign(&self, engine: &Engine, signer: &Signer, payload: &Payload) -> Result<Vec<u8>> {
        signer.sign(engine, &payload.message).await
    }

    /// Checks a signature of an image, has it timestamped where that is wanted, and plans what is pushed.
    ///
    /// # Errors
    /// When the signature does not hold, or the authority gives no timestamp that does.
    pub(crate) async fn assemble(
        &self,
        engine: &Engine,
        client: &Client,
        subject: Subject<'_>,
        payload: &Payload,
        signature: &[u8],
    ) -> Result<PushPlan> {
        let (answer, blobs): (PlanHeader, _) = self.assembled(engine, client, subject, payload, signature).await?;
        Ok(answer.with(blobs)?)
    }

    /// The same for a payload that somebody else wrote: the envelope.
    ///
    /// # Errors
    /// As [`assemble`](Self::assemble).
    pub(crate) async fn envelope(
        &self,
        engine: &Engine,
        client: &Client,
        payload: &Payload,
        signature: &[u8],
    ) -> Result<Vec<u8>> {
        let subject = Subject::Payload(&payload.payload);
        let (answer, blobs): (EnvelopeAnswer, _) = self.assembled(engine, client, subject, payload, signature).await?;
        blobs.into_iter().nth(answer.envelope).ok_or_else(|| anyhow!("the module gave no envelope"))
    }

    async fn assembled<T: DeserializeOwned>(
        &self,
        engine: &Engine,
        client: &Client,
        subject: Subject<'_>,
        payload: &Payload,
        signature: &[u8],
    ) -> Result<(T, Vec<Vec<u8>>)> {
        let Some(timestamps) = &self.timestamps else {
            return self.assembling(subject, payload, signature, None)?.ask(engine, Operation::Assemble).await;
        };
        let mut nonce = [0; NONCE];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| anyhow!("the system gives no random numbers"))?;
        let stamp = |response| Some(Stamp { nonce: &nonce, roots: &timestamps.roots, response });
        let request = self.assembling(subject, payload, signature, stamp(None))?;
        let (answer, mut blobs): (TimestampAnswer, _) = request.ask(engine, Operation::Assemble).await?;
        let question = match blobs.get_mut(answer.timestamp_request) {
            Some(question) => std::mem::take(question),
            None => return Err(anyhow!("the module asks no timestamping authority")),
        };
        let url = &timestamps.url;
        let named = || format!("{} {url}", timestamps.option);
        let response = client.timestamp(url, question.into()).await.with_context(named)?;
        let request = self.assembling(subject, payload, signature, stamp(Some(&response)))?;
        request.ask(engine, Operation::Assemble).await.with_context(named)
    }

    fn assembling(
        &self,
        subject: Subject<'_>,
        payload: &Payload,
        signature: &[u8],
        stamp: Option<Stamp<'_>>,
    ) -> Result<Request> {
        let (mut request, mut how) = self.request(subject)?;
        if matches!(subject, Subject::Image { .. }) {
            request.add("payload", Some(&payload.payload));
        }
        request.add("signature", Some(signature));
        how.insert("protected".to_owned(), request.blob(&payload.protected).into());
        how.insert("agent".to_owned(), AGENT.into());
        if let Some(stamp) = stamp {
            let (nonce, roots) = (request.blob(stamp.nonce), request.blob(stamp.roots.as_bytes()));
            let mut fields = json!({"nonce": nonce, "roots": roots});
            if let Some(response) = stamp.response {
                fields["response"] = request.blob(response).into();
            }
            how.insert("timestamp".to_owned(), fields);
        }
        request.header.insert("notation".to_owned(), how.into());
        Ok(request)
    }

    /// What both operations want: the image, the envelope and the certificates.
    fn request(&self, subject: Subject<'_>) -> Result<(Request, Map<String, Value>)> {
        let mut request = Request::new(json!({"form": "notation"}));
        match subject {
            Subject::Image { image, manifest, media_type } => {
                request.header.insert("image".to_owned(), image.into());
                request.add("manifest", Some(manifest));
                request.header.extend(media_type.map(|media_type| ("mediaType".to_owned(), media_type.into())));
            }
            Subject::Payload(payload) => request.add("payload", Some(payload)),
        }
        let envelope = match self.envelope {
            Envelope::Jws => "jws",
            Envelope::Cose => "cose",
        };
        let chain = request.blob(self.chain.to_pem()?.as_bytes());
        let how = [("envelope".to_owned(), envelope.into()), ("chain".to_owned(), chain.into())];
        Ok((request, how.into_iter().collect()))
    }
}

/// A timestamp that is to be asked for, or that was.
struct Stamp<'s> {
    nonce: &'s [u8],
    roots: &'s str,
    response: Option<&'s [u8]>,
}

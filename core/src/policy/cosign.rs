//! A signer by a pinned key, as cosign signs: the forms and the place in which its signatures count, and what must hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mirror::{Mirror, MirrorDocument};
use super::validity::{Validity, ValidityDocument};
use crate::cosign::form::Form;
use crate::key::{Fingerprint, PublicKey};
use crate::limits::MAX_ANNOTATIONS;
use crate::ordered::sorted;
use crate::reference::Repository;
use crate::yaml::{Document, YamlError};

/// Somebody with a key that was pinned.
#[derive(Debug, Clone)]
pub struct CosignSigner {
    /// The pinned key.
    pub key: PublicKey,
    /// How the signed identity is compared with the image asked about.
    pub identity: IdentityRule,
    /// Annotations that must have been signed with exactly these values.
    pub annotations: BTreeMap<String, String>,
    /// The forms that count, in the order in which they are looked for.
    pub forms: Vec<Form>,
    /// Where signatures lie when they do not lie beside the image (cosign's `COSIGN_REPOSITORY`).
    pub signature_repository: Option<Repository>,
    /// Repositories whose images may bear the identity of those that they were copied from.
    pub mirrors: Vec<Mirror>,
    /// When it counts.
    pub validity: Validity,
}

/// How the identity in a signature is compared with the image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityRule {
    /// An identity that the signature states names the same repository; a tag in it is ignored. Bundles that cosign writes
    /// state none.
    #[default]
    Repository,
    /// The signature states an identity, and it names the same repository and, when the image is asked for by tag, the
    /// same tag.
    Exact,
    /// Not compared: a signature made for one repository counts in every other. Cosign itself compares nothing.
    AnyUnsafe,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CosignDocument {
    public_key: String,
    #[serde(default)]
    fingerprint: Option<Fingerprint>,
    #[serde(default)]
    identity: IdentityRule,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    forms: Option<Vec<Form>>,
    #[serde(default)]
    signature_repository: Option<String>,
    #[serde(default)]
    mirrors: Vec<MirrorDocument>,
    #[serde(default)]
    not_before: Option<String>,
    #[serde(default)]
    not_after: Option<String>,
    #[serde(default)]
    revoked_since: Option<String>,
}

impl CosignSigner {
    /// Reads the signer at this path of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read(source: CosignDocument, path: &str, document: &Document) -> Result<Self, YamlError> {
        let error = |field: &str, message: String| document.error(&format!("{path}.{field}"), message);
        let key = PublicKey::parse(source.public_key.as_bytes())
            .map_err(|problem| error("publicKey", problem.to_string()))?;
        if let Some(pinned) = source.fingerprint
            && pinned != key.fingerprint()
        {
            let message = format!("the key has fingerprint {}, and {pinned} is pinned", key.fingerprint());
            return Err(error("fingerprint", message));
        }
        if source.annotations.len() > MAX_ANNOTATIONS {
            return Err(error("annotations", format!("more than {MAX_ANNOTATIONS} annotations")));
        }
        let forms = match source.forms {
            None => vec![Form::Bundle, Form::Legacy],
            Some(forms) if forms.is_empty() => {
                return Err(error("forms", "no form would count: leave it out for all of them".to_owned()));
            }
            Some(forms) => forms,
        };
        if forms.iter().enumerate().any(|(index, form)| forms.iter().skip(index.saturating_add(1)).any(|it| it == form))
        {
            return Err(error("forms", "a form is listed twice".to_owned()));
        }
        let signature_repository = match source.signature_repository {
            None => None,
            Some(text) => {
                Some(Repository::parse(&text).map_err(|problem| error("signatureRepository", problem.to_string()))?)
            }
        };
        let mirrors = Mirror::read_all(&source.mirrors, &format!("{path}.mirrors"), document)?;
        if source.identity == IdentityRule::AnyUnsafe && !mirrors.is_empty() {
            return Err(error("mirrors", "anyUnsafe compares no identity: leave one of the two out".to_owned()));
        }
        let bounds = ValidityDocument {
            not_before: source.not_before,
            not_after: source.not_after,
            revoked_since: source.revoked_since,
        };
        Ok(Self {
            key,
            identity: source.identity,
            annotations: source.annotations,
            forms,
            signature_repository,
            mirrors,
            validity: Validity::read(&bounds, path, document)?,
        })
    }
    /// Whether an image of one repository may bear the identity of the other: they are the same, or a mirror says so.
    pub fn may_bear(&self, image: &Repository, identity: &Repository) -> bool {
        image == identity || self.mirrors.iter().any(|mirror| mirror.source_of(image).as_ref() == Some(identity))
    }

    /// What it asks for, to tell two signers apart. When they count makes no difference.
    pub(super) fn asks(&self) -> impl Ord + '_ {
        let forms = sorted(&self.forms, |one, other| one < other);
        let mirrors = sorted(&self.mirrors, |one, other| one < other);
        (self.key.fingerprint(), self.identity, &self.annotations, forms, &self.signature_repository, mirrors)
    }
}

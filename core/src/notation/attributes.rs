//! Signed attributes, common to both envelopes (Notary Project signature specification, "Signed Attributes"; signing-scheme.md).

use serde::{Deserialize, Serialize};

use crate::notation::payload;
use crate::text::excerpt;
use crate::time::UnixTime;

pub(super) const SIGNING_SCHEME: &str = "io.cncf.notary.signingScheme";
pub(super) const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
pub(super) const AUTHENTIC_SIGNING_TIME: &str = "io.cncf.notary.authenticSigningTime";
pub(super) const EXPIRY: &str = "io.cncf.notary.expiry";
pub(super) const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
pub(super) const PLUGIN_VERSION: &str = "io.cncf.notary.verificationPluginMinVersion";
pub(super) const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";
pub(super) const SIGNING_AGENT: &str = "io.cncf.notary.signingAgent";

/// The verification plugin that this is: whoever asks for it asks for the checks that are made here (docs/signers.md).
pub const OWN_PLUGIN: &str = "bulla";

/// Names that are not extended attributes, in whatever case.
const KNOWN: [&str; 9] =
    ["alg", "cty", "crit", SIGNING_SCHEME, SIGNING_TIME, AUTHENTIC_SIGNING_TIME, EXPIRY, PLUGIN, PLUGIN_VERSION];

/// Whose word the signing time is (signing-scheme.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scheme {
    /// The signer's own.
    #[serde(rename = "notary.x509")]
    X509,
    /// That of a signing authority, which is trusted for it.
    #[serde(rename = "notary.x509.signingAuthority")]
    SigningAuthority,
}

impl Scheme {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X509 => "notary.x509",
            Self::SigningAuthority => "notary.x509.signingAuthority",
        }
    }
}

/// The attributes of one signature, held against the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Whose word the signing time is.
    pub scheme: Scheme,
    /// When it was signed. Claimed under [`Scheme::X509`].
    pub signing_time: UnixTime,
    /// From when on it does not count any more.
    pub expiry: Option<UnixTime>,
    /// Whether it asks for the verification plugin [`OWN_PLUGIN`].
    pub plugin: bool,
}

/// The protected header as it was read.
#[derive(Debug, Default)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) critical: Vec<String>,
    pub(super) scheme: Option<String>,
    pub(super) signing_time: Option<UnixTime>,
    pub(super) authentic_signing_time: Option<UnixTime>,
    pub(super) expiry: Option<UnixTime>,
    pub(super) plugin: Option<String>,
    pub(super) plugin_version: Option<String>,
    /// Every other name.
    pub(super) extended: Vec<String>,
}

/// Why a protected header is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributesError {
    /// A member that is needed and not there.
    #[error("the protected header has no {0}")]
    Missing(&'static str),
    /// Another payload.
    #[error("payload content type {0:?}, expected {expected:?}", expected = payload::MEDIA_TYPE)]
    ContentType(String),
    /// An unknown signing scheme.
    #[error("signing scheme {0:?}, expected notary.x509 or notary.x509.signingAuthority")]
    Scheme(String),
    /// An attribute that the signing scheme does not have.
    #[error("{name} must not be there under the signing scheme {}", .scheme.name())]
    OfAnotherScheme {
        /// The attribute.
        name: &'static str,
        /// The scheme.
        scheme: Scheme,
    },
    /// No `crit`, or an empty one.
    #[error("the protected header has no critical attributes: {SIGNING_SCHEME} has to be one")]
    NoCritical,
    /// An attribute that has to be critical.
    #[error("{0} is not listed as critical")]
    NotCritical(&'static str),
    /// One name twice in `crit`.
    #[error("{0:?} is listed as critical twice")]
    CriticalTwice(String),
    /// An attribute in `crit` that is not there, or that is never critical.
    #[error("{0:?} is listed as critical, and is not there or never critical")]
    NeverCritical(String),
    /// A critical attribute that nobody here understands.
    #[error("critical attribute {0:?} is not understood")]
    UnknownCritical(String),
    /// A name that other readers take for a known one.
    #[error("attribute {0:?} differs from a known one by its case only")]
    Spelling(String),
    /// A signature that only another plugin can verify.
    #[error("the signature asks for the verification plugin {0:?}, and here is only {OWN_PLUGIN:?}")]
    Plugin(String),
    /// A signature for a later version of this plugin, or one that is no version.
    #[error("the signature asks for version {0:?} of the verification plugin, and here is {here}", here = env!("CARGO_PKG_VERSION"))]
    PluginVersion(String),
    /// It expires before it was made.
    #[error("expiry {expiry} is not after the signing time {signing_time}")]
    Expiry {
        /// When it was signed.
        signing_time: UnixTime,
        /// When it expires.
        expiry: UnixTime,
    },
}

impl Headers {
    /// Holds the header against the specification.
    ///
    /// # Errors
    /// [`AttributesError`], one variant for each rule.
    pub(super) fn inspect(self) -> Result<Attributes, AttributesError> {
        let content_type = self.content_type.ok_or(AttributesError::Missing("content type"))?;
        if content_type != payload::MEDIA_TYPE {
            return Err(AttributesError::ContentType(excerpt(&content_type)));
        }
        if let Some(name) = self.extended.iter().find(|name| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name)))
        {
            return Err(AttributesError::Spelling(excerpt(name)));
        }
        let scheme = match self.scheme.as_deref() {
            Some("notary.x509") => Scheme::X509,
            Some("notary.x509.signingAuthority") => Scheme::SigningAuthority,
            Some(other) => return Err(AttributesError::Scheme(excerpt(other))),
            None => return Err(AttributesError::Missing(SIGNING_SCHEME)),
        };
        let mut must = vec![SIGNING_SCHEME];
        let (signing_time, needed, other, other_name) = match scheme {
            Scheme::X509 => (self.signing_time, SIGNING_TIME, self.authentic_signing_time, AUTHENTIC_SIGNING_TIME),
            Scheme::SigningAuthority => {
                must.push(AUTHENTIC_SIGNING_TIME);
                (self.authentic_signing_time, AUTHENTIC_SIGNING_TIME, self.signing_time, SIGNING_TIME)
            }
        };
        if other.is_some() {
            return Err(AttributesError::OfAnotherScheme { name: other_name, scheme });
        }
        let signing_time = signing_time.ok_or(AttributesError::Missing(needed))?;
        must.extend(self.expiry.map(|_| EXPIRY));
        let plugin = self.plugin.is_some();
        must.extend(check_plugin(self.plugin, self.plugin_version)?);
        check_critical(&self.critical, &must, &self.extended)?;
        match self.expiry {
            Some(expiry) if expiry <= signing_time => Err(AttributesError::Expiry { signing_time, expiry }),
            expiry => Ok(Attributes { scheme, signing_time, expiry, plugin }),
        }
    }
}

/// The attributes about the plugin that then have to be critical: nothing but its own name in a version that is there.
fn check_plugin(name: Option<String>, version: Option<String>) -> Result<Vec<&'static str>, AttributesError> {
    match (name, version) {
        (None, None) => Ok(Vec::new()),
        (None, Some(_)) => Err(AttributesError::Missing(PLUGIN)),
        (Some(name), _) if name != OWN_PLUGIN => Err(AttributesError::Plugin(excerpt(&name))),
        (Some(_), None) => Ok(vec![PLUGIN]),
        (Some(_), Some(version)) => match numbers(&version) {
            Some(wanted) if numbers(env!("CARGO_PKG_VERSION")).is_some_and(|here| wanted <= here) => {
                Ok(vec![PLUGIN, PLUGIN_VERSION])
            }
            _ => Err(AttributesError::PluginVersion(excerpt(&version))),
        },
    }
}

/// The three numbers of a version (Semantic Versioning 2.0.0, section 2); nothing for one with more behind them.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_short = text == "0" || !text.starts_with('0');
        if is_number && is_short { text.parse().ok() } else { None }
    };
    let parts = version.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    parts.try_into().ok()
}

fn check_critical(listed: &[String], must: &[&'static str], extended: &[String]) -> Result<(), AttributesError> {
    if listed.is_empty() {
        return Err(AttributesError::NoCritical);
    }
    for (index, name) in listed.iter().enumerate() {
        if listed.iter().take(index).any(|earlier| earlier == name) {
            return Err(AttributesError::CriticalTwice(excerpt(name)));
        }
        if extended.contains(name) {
            return Err(AttributesError::UnknownCritical(excerpt(name)));
        }
        if !must.contains(&name.as_str()) {
            return Err(AttributesError::NeverCritical(excerpt(name)));
        }
    }
    match must.iter().find(|name| !listed.iter().any(|listed| listed == *name)) {
        None => Ok(()),
        Some(name) => Err(AttributesError::NotCritical(name)),
    }
}

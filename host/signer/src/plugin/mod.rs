//! A key that a program signs with: sigstore's key plugin protocol, version 1 (sigstore,
//! `pkg/signature/kms/cliplugin/README.md`), as far as signing needs it.

mod lookup;
mod process;
mod protocol;

use core::time::Duration;
use std::path::PathBuf;

use crate::error::{FormError, PluginError, PluginFailure};
use crate::options::SignerOptions;
use crate::public_key::{Kind, PublicKey};
use crate::reference::PluginReference;
use crate::scheme::{Hash, Scheme};
use crate::signature;
use crate::text::tame;

use process::Finished;
use protocol::{Answer, Method, VERSION};

/// A program that was found and has told its public key.
pub(crate) struct Plugin {
    caller: Caller,
    key: PublicKey,
    pem: String,
}

/// What every call needs.
struct Caller {
    path: PathBuf,
    reference: PluginReference,
    timeout: Duration,
    /// What is signed; SHA-256 until the key is known.
    hash: Hash,
}

impl Plugin {
    /// Looks the program up and asks it for the public key.
    ///
    /// # Errors
    /// When there is no such program, or it gives no public key that Bulla uses.
    pub(crate) fn open(reference: &PluginReference, options: &SignerOptions) -> Result<Self, PluginError> {
        let program = reference.program();
        let path = lookup::look_up(&program, (options.environment)("PATH"))
            .map_err(|relative| PluginError::Missing { program, scheme: reference.scheme().to_owned(), relative })?;
        let (timeout, hash) = (options.program_timeout, Hash::Sha256);
        let mut caller = Caller { path, reference: reference.clone(), timeout, hash };
        let (key, pem, hash) = caller.call(Method::PublicKey, &[], |answer| {
            let key = PublicKey::from_pem(&answer.public_key_pem()?)?;
            if options.scheme == Scheme::Notation && matches!(key.kind, Kind::Rsa(_)) {
                return Err(FormError::NoPss.into());
            }
            let (pem, hash) = (key.to_pem()?, options.scheme.hash(key.kind)?);
            Ok((key, pem, hash))
        })?;
        caller.hash = hash;
        Ok(Self { caller, key, pem })
    }

    pub(crate) fn public_key_pem(&self) -> &str {
        &self.pem
    }

    /// Has the program sign. It gets the message itself and the name of the hash, which an Ed25519 key has no use for.
    ///
    /// # Errors
    /// When it does not answer, or with something that cannot be a signature by this key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PluginError> {
        self.caller.call(Method::SignMessage, message, |answer| {
            let signature = answer.signature()?;
            signature::check(self.key.kind, &signature)?;
            Ok(signature)
        })
    }

    pub(crate) fn describe(&self) -> String {
        let Caller { path, reference, .. } = &self.caller;
        format!("key \"{}\" of {} ({})", tame(reference.key()), reference.program(), tame(&path.to_string_lossy()))
    }
}

/// Why an answer is none: as JSON, or by what is in it.
enum Unusable {
    Answer(String),
    Form(FormError),
}

impl From<FormError> for Unusable {
    fn from(error: FormError) -> Self {
        Self::Form(error)
    }
}

impl Caller {
    fn call<T>(
        &self,
        method: Method,
        input: &[u8],
        read: impl FnOnce(Answer) -> Result<T, Unusable>,
    ) -> Result<T, PluginError> {
        let failed = |failure, said| {
            let program = self.reference.program();
            PluginError::Call { program, method: method.name(), failure, said }
        };
        let deadline = protocol::deadline(self.timeout);
        let arguments = [VERSION, &protocol::arguments(method, self.reference.key(), self.hash, &deadline)];
        let Finished { status, output, said } = process::run(&self.path, &arguments, input, self.timeout)
            .map_err(|(failure, said)| failed(failure, said))?;
        let unusable = |reason| PluginFailure::Answer { reason, status: status.to_string() };
        let answer = match Answer::parse(&output) {
            Ok(answer) => answer,
            Err(reason) => return Err(failed(unusable(reason), said)),
        };
        // The protocol gives exit codes no meaning: what counts is the answer.
        if let Some(message) = answer.error_message() {
            return Err(failed(PluginFailure::Refused(message), said));
        }
        read(answer).map_err(|error| match error {
            Unusable::Answer(reason) => failed(unusable(reason), said),
            Unusable::Form(error) => failed(PluginFailure::Form(error), said),
        })
    }
}

#[cfg(all(test, unix))]
mod tests;

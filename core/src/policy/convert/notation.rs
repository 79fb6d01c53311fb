//! Notation's trust policy for artifacts in registries (trust-store-trust-policy.md, version 1.0), said as policies of ours.

use serde_json::Value;

use super::File;
use super::containers_policy;
use super::fields::Log;
use super::write::{Draft, Images, NotationSigner, Require, Signer, Signers, free};
use crate::notation::trust_policy::{Document, DocumentKind, Requirement, Scopes, Statement, StoreFilesError};
use crate::notation::{StoreKind, TrustStores};
use crate::reference::Repository;
use crate::text::excerpt;
use crate::x509::Certificate;

const SKIP: &str = "skip admits unsigned images, which ours never do; leave the statement out";
const REST: &str = "\"*\" cannot stand beside other scopes: it leaves them out there, and everyImage has no `except`; name the \
     repositories as scopes";

/// Reads the whole document: one policy for each statement. The certificates of a trust store are files whose path ends with
/// `x509/KIND/STORE/FILE`, as they lie in Notation's folder. Where images are named, only what is said about them is read.
pub(super) fn read(value: &Value, files: &[File<'_>], images: Option<&[Repository]>, log: &mut Log) -> Vec<Draft> {
    if let Some(path) = blob_statement(value) {
        log.refuse(path, "it is about blobs: only the trust policy for artifacts in registries can be said");
        return Vec::new();
    }
    let document = match Document::read(value, DocumentKind::Oci) {
        Ok(document) => document,
        Err(errors) => {
            errors.into_iter().for_each(|error| log.refuse(error.path, error.rule.to_string()));
            return Vec::new();
        }
    };
    let only = document.statements.len() == 1;
    let mut drafts: Vec<Draft> = Vec::new();
    for (index, statement) in document.statements.iter().enumerate() {
        let path = format!("trustPolicies[{index}]");
        let about = match images {
            None if statement.scopes == Scopes::Rest && !only => {
                log.refuse(format!("{path}.registryScopes"), REST);
                Images::Every
            }
            None => about(statement),
            Some(images) => {
                let is_this = |image: &&Repository| document.for_repository(image) == Some(statement);
                let images: Vec<String> = images.iter().filter(is_this).map(Repository::to_string).collect();
                if images.is_empty() {
                    continue;
                }
                Images::Patterns { images, except: Vec::new() }
            }
        };
        let Some(requirement) = &statement.requirement else {
            log.refuse(format!("{path}.signatureVerification.level"), SKIP);
            continue;
        };
        let stores = read_stores(requirement, &path, files, log);
        let name = free(&plain(&statement.name), |name| drafts.iter().any(|draft| draft.name == name));
        drafts.push(draft(name, about, statement, requirement, &stores));
    }
    log.note("Whatever no statement is about is rejected, there as here.");
    drafts
}

/// Where a statement is about blobs.
fn blob_statement(value: &Value) -> Option<String> {
    let statements = value.get("trustPolicies")?.as_array()?;
    let index = statements.iter().position(|statement| statement.get("globalPolicy").is_some())?;
    Some(format!("trustPolicies[{index}].globalPolicy"))
}

fn read_stores(requirement: &Requirement, path: &str, files: &[File<'_>], log: &mut Log) -> TrustStores {
    let (stores, errors) = requirement.read_stores(files);
    for (index, error) in errors {
        let path = format!("{path}.trustStores[{index}]");
        match error {
            StoreFilesError::Empty(folder) => log.missing(path, &folder),
            error => log.refuse(path, error.to_string()),
        }
    }
    stores
}

fn about(statement: &Statement) -> Images {
    match &statement.scopes {
        Scopes::Rest | Scopes::Named => Images::Every,
        Scopes::Repositories(scopes) => {
            Images::Patterns { images: scopes.iter().map(Repository::to_string).collect(), except: Vec::new() }
        }
    }
}

fn draft(
    name: String,
    images: Images,
    statement: &Statement,
    requirement: &Requirement,
    stores: &TrustStores,
) -> Draft {
    let pems = |kind| stores.get(kind).iter().map(Certificate::to_pem).collect();
    let signer = Signer::Notation(Box::new(NotationSigner {
        ca: pems(StoreKind::Ca),
        signing_authority: pems(StoreKind::SigningAuthority),
        tsa: pems(StoreKind::Tsa),
        identities: requirement.identity_texts.clone(),
        level: requirement.name,
        overrides: requirement.overrides.clone(),
        verify_timestamp: requirement.verify_timestamp,
    }));
    let mut signers = Signers::default();
    let require = Require::Signer(signers.name("notation", signer));
    let notes =
        vec![format!("Converted from the statement {:?} of a trust policy of Notation.", excerpt(&statement.name))];
    Draft { name, mode: None, images, signers, attestations: Vec::new(), leaves: false, require, notes }
}

/// The statement's name as `metadata.name` has it.
fn plain(text: &str) -> String {
    let plain = containers_policy::plain(text);
    if plain.is_empty() { "policy".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::File;
    use super::super::fields::Log;
    use super::read;
    use crate::notation::level::{Action, Kind};
    use crate::notation::{StoreKind, VerifyTimestamp};
    use crate::policy::NotationSigner;
    use crate::reference::Repository;
    use crate::yaml::Document;

    const ROOT: &[u8] = include_bytes!("../../../testdata/notation/root.pem");
    const TSA: &[u8] = include_bytes!("../../../testdata/notation/tsa-root.pem");

    fn policy() -> Value {
        json!({"version": "1.0", "trustPolicies": [{
            "name": "Wabbit Networks",
            "registryScopes": ["registry.example/software/net-monitor"],
            "signatureVerification": {
                "level": "permissive", "override": {"expiry": "enforce"}, "verifyTimestamp": "afterCertExpiry"
            },
            "trustStores": ["ca:acme", "tsa:clock"],
            "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Bulla Test"]
        }]})
    }

    fn files() -> Vec<File<'static>> {
        let folder = "notation/truststore/x509";
        vec![
            (format!("{folder}/ca/acme/root.crt"), ROOT),
            (format!("{folder}/tsa/clock/root.pem"), TSA),
            (format!("{folder}/ca/acme/below/other.crt"), b"not read"),
            (format!("{folder}/ca/other/other.crt"), b"not read"),
        ]
    }

    fn refused(policy: &Value, files: &[File<'_>]) -> Vec<String> {
        let mut log = Log::default();
        read(policy, files, None, &mut log);
        log.into_parts().0.into_iter().map(|refused| refused.path).collect()
    }

    #[test]
    fn a_statement_becomes_a_policy_that_trusts_the_same() {
        let mut log = Log::default();
        let drafts = read(&policy(), &files(), None, &mut log);
        assert_eq!(log.into_parts().0, []);
        let written = drafts[0].write();
        assert_eq!(written.name, "wabbit-networks");
        let document = Document::read_all(&written.text).expect("YAML").remove(0);
        let spec = &document.value()["spec"];
        assert_eq!(spec["match"]["images"], json!(["registry.example/software/net-monitor"]));
        assert_eq!(spec["require"], json!("notation"));
        let signer: NotationSigner =
            serde_json::from_value(spec["signers"]["notation"]["notation"].clone()).expect("a signer");
        let trust = signer.read("spec.signers.notation.notation", &document).expect("valid");
        assert_eq!(trust.stores.get(StoreKind::Ca).len(), 1);
        assert_eq!(trust.stores.get(StoreKind::Tsa).len(), 1);
        assert_eq!(trust.level.action(Kind::Expiry), Action::Enforce);
        assert_eq!(trust.level.action(Kind::Revocation), Action::Log);
        assert_eq!(trust.verify_timestamp, VerifyTimestamp::AfterCertExpiry);
    }

    #[test]
    fn for_named_images_only_what_is_said_about_them_is_read() {
        let mut several = policy();
        let mut rest = several["trustPolicies"][0].clone();
        (rest["name"], rest["registryScopes"]) = (json!("rest"), json!(["*"]));
        let skip = json!({"name": "a", "registryScopes": ["a.example/b"], "signatureVerification": {"level": "skip"}});
        several["trustPolicies"].as_array_mut().expect("a list").extend([rest, skip]);
        let read = |names: &[&str]| {
            let images: Vec<Repository> = names.iter().map(|name| Repository::parse(name).expect("valid")).collect();
            let mut log = Log::default();
            let drafts = read(&several, &files(), Some(&images), &mut log);
            let refused: Vec<String> = log.into_parts().0.into_iter().map(|refused| refused.path).collect();
            let written = drafts.iter().map(|draft| {
                let written = draft.write();
                let document = Document::read_all(&written.text).expect("YAML").remove(0);
                (written.name, document.value()["spec"]["match"]["images"].clone())
            });
            (written.collect::<Vec<_>>(), refused)
        };
        let named = "registry.example/software/net-monitor";
        let wabbit = ("wabbit-networks".to_owned(), json!([named]));
        assert_eq!(read(&[named]), (vec![wabbit.clone()], vec![]));
        let others = ("rest".to_owned(), json!(["x.example/y", "a.example/b/c"]));
        assert_eq!(read(&["x.example/y", named, "a.example/b/c"]), (vec![wabbit, others], vec![]));
        assert_eq!(read(&["a.example/b"]), (vec![], vec!["trustPolicies[2].signatureVerification.level".to_owned()]));
        assert_eq!(read(&[]), (vec![], vec![]));
    }

    #[test]
    fn what_cannot_be_said_is_refused_at_its_field() {
        let first = "trustPolicies[0]";
        assert_eq!(refused(&policy(), &[]), [format!("{first}.trustStores[0]"), format!("{first}.trustStores[1]")]);
        let mut skip = policy();
        skip["trustPolicies"][0] =
            json!({"name": "a", "registryScopes": ["a.example/b"], "signatureVerification": {"level": "skip"}});
        assert_eq!(refused(&skip, &files()), [format!("{first}.signatureVerification.level")]);
        let mut both = policy();
        let mut rest = both["trustPolicies"][0].clone();
        (rest["name"], rest["registryScopes"]) = (json!("rest"), json!(["*"]));
        both["trustPolicies"].as_array_mut().expect("a list").push(rest);
        assert_eq!(refused(&both, &files()), ["trustPolicies[1].registryScopes"]);
        let mut blob = policy();
        blob["trustPolicies"][0]["globalPolicy"] = json!(true);
        assert_eq!(refused(&blob, &files()), [format!("{first}.globalPolicy")]);
        let mut wrong = policy();
        wrong["trustPolicies"][0]["name"] = json!("");
        wrong["version"] = json!("2.0");
        assert_eq!(refused(&wrong, &files()), ["version".to_owned(), format!("{first}.name")]);
        let mut files = files();
        files[0].1 = b"no certificate";
        assert_eq!(refused(&policy(), &files), [format!("{first}.trustStores[0]")]);
    }
}

//! The schema of policy documents, for editors (JSON Schema 2020-12) and for clusters (a CustomResourceDefinition). It says
//! what shape a document has; whether it can be put in force only the module says. Written by hand, because core must not
//! carry a schema into the sandbox; `tests/schema.rs` holds it against what the module reads, field by field.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The files that `cargo run -p bulla-tests --bin schema` writes below `policies/schema`.
pub fn files() -> [(&'static str, String); 2] {
    let schema = serde_json::to_string_pretty(&policy()).expect("a schema is JSON");
    [("imagepolicy.schema.json", schema + "\n"), ("crd.yaml", yaml(&crd()))]
}

/// The schema of a policy document.
pub fn policy() -> Value {
    let mut metadata = object(
        &["name"],
        json!({"name": length(1, 253), "labels": map(json!({"type": "string"})),
        "annotations": map(json!({"type": "string"}))}),
    );
    metadata["description"] = json!("What Kubernetes keeps beside the name is not read here.");
    let mut whole = object(
        &["apiVersion", "kind", "metadata", "spec"],
        json!({"apiVersion": {"const": "bulla.dev/v1alpha1"}, "kind": {"const": "ImagePolicy"},
            "metadata": metadata, "spec": spec()}),
    );
    whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    whole["title"] = json!("ImagePolicy");
    whole["$defs"] = json!({"requirement": requirement()});
    whole
}

fn spec() -> Value {
    let condition = object(&["cel"], json!({"cel": length(1, 1024), "message": {"type": "string"}}));
    let age =
        object(&["max"], json!({"max": {"type": "string", "pattern": "^[1-9][0-9]*[mhd]$"}, "at": {"type": "string"}}));
    let attestation = object(
        &["predicateType", "signer"],
        json!({"predicateType": {"type": "string"}, "signer": {"type": "string"},
            "predicate": {"type": "object", "additionalProperties": true}, "age": age,
            "conditions": list(0, 32, condition.clone())}),
    );
    let exemption = object(
        &["images", "until", "reason"],
        json!({"images": list(1, 0, pattern()), "namespaces": list(1, 0, namespace()), "until": moment(),
            "reason": length(1, 256)}),
    );
    let name = || length(1, 0);
    let glass = object(
        &[],
        json!({"users": list(0, 256, name()), "groups": list(0, 256, name()), "namespaces": list(1, 0, namespace())}),
    );
    let mut signer = object(
        &[],
        json!({"cosign": cosign(), "notation": notation(), "contentTrust": content_trust(),
            "conditions": list(0, 32, condition)}),
    );
    let systems = ["cosign", "notation", "contentTrust"];
    signer["oneOf"] = systems.iter().map(|system| json!({"required": [system]})).collect();
    let matches = object(
        &[],
        json!({"images": list(0, 0, pattern()), "except": list(0, 0, pattern()), "everyImage": {"type": "boolean"},
            "namespaces": list(1, 0, namespace()), "operations": list(1, 0, words(&["CREATE", "UPDATE"])),
            "labels": {"type": "object", "minProperties": 1, "maxProperties": 32,
                "additionalProperties": {"type": "string", "maxLength": 63}}}),
    );
    object(
        &["match", "signers", "require"],
        json!({"mode": words(&["enforce", "warn", "audit"]), "match": matches,
            "revoked": list(0, 10_000, digest()), "exempt": list(0, 256, exemption), "breakGlass": glass,
            "signers": {"type": "object", "maxProperties": 256, "additionalProperties": signer},
            "attestations": {"type": "object", "maxProperties": 256, "additionalProperties": attestation},
            "multiArch": words(&["index", "indexOrEveryLeaf"]), "require": {"$ref": "#/$defs/requirement"}}),
    )
}

fn cosign() -> Value {
    let mirror = object(&["from", "signedAs"], json!({"from": {"type": "string"}, "signedAs": {"type": "string"}}));
    object(
        &["publicKey"],
        json!({"publicKey": {"type": "string"}, "fingerprint": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
            "identity": words(&["repository", "exact", "anyUnsafe"]),
            "annotations": {"type": "object", "maxProperties": 128, "additionalProperties": {"type": "string"}},
            "forms": list(1, 2, words(&["bundle", "legacy"])), "signatureRepository": {"type": "string"},
            "mirrors": list(0, 64, mirror), "notBefore": moment(), "notAfter": moment(), "revokedSince": moment()}),
    )
}

fn notation() -> Value {
    let text = || json!({"type": "string"});
    let stores = || list(0, 0, text());
    let action = words(&["enforce", "log", "skip"]);
    let overrides =
        json!({"authenticity": action, "authenticTimestamp": action, "expiry": action, "revocation": action});
    object(
        &["trustStores", "trustedIdentities", "level"],
        json!({"trustStores": object(&[], json!({"ca": stores(), "signingAuthority": stores(), "tsa": stores()})),
            "trustedIdentities": list(1, 256, text()), "level": words(&["strict", "permissive", "audit"]),
            "override": object(&[], overrides), "verifyTimestamp": words(&["always", "afterCertExpiry"]),
            "metadata": {"type": "object", "maxProperties": 128, "additionalProperties": {"type": "string"}},
            "crls": list(0, 256, text())}),
    )
}

fn content_trust() -> Value {
    let text = || json!({"type": "string"});
    let version = json!({"type": "integer", "minimum": 1});
    let pins = json!({"rootKeys": list(0, 64, text()), "rootCertificates": list(0, 64, text()), "ca": text()});
    object(
        &["pins"],
        json!({"server": {"type": "string", "pattern": "^https://"}, "pins": object(&[], pins), "gun": text(),
            "roles": list(1, 32, text()), "required": list(1, 32, text()),
            "minimumVersions": {"type": "object", "additionalProperties": version}}),
    )
}

/// Read by hand in core, so held against it by hand as well.
fn requirement() -> Value {
    let parts = list(1, 0, json!({"$ref": "#/$defs/requirement"}));
    json!({"oneOf": [
        {"type": "string"},
        object(&["attestation"], json!({"attestation": {"type": "string"}})),
        object(&["allOf"], json!({"allOf": parts})),
        object(&["anyOf"], json!({"anyOf": parts})),
        object(&["atLeast", "of"], json!({"atLeast": {"type": "integer", "minimum": 1}, "of": list(1, 0, json!({"type": "string"}))})),
    ]})
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

/// A list of at least and at most so many; 0 is no bound.
fn list(least: usize, most: usize, items: Value) -> Value {
    let mut schema = json!({"type": "array", "items": items});
    for (bound, value) in [("minItems", least), ("maxItems", most)] {
        if value > 0 {
            schema[bound] = json!(value);
        }
    }
    schema
}

fn words(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn length(least: usize, most: usize) -> Value {
    let mut schema = json!({"type": "string", "minLength": least});
    if most > 0 {
        schema["maxLength"] = json!(most);
    }
    schema
}

fn moment() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"})
}

fn digest() -> Value {
    json!({"type": "string", "pattern": "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"})
}

fn pattern() -> Value {
    json!({"type": "string", "pattern": "^[^/*]+/[^@]+$"})
}

fn namespace() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"})
}

/// The definition of the kind for a cluster (apiextensions.k8s.io/v1).
pub fn crd() -> Value {
    let schema = json!({"type": "object", "required": ["spec"], "properties": {"apiVersion": {"type": "string"},
        "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": structural(spec())}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "imagepolicies.bulla.dev"},
        "spec": {"group": "bulla.dev", "scope": "Cluster",
            "names": {"kind": "ImagePolicy", "listKind": "ImagePolicyList", "plural": "imagepolicies", "singular": "imagepolicy"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
}

/// A structural schema (Kubernetes docs, "Specifying a structural schema"): no references, which a tree of requirements needs,
/// and no `additionalProperties` beside `properties`: what is unknown is pruned or refused by the API server's own rules.
fn structural(schema: Value) -> Value {
    match schema {
        Value::Object(fields) if fields.contains_key("$ref") => json!({"x-kubernetes-preserve-unknown-fields": true}),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter_map(|(name, value)| match (name.as_str(), &value) {
                ("additionalProperties", Value::Bool(false)) => None,
                ("additionalProperties", Value::Bool(true)) => {
                    Some((name, json!({"x-kubernetes-preserve-unknown-fields": true})))
                }
                _ => Some((name, structural(value))),
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(structural).collect()),
        other => other,
    }
}

/// Block style for whatever holds something; texts as JSON writes them, which is YAML as well.
fn yaml(value: &Value) -> String {
    let mut out = "# Written by `cargo run -p bulla-tests --bin schema`.\n".to_owned();
    write_yaml(&mut out, value, 0);
    out
}

fn write_yaml(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let is_block = |value: &Value| match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => items.iter().any(Value::is_object),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if is_block(value) {
                    let _ = writeln!(out, "{indent}{name}:");
                    write_yaml(out, value, depth + 1);
                } else {
                    let _ = writeln!(out, "{indent}{name}: {value}");
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                write_yaml(&mut inner, item, depth + 1);
                let _ = write!(out, "{indent}- {}", inner.trim_start());
            }
        }
        other => {
            let _ = writeln!(out, "{indent}{other}");
        }
    }
}

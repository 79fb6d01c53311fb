//! The private key in a token and its public half (PKCS #11 version 2.40, sections 4.6 to 4.9).

use cryptoki::object::{Attribute, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::{Decode as _, Encode as _};
use x509_cert::Certificate;

use super::{call, form};
use crate::error::{FormError, Pkcs11Error};
use crate::public_key::{PublicKey, encoding};
use crate::text::tame;
use crate::uri::Pkcs11Uri;

/// The one private key that a URI names.
#[derive(Debug)]
pub(super) struct PrivateKey {
    pub(super) handle: ObjectHandle,
    /// CKA_ALWAYS_AUTHENTICATE: the PIN is wanted for each signature.
    pub(super) always_authenticate: bool,
    /// How it is called in messages.
    pub(super) shown: String,
    kind: Option<KeyType>,
    label: Vec<u8>,
    id: Vec<u8>,
    may_sign: bool,
}

/// Finds exactly one private key that may sign.
///
/// # Errors
/// When none or more than one is there; the message lists what is.
pub(super) fn private_key(session: &Session, uri: &Pkcs11Uri, token: &str) -> Result<PrivateKey, Pkcs11Error> {
    let all = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
    let label = uri.object.iter().map(|label| Attribute::Label(label.clone().into_bytes()));
    let id = uri.id.iter().map(|id| Attribute::Id(id.clone()));
    let template: Vec<Attribute> = all.iter().cloned().chain(label).chain(id).collect();
    let list = |keys: Vec<PrivateKey>| keys.into_iter().map(|key| key.shown).collect();
    let wanted = || match (&uri.object, &uri.id) {
        (None, None) => "of whatever name".to_owned(),
        (label, id) => shown(label.as_deref().map(str::as_bytes), id.as_deref()),
    };

    let (mut keys, not_signing): (Vec<_>, Vec<_>) =
        described(session, &template, token)?.into_iter().partition(|key| key.may_sign);
    if keys.len() > 1 {
        return Err(Pkcs11Error::SeveralKeys { token: token.to_owned(), wanted: wanted(), has: list(keys) });
    }
    match (keys.pop(), not_signing.into_iter().next()) {
        (Some(key), _) => Ok(key),
        (None, Some(key)) => Err(Pkcs11Error::MayNotSign { key: format!("{} in {token}", key.shown) }),
        (None, None) => {
            let has = list(described(session, &all, token)?);
            Err(Pkcs11Error::NoKey { token: token.to_owned(), wanted: wanted(), has })
        }
    }
}

fn described(session: &Session, template: &[Attribute], token: &str) -> Result<Vec<PrivateKey>, Pkcs11Error> {
    let wanted = [
        AttributeType::Label,
        AttributeType::Id,
        AttributeType::KeyType,
        AttributeType::Sign,
        AttributeType::AlwaysAuthenticate,
    ];
    let handles = session.find_objects(template).map_err(call(token))?;
    let mut keys = Vec::with_capacity(handles.len());
    for handle in handles {
        let (mut label, mut id, mut kind, mut may_sign, mut always_authenticate) =
            (Vec::new(), Vec::new(), None, true, false);
        for attribute in session.get_attributes(handle, &wanted).map_err(call(token))? {
            match attribute {
                Attribute::Label(value) => label = value,
                Attribute::Id(value) => id = value,
                Attribute::KeyType(value) => kind = Some(value),
                Attribute::Sign(value) => may_sign = value,
                Attribute::AlwaysAuthenticate(value) => always_authenticate = value,
                _ => {}
            }
        }
        let shown = format!("key {}", shown(Some(&label), Some(&id)));
        keys.push(PrivateKey { handle, always_authenticate, shown, kind, label, id, may_sign });
    }
    Ok(keys)
}

/// `"label" (id 01ab)`, and less where less is said.
fn shown(label: Option<&[u8]>, id: Option<&[u8]>) -> String {
    let label = label.map(|label| format!("\"{}\"", tame(&String::from_utf8_lossy(label))));
    let id = id.map(|id| {
        let digits: String = id.iter().map(|octet| format!("{octet:02x}")).collect();
        // Some vendors put whole names there.
        if digits.is_empty() { "(no id)".to_owned() } else { format!("(id {})", tame(&digits)) }
    });
    label.into_iter().chain(id).collect::<Vec<_>>().join(" ")
}

/// The public half: a public key object, else a certificate, under the private key's id, or under its label where it
/// has no id.
///
/// # Errors
/// When there is none, more than one, or one of a kind that Bulla does not use.
pub(super) fn public_key(session: &Session, private: &PrivateKey, key: &str) -> Result<PublicKey, Pkcs11Error> {
    let (same, by) = if private.id.is_empty() {
        (Attribute::Label(private.label.clone()), "label")
    } else {
        (Attribute::Id(private.id.clone()), "id")
    };
    let kind = private.kind.ok_or_else(|| other_kind(key, "nothing"))?;
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(kind), same.clone()];
    let objects = session.find_objects(&template).map_err(call(key))?;
    let found = objects.into_iter().map(|object| of_public_key(session, object, kind, key));
    if let Some(public) = single(found.collect::<Result<_, _>>()?, key, by)? {
        return Ok(public);
    }
    let template =
        [Attribute::Class(ObjectClass::CERTIFICATE), Attribute::CertificateType(CertificateType::X_509), same];
    let objects = session.find_objects(&template).map_err(call(key))?;
    let found = objects.into_iter().map(|object| of_certificate(session, object, key));
    single(found.collect::<Result<_, _>>()?, key, by)?
        .ok_or_else(|| Pkcs11Error::NoPublicKey { key: key.to_owned(), by })
}

/// One key, however often it is there.
fn single(mut found: Vec<PublicKey>, key: &str, by: &'static str) -> Result<Option<PublicKey>, Pkcs11Error> {
    let last = found.pop();
    if found.iter().any(|other| Some(other) != last.as_ref()) {
        return Err(Pkcs11Error::SeveralPublicKeys { key: key.to_owned(), by });
    }
    Ok(last)
}

fn of_public_key(session: &Session, object: ObjectHandle, kind: KeyType, key: &str) -> Result<PublicKey, Pkcs11Error> {
    let two = |first, second| attributes(session, object, [first, second], key);
    let public = match kind {
        KeyType::EC => {
            let [parameters, point] = two(AttributeType::EcParams, AttributeType::EcPoint)?;
            PublicKey::from_ec(&parameters, &point)
        }
        KeyType::EC_EDWARDS => {
            let [parameters, point] = two(AttributeType::EcParams, AttributeType::EcPoint)?;
            PublicKey::from_edwards(&parameters, &point)
        }
        KeyType::RSA => {
            let [modulus, exponent] = two(AttributeType::Modulus, AttributeType::PublicExponent)?;
            PublicKey::from_rsa(&modulus, &exponent)
        }
        other => return Err(other_kind(key, &other.to_string())),
    };
    public.map_err(form(key))
}

fn of_certificate(session: &Session, object: ObjectHandle, key: &str) -> Result<PublicKey, Pkcs11Error> {
    let [bytes] = attributes(session, object, [AttributeType::Value], key)?;
    let read = || -> Result<PublicKey, FormError> {
        let named = encoding("the certificate");
        let certificate = Certificate::from_der(&bytes).map_err(&named)?;
        let info = certificate.tbs_certificate().subject_public_key_info().to_der().map_err(&named)?;
        PublicKey::from_spki(&info)
    };
    read().map_err(form(key))
}

/// So many attributes in this order; what an object does not have is empty, and then refused as what it should be.
fn attributes<const N: usize>(
    session: &Session,
    object: ObjectHandle,
    wanted: [AttributeType; N],
    key: &str,
) -> Result<[Vec<u8>; N], Pkcs11Error> {
    let mut values = [const { Vec::new() }; N];
    for attribute in session.get_attributes(object, &wanted).map_err(call(key))? {
        let position = wanted.iter().position(|wanted| *wanted == attribute.attribute_type());
        if let (Some(position), Some(value)) = (position, octets(attribute)) {
            values[position] = value;
        }
    }
    Ok(values)
}

fn octets(attribute: Attribute) -> Option<Vec<u8>> {
    match attribute {
        Attribute::EcParams(value)
        | Attribute::EcPoint(value)
        | Attribute::Modulus(value)
        | Attribute::PublicExponent(value)
        | Attribute::Value(value) => Some(value),
        _ => None,
    }
}

fn other_kind(key: &str, kind: &str) -> Pkcs11Error {
    Pkcs11Error::Kind { key: key.to_owned(), kind: tame(kind) }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn keys_are_shown_by_label_and_id() {
        assert_eq!(shown(Some(b"a"), Some(&[1, 0xab])), "\"a\" (id 01ab)");
        assert_eq!(shown(Some(b"\xff\x1b[31m"), Some(&[])), "\"\u{fffd}[31m\" (no id)");
        assert_eq!(shown(None, Some(&[1])), "(id 01)");
        assert!(shown(None, Some(&[1; 10_000])).len() < 500);
    }
}

//! Walking through DER (X.690) one element at a time, each with its exact octets.

use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

/// The elements of a constructed value, at most `limit`.
pub(crate) fn elements(value: &[u8], limit: usize) -> der::Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(value)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        if elements.len() >= limit {
            return Err(der::ErrorKind::Overlength.into());
        }
        elements.push(AnyRef::decode(&mut reader)?);
    }
    Ok(elements)
}

/// The elements of a SEQUENCE, at most `limit`.
pub(crate) fn sequence(der: &[u8], limit: usize) -> der::Result<Vec<AnyRef<'_>>> {
    let outer = AnyRef::from_der(der)?;
    if outer.tag() != Tag::Sequence {
        return Err(Tag::Sequence.value_error().into());
    }
    elements(outer.value(), limit)
}

/// The octets of an element, its header included. Lengths in DER have one form, so these are the octets that were read.
pub(crate) fn octets(element: AnyRef<'_>) -> der::Result<Vec<u8>> {
    element.to_der()
}

/// Whether an element has the context-specific tag with this number.
pub(crate) fn is_context(element: &AnyRef<'_>, number: u32) -> bool {
    matches!(element.tag(), Tag::ContextSpecific { number: TagNumber(got), .. } if got == number)
}

//! Which token: the one that the URI matches (RFC 7512, section 2.5).

use cryptoki::context::Pkcs11;
use cryptoki::slot::{Slot, SlotInfo, TokenInfo};

use super::call;
use crate::error::Pkcs11Error;
use crate::text::tame;
use crate::uri::Pkcs11Uri;

/// A token in its slot.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) slot: Slot,
    pub(super) info: TokenInfo,
    /// How it is called in messages.
    pub(super) shown: String,
}

/// The one token that the URI matches. Tokens that nobody has initialised have no keys and do not count.
///
/// # Errors
/// When there is none or more than one; the message lists them.
pub(super) fn choose(library: &Pkcs11, uri: &Pkcs11Uri) -> Result<Token, Pkcs11Error> {
    let wanted = || format!("\"{uri}\"");
    let mut matching = Vec::new();
    let mut others = Vec::new();
    for slot in library.get_slots_with_token().map_err(call("PKCS #11 library"))? {
        // A slot whose token does not say what it is cannot be the one; the others may.
        let (Ok(slot_info), Ok(info)) = (library.get_slot_info(slot), library.get_token_info(slot)) else {
            others.push(format!("something unreadable in slot {}", slot.id()));
            continue;
        };
        if !info.token_initialized() {
            continue;
        }
        let shown = shown(slot, &info);
        if matches(uri, slot, &slot_info, &info) {
            matching.push(Token { slot, info, shown });
        } else {
            others.push(shown);
        }
    }
    if matching.len() > 1 {
        let has = matching.into_iter().map(|token| token.shown).collect();
        return Err(Pkcs11Error::SeveralTokens { wanted: wanted(), has });
    }
    matching.pop().ok_or_else(|| Pkcs11Error::NoToken { wanted: wanted(), has: others })
}

fn matches(uri: &Pkcs11Uri, slot: Slot, slot_info: &SlotInfo, info: &TokenInfo) -> bool {
    let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    uri.slot_id.is_none_or(|wanted| wanted == slot.id())
        && same(&uri.slot_description, slot_info.slot_description())
        && same(&uri.slot_manufacturer, slot_info.manufacturer_id())
        && same(&uri.token, info.label())
        && same(&uri.manufacturer, info.manufacturer_id())
        && same(&uri.model, info.model())
        && same(&uri.serial, info.serial_number())
}

fn shown(slot: Slot, info: &TokenInfo) -> String {
    let (label, model, serial) = (tame(info.label()), tame(info.model()), tame(info.serial_number()));
    format!("token \"{label}\" ({model}, serial {serial}, slot {})", slot.id())
}

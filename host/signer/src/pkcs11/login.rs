//! The PIN: where it comes from, and logging in with it (PKCS #11 version 2.40, section 5.6).

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;
use zeroize::Zeroizing;

use super::call;
use super::library::return_value;
use super::slots::Token;
use crate::error::Pkcs11Error;
use crate::options::{PIN_VARIABLES, SignerOptions};
use crate::secret::Pin;
use crate::uri::{PinSource, Pkcs11Uri};

/// Octets of a file with a PIN. 1 KiB: the longest PINs of tokens have 255.
const MAX_PIN_FILE_BYTES: usize = 1024;

/// How to log in to a token.
#[derive(Debug)]
pub(super) enum Login {
    /// The token wants none.
    None,
    /// It has a key pad or a finger reader of its own (CKF_PROTECTED_AUTHENTICATION_PATH).
    OnTheDevice,
    Pin(Pin),
}

impl Login {
    /// The first of: the URI's PIN, the environment's, the token's own key pad, what the user says.
    ///
    /// # Errors
    /// When the token wants a PIN and there is none, or the file with it cannot be used.
    pub(super) fn find(uri: &Pkcs11Uri, token: &Token, options: &SignerOptions) -> Result<Self, Pkcs11Error> {
        match &uri.pin {
            Some(PinSource::Value(pin)) => return Ok(Self::Pin(pin.clone())),
            Some(PinSource::File(path)) => return from_file(path).map(Self::Pin),
            None => {}
        }
        if !token.info.login_required() {
            return Ok(Self::None);
        }
        if let Some((_, pin)) = options.first_of(&PIN_VARIABLES) {
            return Ok(Self::Pin(Pin::new(Zeroizing::new(pin.into_encoded_bytes()))));
        }
        if token.info.protected_authentication_path() {
            return Ok(Self::OnTheDevice);
        }
        let answer = options.ask_pin.as_ref().and_then(|ask| ask(&token.shown));
        let answer = answer.filter(|pin| !pin.is_empty());
        let pin = answer.ok_or_else(|| Pkcs11Error::NoPin { token: token.shown.clone() })?;
        Ok(Self::Pin(Pin::new(Zeroizing::new(pin.as_bytes().to_vec()))))
    }

    /// Logs the session in as the token's user.
    ///
    /// # Errors
    /// When the token does not take the PIN. It counts wrong ones, so it is told one only.
    pub(super) fn log_in(&self, library: &Pkcs11, session: &Session, token: &Token) -> Result<(), Pkcs11Error> {
        let place = token.shown.as_str();
        match self.present(session, UserType::User) {
            // By another key of this process: a login is for all of its sessions with the token.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(value, _)) if is_about_pin(&value) => {
                let note = note(library, token);
                Err(Pkcs11Error::PinRefused { token: place.to_owned(), reason: return_value(&value), note })
            }
            Err(error) => Err(call(place)(error)),
        }
    }

    /// Presents the PIN, for a login or for the one signature that was begun.
    ///
    /// # Errors
    /// What the token says.
    pub(super) fn present(&self, session: &Session, user: UserType) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::OnTheDevice => session.login(user, None),
            // Wiped when dropped, as ours is.
            Self::Pin(pin) => session.login_with_raw(user, &RawAuthPin::new(Box::new(pin.expose().to_vec()))),
        }
    }
}

fn is_about_pin(value: &RvError) -> bool {
    matches!(
        value,
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired | RvError::PinLocked
    )
}

/// How near the token is to being locked, as far as it says so.
fn note(library: &Pkcs11, token: &Token) -> String {
    let note = match library.get_token_info(token.slot) {
        Ok(info) if info.user_pin_locked() => "it is locked now",
        Ok(info) if info.user_pin_final_try() => "one more wrong PIN locks it",
        Ok(info) if info.user_pin_count_low() => "it counts wrong PINs, and has seen some",
        _ => "",
    };
    note.to_owned()
}

/// What is in the file, without a line's end behind it: files have one that PINs do not.
fn from_file(path: &Path) -> Result<Pin, Pkcs11Error> {
    let failed = |reason: String| Pkcs11Error::PinFile { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    // One octet more than there may be; the buffer never grows, so that no copy is left behind.
    let mut octets = Zeroizing::new(vec![0; MAX_PIN_FILE_BYTES + 1]);
    let mut length = 0;
    loop {
        match (&file).read(&mut octets[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    if length > MAX_PIN_FILE_BYTES {
        return Err(failed(format!("more than {MAX_PIN_FILE_BYTES} octets")));
    }
    octets.truncate(length);
    if octets.ends_with(b"\n") {
        octets.pop();
    }
    if octets.ends_with(b"\r") {
        octets.pop();
    }
    if octets.is_empty() { Err(failed("it is empty".to_owned())) } else { Ok(Pin::new(octets)) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{MAX_PIN_FILE_BYTES, from_file};
    use crate::error::Pkcs11Error;

    #[test]
    fn a_file_has_a_pin_and_perhaps_a_lines_end() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("pin");
        for (content, pin) in [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), (" 12\n34 \n", " 12\n34 ")] {
            fs::write(&path, content).expect("written");
            assert_eq!(from_file(&path).map(|pin| pin.expose().to_vec()), Ok(pin.as_bytes().to_vec()), "{content:?}");
        }
        let failed = |reason: &str| Err(Pkcs11Error::PinFile { path: path.clone(), reason: reason.into() });
        for (content, reason) in [
            (String::new(), "it is empty"),
            ("\n".into(), "it is empty"),
            ("1".repeat(MAX_PIN_FILE_BYTES + 1), "more than 1024 octets"),
        ] {
            fs::write(&path, content).expect("written");
            assert_eq!(from_file(&path), failed(reason));
        }
        fs::write(&path, "1".repeat(MAX_PIN_FILE_BYTES)).expect("written");
        assert!(from_file(&path).is_ok());
        assert!(matches!(from_file(&folder.path().join("missing")), Err(Pkcs11Error::PinFile { .. })));
        assert!(matches!(from_file(folder.path()), Err(Pkcs11Error::PinFile { .. })));
    }
}

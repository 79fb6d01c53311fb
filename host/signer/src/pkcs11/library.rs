//! The library that speaks to a token: found, loaded once, never unloaded.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::call;
use crate::error::Pkcs11Error;
use crate::options::{MODULE_VARIABLES, SignerOptions};
use crate::text::tame;
use crate::uri::Pkcs11Uri;

/// Libraries of this process. One is initialised once a process (PKCS #11 version 2.40, section 5.4), and is not
/// unloaded while one of its keys or threads may still be there; so it stays to the end. Sessions are closed with their keys.
static LOADED: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// The library of a URI: its `module-path`, else what the environment says.
///
/// # Errors
/// When nobody names it, it does not load, or it is not the one that the URI describes.
pub(super) fn load(uri: &Pkcs11Uri, options: &SignerOptions) -> Result<Pkcs11, Pkcs11Error> {
    let path = path(uri, options)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let library = match loaded.iter().find(|(known, _)| *known == path) {
        Some((_, library)) => library.clone(),
        None => {
            let library = initialised(&path)?;
            loaded.push((path.clone(), library.clone()));
            library
        }
    };
    drop(loaded);
    matches(&library, uri, &path)?;
    Ok(library)
}

fn path(uri: &Pkcs11Uri, options: &SignerOptions) -> Result<PathBuf, Pkcs11Error> {
    if let Some(path) = &uri.module_path {
        return Ok(path.clone());
    }
    let (variable, path) = options.first_of(&MODULE_VARIABLES).ok_or(Pkcs11Error::NoModule)?;
    let path = PathBuf::from(path);
    // A name without a folder would be searched for, one with a relative folder depends on where one stands.
    if path.is_absolute() { Ok(path) } else { Err(Pkcs11Error::RelativeModule { variable }) }
}

/// Loading runs the library's code in this process: that is what whoever names it asks for.
fn initialised(path: &Path) -> Result<Pkcs11, Pkcs11Error> {
    let library = Pkcs11::new(path).map_err(|error| {
        let reason = match &error {
            Error::LibraryLoading(reason) => tame(&reason.to_string()),
            Error::MissingSymbol(symbol) => format!("it is no PKCS #11 library: it has no {symbol}"),
            other => tame(&other.to_string()),
        };
        Pkcs11Error::Load { path: path.to_owned(), reason }
    })?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // By somebody else in this process: it is ready, then.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(library),
        Err(error) => Err(call(&format!("PKCS #11 library {}", path.display()))(error)),
    }
}

/// Holds the library against the URI's attributes for it (RFC 7512, section 2.3).
fn matches(library: &Pkcs11, uri: &Pkcs11Uri, path: &Path) -> Result<(), Pkcs11Error> {
    let info = library.get_library_info().map_err(call(&format!("PKCS #11 library {}", path.display())))?;
    let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    let version = (info.library_version().major(), info.library_version().minor());
    if same(&uri.library_manufacturer, info.manufacturer_id())
        && same(&uri.library_description, info.library_description())
        && uri.library_version.is_none_or(|wanted| wanted == version)
    {
        return Ok(());
    }
    let (manufacturer, description) = (tame(info.manufacturer_id()), tame(info.library_description()));
    let is = format!("\"{description}\" {}.{} by \"{manufacturer}\"", version.0, version.1);
    Err(Pkcs11Error::OtherLibrary { path: path.to_owned(), is })
}

/// A return value by the name that the specification and every vendor's manual use: `CKR_PIN_INCORRECT`.
pub(super) fn return_value(value: &RvError) -> String {
    if let RvError::VendorDefined(number) = value {
        return format!("CKR_VENDOR_DEFINED {number:#x}");
    }
    let mut name = "CKR".to_owned();
    for character in format!("{value:?}").chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use cryptoki::error::RvError;

    use super::return_value;

    #[test]
    fn return_values_have_the_names_of_the_specification() {
        assert_eq!(return_value(&RvError::PinIncorrect), "CKR_PIN_INCORRECT");
        assert_eq!(return_value(&RvError::UserNotLoggedIn), "CKR_USER_NOT_LOGGED_IN");
        assert_eq!(return_value(&RvError::VendorDefined(0x8000_0001)), "CKR_VENDOR_DEFINED 0x80000001");
    }
}

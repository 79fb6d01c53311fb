//! The keys: made by cosign, by OpenSSL and imported into cosign, and by Bulla. All three sign with the encrypted file.

use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_tests::support::{bulla_key, cosign_command, cosign_key, run};

/// A key, by kind and by who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    P256,
    Imported,
    P384,
    P521,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    Ed25519,
    BullaP256,
    BullaP384,
}

/// The two files of a key.
#[derive(Debug, Clone)]
pub(super) struct KeyFiles {
    /// Encrypted, as cosign does it.
    pub(super) private: PathBuf,
    /// The same key as OpenSSL made it, not encrypted. Bulla signs with this one, which saves most of the matrix' time.
    pub(super) plain: Option<PathBuf>,
    pub(super) public: PathBuf,
}

impl Key {
    pub(super) const ALL: [Self; 10] = [
        Self::P256,
        Self::Imported,
        Self::P384,
        Self::P521,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::Ed25519,
        Self::BullaP256,
        Self::BullaP384,
    ];

    /// As the document calls it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::P256 => "ECDSA P-256, made by cosign",
            Self::Imported => "ECDSA P-256, imported; PKCS #8 for Bulla",
            Self::P384 => "ECDSA P-384, imported",
            Self::P521 => "ECDSA P-521, imported",
            Self::Rsa2048 => "RSA 2048, imported",
            Self::Rsa3072 => "RSA 3072, imported",
            Self::Rsa4096 => "RSA 4096, imported",
            Self::Ed25519 => "Ed25519, imported",
            Self::BullaP256 => "ECDSA P-256, made by Bulla",
            Self::BullaP384 => "ECDSA P-384, made by Bulla",
        }
    }

    pub(super) fn is_ed25519(self) -> bool {
        self == Self::Ed25519
    }

    /// The hash that cosign signs with, where it is not SHA-256.
    pub(super) fn own_hash(self) -> Option<&'static str> {
        match self {
            Self::P384 | Self::BullaP384 => Some("sha384"),
            Self::P521 => Some("sha512"),
            _ => None,
        }
    }

    /// Makes it, in `folder`.
    pub(super) fn make(self, folder: &Path, cosign: &Path, openssl: &Path) -> KeyFiles {
        let name = format!("{self:?}");
        let imported = |arguments: &[&str]| {
            let pem = folder.join(format!("{name}.pem"));
            run(Command::new(openssl).args(arguments).arg("-out").arg(&pem));
            let mut import = cosign_command(cosign);
            run(import.current_dir(folder).args(["import-key-pair", "--output-key-prefix", &name, "--key"]).arg(&pem));
            (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")))
        };
        let rsa = |bits| imported(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")]);
        let (private, public) = match self {
            Self::P256 => cosign_key(cosign, folder, &name),
            Self::Imported => imported(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            // SEC 1; the others are PKCS #8. cosign imports both.
            Self::P384 => imported(&["ecparam", "-genkey", "-noout", "-name", "secp384r1"]),
            Self::P521 => imported(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
            Self::Rsa2048 => rsa(2048),
            Self::Rsa3072 => rsa(3072),
            Self::Rsa4096 => rsa(4096),
            Self::Ed25519 => imported(&["genpkey", "-algorithm", "ED25519"]),
            Self::BullaP256 => bulla_key(folder, &name, "ecdsa-p256"),
            Self::BullaP384 => bulla_key(folder, &name, "ecdsa-p384"),
        };
        let plain = (self == Self::Imported).then(|| folder.join(format!("{name}.pem")));
        KeyFiles { private, plain, public }
    }
}

//! Keys, signatures and encodings for the vectors, made by the module itself wherever it can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_abi::{Message, Operation};
use bulla_wasm::Module;
use serde_json::{Value, json};
use sha2::Digest as _;

/// Octets of entropy that Generate takes for a key.
const ENTROPY: usize = 264;

/// A key pair.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) private: String,
    pub(super) public: String,
    pub(super) fingerprint: String,
}

impl Key {
    /// The key that this seed gives.
    pub(super) fn new(algorithm: &str, seed: u8) -> Self {
        let (header, blobs) =
            call(Operation::Generate, &json!({"algorithm": algorithm, "entropy": 0}), vec![vec![seed; ENTROPY]]);
        let text = |index: usize| String::from_utf8(blobs[index].clone()).expect("PEM is text");
        let fingerprint = header["fingerprint"].as_str().expect("a fingerprint").to_owned();
        Self { private: text(0), public: text(1), fingerprint }
    }

    /// A P-256 key.
    pub(super) fn p256(seed: u8) -> Self {
        Self::new("ecdsa-p256", seed)
    }

    /// A signature, SHA-256 in front of ECDSA.
    pub(super) fn sign(&self, message: &str) -> Vec<u8> {
        self.sign_with(message, "sha256")
    }

    /// A signature, with this hash in front of ECDSA.
    pub(super) fn sign_with(&self, message: &str, hash: &str) -> Vec<u8> {
        self.signature(message.as_bytes(), hash)
    }

    /// A signature over bytes, SHA-256 in front of ECDSA.
    pub(super) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.signature(message, "sha256")
    }

    fn signature(&self, message: &[u8], hash: &str) -> Vec<u8> {
        let blobs = vec![self.private.clone().into_bytes(), message.to_vec()];
        call(Operation::Sign, &json!({"key": 0, "message": 1, "hash": hash}), blobs).1.remove(0)
    }

    /// The private key as cosign encrypts it. The entropy is fixed, as it never may be outside of tests.
    pub(super) fn encrypted(algorithm: &str, seed: u8, passphrase: &str) -> String {
        let blobs = vec![vec![seed; ENTROPY + 56], passphrase.as_bytes().to_vec()];
        let header = json!({"algorithm": algorithm, "entropy": 0, "passphrase": 1});
        String::from_utf8(call(Operation::Generate, &header, blobs).1.remove(0)).expect("PEM is text")
    }
}

/// Carries out an operation that must go well.
pub(super) fn call(operation: Operation, header: &Value, blobs: Vec<Vec<u8>>) -> (Value, Vec<Vec<u8>>) {
    let message = Message { header: header.to_string().into_bytes(), blobs };
    let reply = Module::default().call(operation.number(), &message.encode().expect("small"));
    let reply = Message::decode(&reply).expect("a reply is a message");
    let mut header: Value = serde_json::from_slice(&reply.header).expect("a header is JSON");
    assert!(header.get("ok").is_some(), "{}: {header}", operation.name());
    (header["ok"].take(), reply.blobs)
}

/// `sha256:<hex>`.
pub(super) fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// What base64 with padding stands for.
pub(super) fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("base64")
}

/// Base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes with one bit flipped.
pub(super) fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// A DER SEQUENCE of two INTEGERs whose contents are given; `long` writes the length in more octets than it needs (BER).
pub(super) fn der_pair(r: &[u8], s: &[u8], long: bool) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let padding = number.first().is_some_and(|first| first & 0x80 != 0);
        let mut content = vec![0; usize::from(padding)];
        content.extend(number);
        [&[2, u8::try_from(content.len()).expect("short")], content.as_slice()].concat()
    };
    let content = [integer(r), integer(s)].concat();
    let length = u8::try_from(content.len()).expect("short");
    let head: &[u8] = if long || length >= 0x80 { &[0x30, 0x81, length] } else { &[0x30, length] };
    [head, &content].concat()
}

/// The two numbers of a DER signature by P-256, without leading zeros.
pub(super) fn der_numbers(signature: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let integer = |at: usize| {
        let length = usize::from(signature[at + 1]);
        let content = &signature[at + 2..at + 2 + length];
        let zeros = content.iter().take_while(|octet| **octet == 0).count();
        (content[zeros..].to_vec(), at + 2 + length)
    };
    let (r, next) = integer(2);
    (r, integer(next).0)
}

/// `n - s` for P-256: the other signature that every signature has.
pub(super) fn p256_negated(s: &[u8]) -> Vec<u8> {
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").expect("hex");
    let mut padded = vec![0; 32 - s.len()];
    padded.extend(s);
    let mut borrow = 0;
    let mut difference: Vec<u8> = order
        .iter()
        .zip(&padded)
        .rev()
        .map(|(a, b)| {
            let result = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(result < 0);
            result.to_le_bytes()[0]
        })
        .collect();
    difference.reverse();
    let zeros = difference.iter().take_while(|octet| **octet == 0).count();
    difference.split_off(zeros)
}

/// A SubjectPublicKeyInfo as PEM.
pub(super) fn public_pem(der: &[u8]) -> String {
    pem("PUBLIC KEY", der)
}

/// A PEM block.
pub(super) fn pem(label: &str, content: &[u8]) -> String {
    let text = base64(content);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| core::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The content of a PEM block.
pub(super) fn pem_content(text: &str) -> Vec<u8> {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).expect("PEM is base64")
}

//! Authorities and certificates made by openssl, and what belongs to them: revocation lists, an OCSP responder, a
//! timestamping authority. Whoever asks them over HTTP asks a server in this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;

use super::http::Served;
use super::run;

/// The keys that Notation signs with.
pub const ALGORITHMS: [&str; 6] = ["RSA-2048", "RSA-3072", "RSA-4096", "EC-256", "EC-384", "EC-521"];

/// When every certificate begins and ends. Long before now: a timestamp that is accurate to a second lies within.
const FROM: &str = "20200101000000Z";
const UNTIL: &str = "20400101000000Z";

/// What makes a certificate that of an authority.
const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";

/// A private key, its certificate and the certificates above it, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// PKCS #8, not encrypted.
    pub key: PathBuf,
    /// The certificate alone.
    pub certificate: PathBuf,
    /// The same and its issuers up to the root.
    pub chain: PathBuf,
}

/// What a leaf is for, and where its standing can be asked for.
#[derive(Debug, Clone, Default)]
pub struct Leaf {
    /// It signs timestamps instead of images.
    pub timestamping: bool,
    /// Where the revocation list is.
    pub crl: Option<String>,
    /// Where the OCSP responder is.
    pub ocsp: Option<String>,
    /// Seconds from now until it ends; long after now when there are none.
    pub seconds: Option<u32>,
}

/// An authority with a self-signed certificate and a list of what it issued.
pub struct Authority {
    openssl: PathBuf,
    folder: PathBuf,
    /// Its own key and certificate.
    pub own: Certificate,
}

/// The subject of every certificate, with this common name.
pub fn subject(name: &str) -> String {
    format!("/C=US/ST=WA/O=acme/CN={name}")
}

/// What names the same in a trust policy.
pub fn identity(name: &str) -> String {
    format!("x509.subject: C=US, ST=WA, O=acme, CN={name}")
}

/// A certificate that signs images and itself.
pub fn self_signed(openssl: &Path, folder: &Path, name: &str, algorithm: &str) -> Certificate {
    let folder = database(folder, name);
    let key = new_key(openssl, &folder, name, algorithm);
    let certificate = folder.join(format!("{name}.crt"));
    certify(openssl, &folder, name, &key, None, (&leaf_extensions(&Leaf::default()), UNTIL));
    Certificate { key, chain: certificate.clone(), certificate }
}

impl Authority {
    /// Makes one in this folder.
    pub fn new(openssl: &Path, folder: &Path, name: &str, algorithm: &str) -> Self {
        let folder = database(folder, name);
        let key = new_key(openssl, &folder, name, algorithm);
        let certificate = folder.join(format!("{name}.crt"));
        certify(openssl, &folder, name, &key, None, (AUTHORITY, UNTIL));
        let own = Certificate { key, chain: certificate.clone(), certificate };
        Self { openssl: openssl.to_owned(), folder, own }
    }

    /// Makes an authority that this one has issued.
    pub fn below(&self, name: &str, algorithm: &str) -> Self {
        let folder = database(&self.folder, name);
        let key = new_key(&self.openssl, &folder, name, algorithm);
        let (certificate, chain) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.chain.crt")));
        certify(&self.openssl, &folder, name, &key, Some(&self.own), (AUTHORITY, UNTIL));
        let above = fs::read_to_string(&self.own.chain).expect("certificates");
        fs::write(&chain, fs::read_to_string(&certificate).expect("a certificate") + &above).expect("a file");
        Self { openssl: self.openssl.clone(), folder, own: Certificate { key, certificate, chain } }
    }

    /// Issues a leaf, and knows it as valid.
    pub fn issue(&self, name: &str, algorithm: &str, leaf: &Leaf) -> Certificate {
        let key = new_key(&self.openssl, &self.folder, name, algorithm);
        let file = |extension: &str| self.folder.join(format!("{name}.{extension}"));
        let (certificate, chain) = (file("crt"), file("chain.crt"));
        let until = leaf.seconds.map_or_else(|| UNTIL.to_owned(), in_seconds);
        certify(&self.openssl, &self.folder, name, &key, Some(&self.own), (&leaf_extensions(leaf), &until));
        let own = fs::read_to_string(&self.own.chain).expect("certificates");
        fs::write(&chain, fs::read_to_string(&certificate).expect("a certificate") + &own).expect("a file");
        Certificate { key, certificate, chain }
    }

    /// Revokes a leaf: lists and OCSP responses say so from now on.
    pub fn revoke(&self, leaf: &Certificate) {
        run(self.ca().args(["-crl_reason", "keyCompromise", "-revoke"]).arg(&leaf.certificate));
    }

    /// The revocation list as it is now, DER.
    pub fn crl(&self) -> Vec<u8> {
        let (pem, der) = (self.folder.join("crl.pem"), self.folder.join("crl.der"));
        run(self.ca().arg("-gencrl").arg("-out").arg(&pem));
        run(Command::new(&self.openssl).args(["crl", "-outform", "DER", "-in"]).arg(&pem).arg("-out").arg(&der));
        fs::read(der).expect("a list")
    }

    /// A server of its revocation list, which is made anew for each request.
    pub fn serve_crl(self: &Arc<Self>) -> Served {
        let authority = Arc::clone(self);
        Served::start(move |_| (200, "application/pkix-crl", authority.crl()))
    }

    /// An OCSP responder, `openssl ocsp` for each request (RFC 6960, appendix A.1). It signs as the authority itself.
    pub fn serve_ocsp(&self) -> Served {
        let (openssl, folder, own) = (self.openssl.clone(), self.folder.clone(), self.own.clone());
        Served::start(move |asked| {
            let request = match asked.method.as_str() {
                "POST" => Some(asked.body.clone()),
                _ => base64::engine::general_purpose::STANDARD.decode(decoded(asked.path.trim_start_matches('/'))).ok(),
            };
            let Some(request) = request else { return (400, "text/plain", Vec::new()) };
            let (question, answer) = (folder.join("request.der"), folder.join("response.der"));
            fs::write(&question, request).expect("a file");
            let mut command = Command::new(&openssl);
            command.args(["ocsp", "-ndays", "1", "-index"]).arg(folder.join("index.txt"));
            command.arg("-CA").arg(&own.certificate).arg("-rsigner").arg(&own.certificate).arg("-rkey").arg(&own.key);
            run(command.arg("-reqin").arg(question).arg("-respout").arg(&answer));
            (200, "application/ocsp-response", fs::read(answer).expect("a response"))
        })
    }

    /// A timestamping authority with this leaf, `openssl ts -reply` for each request (RFC 3161, section 3.4).
    pub fn serve_timestamps(&self, leaf: &Certificate) -> Served {
        let answer = self.timestamps(leaf);
        Served::start(move |asked| (200, "application/timestamp-reply", answer(&asked.body)))
    }

    /// What such an authority answers to a request.
    pub fn timestamps(&self, leaf: &Certificate) -> impl Fn(&[u8]) -> Vec<u8> + Send + 'static {
        let config = self.folder.join("tsa.cnf");
        let text = format!(
            "[tsa]\ndefault_tsa=own\n[own]\nserial={0}/tsa.serial\ncrypto_device=builtin\nsigner_cert={1}\ncerts={2}\n\
             signer_key={3}\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha384,sha512\naccuracy=secs:1\n\
             ess_cert_id_alg=sha256\n",
            self.folder.display(),
            leaf.certificate.display(),
            leaf.chain.display(),
            leaf.key.display()
        );
        fs::write(&config, text).expect("a file");
        let (openssl, folder) = (self.openssl.clone(), self.folder.clone());
        move |asked| {
            let (question, answer) = (folder.join("query.tsq"), folder.join("reply.tsr"));
            fs::write(&question, asked).expect("a file");
            let mut command = Command::new(&openssl);
            command.args(["ts", "-reply", "-config"]).arg(&config).arg("-queryfile").arg(question);
            run(command.arg("-out").arg(&answer));
            fs::read(answer).expect("a reply")
        }
    }

    fn ca(&self) -> Command {
        let mut command = Command::new(&self.openssl);
        command.arg("ca").arg("-config").arg(self.folder.join("ca.cnf"));
        command.arg("-cert").arg(&self.own.certificate).arg("-keyfile").arg(&self.own.key);
        command
    }
}

fn leaf_extensions(leaf: &Leaf) -> String {
    let mut text = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n".to_owned();
    text += match leaf.timestamping {
        true => "extendedKeyUsage=critical,timeStamping\n",
        false => "extendedKeyUsage=codeSigning\n",
    };
    if let Some(url) = &leaf.crl {
        text += &format!("crlDistributionPoints=URI:{url}\n");
    }
    if let Some(url) = &leaf.ocsp {
        text += &format!("authorityInfoAccess=OCSP;URI:{url}\n");
    }
    text
}

/// A folder of this name with what `openssl ca` keeps: the list of what was issued, and numbers.
fn database(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("index.txt"), "").expect("a file");
    fs::write(folder.join("crlnumber"), "01\n").expect("a file");
    let config = format!(
        "[ca]\ndefault_ca=own\n[own]\ndatabase={0}/index.txt\ncrlnumber={0}/crlnumber\nnew_certs_dir={0}\n\
         rand_serial=yes\ndefault_md=sha256\ndefault_crl_days=7\nunique_subject=no\npolicy=any\npreserve=yes\n\
         [any]\ncountryName=optional\nstateOrProvinceName=optional\norganizationName=optional\n\
         commonName=optional\n[req]\ndistinguished_name=name\n[name]\n",
        folder.display()
    );
    fs::write(folder.join("ca.cnf"), config).expect("a file");
    folder
}

/// This many seconds from now, as `openssl ca` reads times.
fn in_seconds(seconds: u32) -> String {
    let printed = run(Command::new("date").args(["-u", "+%Y%m%d%H%M%SZ", "-d"]).arg(format!("{seconds} seconds")));
    String::from_utf8_lossy(&printed.stdout).trim().to_owned()
}

/// Makes `<name>.crt` for a key, with these extensions and until this time, signed by an authority or by the key itself.
fn certify(
    openssl: &Path,
    folder: &Path,
    name: &str,
    key: &Path,
    by: Option<&Certificate>,
    (extensions, until): (&str, &str),
) {
    let file = |extension: &str| folder.join(format!("{name}.{extension}"));
    fs::write(file("cnf"), extensions).expect("a file");
    let config = folder.join("ca.cnf");
    let mut command = Command::new(openssl);
    command.args(["req", "-new", "-subj", &subject(name), "-config"]).arg(&config).arg("-key").arg(key);
    run(command.arg("-out").arg(file("csr")));
    let mut command = Command::new(openssl);
    command.args(["ca", "-batch", "-notext", "-startdate", FROM, "-enddate", until, "-config"]).arg(&config);
    command.arg("-in").arg(file("csr")).arg("-out").arg(file("crt")).arg("-extfile").arg(file("cnf"));
    match by {
        Some(by) => command.arg("-cert").arg(&by.certificate).arg("-keyfile").arg(&by.key),
        None => command.arg("-selfsign").arg("-keyfile").arg(key),
    };
    run(&mut command);
}

fn new_key(openssl: &Path, folder: &Path, name: &str, algorithm: &str) -> PathBuf {
    let key = folder.join(format!("{name}.key"));
    let (kind, size) = algorithm.split_once('-').expect("RSA-… or EC-…");
    let option = match kind {
        "RSA" => format!("rsa_keygen_bits:{size}"),
        _ => format!("ec_paramgen_curve:P-{size}"),
    };
    run(Command::new(openssl).args(["genpkey", "-algorithm", kind, "-pkeyopt", &option, "-out"]).arg(&key));
    key
}

/// Takes percent encoding away.
fn decoded(path: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = path.bytes();
    while let Some(octet) = rest.next() {
        let value = |octet: Option<u8>| octet.and_then(|octet| char::from(octet).to_digit(16));
        match octet {
            b'%' => match (value(rest.next()), value(rest.next())) {
                (Some(high), Some(low)) => octets.push(u8::try_from(high * 16 + low).unwrap_or_default()),
                _ => return Vec::new(),
            },
            other => octets.push(other),
        }
    }
    octets
}

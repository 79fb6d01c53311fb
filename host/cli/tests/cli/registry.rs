//! `bulla sign` and `bulla verify` against a registry, also one that loses what it was given.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bulla_registry::Digest;

use crate::common::{Place, image};

/// A registry in memory with one repository, `app`. It believes everything.
#[derive(Default)]
struct Registry {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
    /// Writes of tags still to be lost: another writer came right after.
    to_lose: u32,
    puts: u32,
}

/// Starts a registry that holds `app:1`; gives its `host:port`.
fn start(to_lose: u32) -> (String, Arc<Mutex<Registry>>) {
    let (manifest, blobs) = image("in a registry");
    let mut registry = Registry { to_lose, ..Registry::default() };
    for blob in blobs {
        registry.blobs.insert(Digest::sha256(&blob).as_str().to_owned(), blob);
    }
    registry.manifests.insert(Digest::sha256(&manifest).as_str().to_owned(), manifest.clone());
    registry.manifests.insert("1".to_owned(), manifest);
    let registry = Arc::new(Mutex::new(registry));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let shared = registry.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let shared = shared.clone();
            std::thread::spawn(move || answer(connection, &shared));
        }
    });
    (address, registry)
}

fn answer(mut connection: TcpStream, registry: &Mutex<Registry>) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, headers, content) = registry.lock().expect("not poisoned").answer(&method, &target, body);
    let digest = match content.is_empty() {
        true => String::new(),
        false => format!("Docker-Content-Digest: {}\r\n", Digest::sha256(&content)),
    };
    let length = content.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{digest}{headers}\r\n");
    connection.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        connection.write_all(&content).ok()?;
    }
    Some(())
}

impl Registry {
    fn answer(&mut self, method: &str, target: &str, body: Vec<u8>) -> (u16, &'static str, Vec<u8>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix("/v2/app/").unwrap_or_default();
        let digest = Digest::sha256(&body).as_str().to_owned();
        match (method, path.split_once('/')) {
            ("GET" | "HEAD", Some(("manifests", name))) => match self.manifests.get(name) {
                Some(found) if found.windows(11).any(|window| window == b"\"manifests\"") => {
                    (200, "Content-Type: application/vnd.oci.image.index.v1+json\r\n", found.clone())
                }
                Some(found) => (200, "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", found.clone()),
                None => (404, "", Vec::new()),
            },
            ("PUT", Some(("manifests", name))) => {
                let is_tag = !name.contains(':');
                self.puts += u32::from(is_tag);
                match self.to_lose.checked_sub(1).filter(|_| is_tag) {
                    Some(left) => self.to_lose = left,
                    None => {
                        self.manifests.insert(name.to_owned(), body.clone());
                        self.manifests.insert(digest, body);
                    }
                }
                (201, "", Vec::new())
            }
            ("POST", Some(("blobs", "uploads/"))) => (202, "Location: /v2/app/blobs/uploads/1\r\n", Vec::new()),
            ("PUT", Some(("blobs", "uploads/1"))) if query.contains(&digest.replace(':', "%3A")) => {
                self.blobs.insert(digest, body);
                (201, "", Vec::new())
            }
            ("GET" | "HEAD", Some(("blobs", name))) => match self.blobs.get(name) {
                Some(found) => (200, "", found.clone()),
                None => (404, "", Vec::new()),
            },
            _ => (404, "", Vec::new()),
        }
    }
}

/// Signs an image in a registry that loses writes; gives what came of it and how often the tag was written.
fn signed(form: &str, to_lose: u32) -> (Place, String, i32, String, u32) {
    let place = Place::new();
    let (address, registry) = start(to_lose);
    place.done(&["key", "generate", "--no-passphrase"]);
    // Nobody else writes at this moment: a registry in memory has settled at once.
    place.write("quick.yaml", "registry:\n  limits:\n    settleMilliseconds: 5\n");
    let image = format!("{address}/app:1");
    assert_eq!(place.run(&["verify", &image, "--key", "bulla.pub"]).code, 1);
    let ended = place.run(&["sign", &image, "--key", "bulla.key", "--form", form, "--config", "quick.yaml"]);
    let puts = registry.lock().expect("not poisoned").puts;
    (place, image, ended.code, ended.err, puts)
}

#[test]
fn a_signature_is_published_and_found() {
    for form in ["legacy", "bundle"] {
        let (place, image, code, err, puts) = signed(form, 0);
        assert_eq!((code, puts), (0, 1), "{err}");
        let text = place.done(&["verify", &image, "--key", "bulla.pub", "--form", form]);
        assert!(text.starts_with(&format!("accept  {image}@sha256:")), "{text}");
        assert_eq!(place.run(&["sign", &image.replace("app:1", "app:2"), "--key", "bulla.key"]).code, 2);
    }
}

#[test]
fn a_signature_that_is_lost_is_published_again() {
    for form in ["legacy", "bundle"] {
        let (place, image, code, err, puts) = signed(form, 2);
        assert_eq!((code, puts), (0, 3), "{err}");
        place.done(&["verify", &image, "--key", "bulla.pub"]);
    }
}

#[test]
fn a_signature_that_is_lost_each_time_is_an_error() {
    let (_place, _image, code, err, puts) = signed("bundle", u32::MAX);
    assert_eq!((code, puts), (2, 13), "{err}");
    assert!(err.contains("pushed, but not yet listed") && err.contains("13 times in a row; try again later"), "{err}");
}

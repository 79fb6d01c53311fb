//! How many requests a verification costs its registry (docs/policy.md, *Amounts*).

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bulla_tests::peers;
use bulla_tests::support::certificates::Leaf;
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{Registry, RegistryKind, bulla_verify, cosign_key};

use crate::bundles::cosign_bundle;

/// A bundle of cosign, by tag, nothing cached: 4 requests where referrers are listed, 5 where they are under a tag.
#[test]
fn a_bundle_costs_four_requests_or_five_without_the_referrers_api() {
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    for kind in RegistryKind::there() {
        let at_most = if kind.lists_referrers() { 4 } else { 5 };
        let Some(registry) = Registry::start_kind(kind) else { return };
        let counting = Counting::before(registry.address);
        let folder = tempfile::tempdir().expect("a folder");
        let image = registry.name("interop/counted:1");
        registry.push_image(&image, "counted");
        let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
        cosign_bundle(&cosign, "sign", &private, &image, &[]);
        let through = format!("{}/interop/counted:1", counting.address);
        let (code, verdict) = bulla_verify(&[&through, "--key", &public.display().to_string()]);
        assert_eq!(code, 0, "{verdict}");
        let requests = counting.requests();
        assert!((3..=at_most).contains(&requests), "{requests} requests at {kind:?}, at most {at_most}");
        eprintln!("{requests} requests at {}", kind.program());
    }
}

/// A signature of Notation, by tag, nothing cached: the same.
#[test]
fn a_notation_signature_costs_four_requests_or_five_without_the_referrers_api() {
    let Some(notation) = Notation::new() else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.policy(&Trust::default());
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    for kind in RegistryKind::there() {
        let at_most = if kind.lists_referrers() { 4 } else { 5 };
        let Some(registry) = Registry::start_kind(kind) else { return };
        for format in FORMATS {
            let counting = Counting::before(registry.address);
            let name = format!("interop/counted-{format}:1");
            let image = registry.name(&name);
            registry.push_image(&image, "counted");
            notation.sign("release", format, &image, &[]);
            let (code, verdict) = notation.bulla(&format!("{}/{name}", counting.address), &[]);
            assert_eq!(code, 0, "{verdict}");
            let requests = counting.requests();
            assert!((3..=at_most).contains(&requests), "{requests} requests at {kind:?}, at most {at_most}");
            eprintln!("{requests} requests at {} for {format}", kind.program());
        }
    }
}

/// The proxy counts as docker-registry counts in its own log.
#[test]
fn the_counting_proxy_counts_what_the_registry_answers() {
    let Some(registry) = Registry::start() else { return };
    let counting = Counting::before(registry.address);
    let folder = tempfile::tempdir().expect("a folder");
    registry.push_image(&registry.name("interop/counted:1"), "counted");
    let (_, public) = bulla_tests::support::bulla_key(folder.path(), "key", "ecdsa-p256");
    let before = registry.requests();
    let through = format!("{}/interop/counted:1", counting.address);
    let (code, verdict) = bulla_verify(&[&through, "--key", &public.display().to_string()]);
    assert_eq!(code, 1, "{verdict}");
    // The log is written after the answer: a moment later at most.
    let start = std::time::Instant::now();
    while registry.requests() - before < counting.requests() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(registry.requests() - before, counting.requests());
}

/// A port in front of a registry that counts the requests through it. Bytes pass as they are.
struct Counting {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
}

impl Counting {
    fn before(registry: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || pass(client, registry, &counter));
            }
        });
        Self { address, count }
    }

    fn requests(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Both directions of one connection. GET and HEAD have no body: a request ends with its first empty line.
fn pass(mut client: TcpStream, registry: SocketAddr, counter: &AtomicUsize) {
    let limit = Some(Duration::from_secs(60));
    let Ok(mut server) = TcpStream::connect_timeout(&registry, Duration::from_secs(5)) else { return };
    let _ = (client.set_read_timeout(limit), server.set_read_timeout(limit));
    let (Ok(mut back_from), Ok(mut back_to)) = (server.try_clone(), client.try_clone()) else { return };
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    let (mut buffer, mut tail) = ([0; 16 * 1024], Vec::new());
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        for byte in &buffer[..length] {
            tail.push(*byte);
            if tail.ends_with(b"\r\n\r\n") {
                counter.fetch_add(1, Ordering::SeqCst);
                tail.clear();
            }
        }
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = back.join();
}

//! Adding under a tag that others write as well: what each of them did stays.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use bulla_registry::{Added, Addition, RegistryError, UnderTag};
use bytes::Bytes;

use crate::fake::{Fake, MANIFEST, Seen, client, respond};

/// What a registry does with the manifest under the one tag: reads and writes go through `answer`, which sees how many writes
/// came before.
async fn registry(
    answer: impl Fn(&Seen, &mut Vec<u8>, usize) -> Option<Response> + Send + Sync + 'static,
) -> (Fake, Arc<Mutex<Vec<u8>>>) {
    let stored: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (state, writes) = (Arc::clone(&stored), Mutex::new(0));
    let fake = Fake::start(move |seen| {
        let (mut state, mut writes) = (state.lock().unwrap(), writes.lock().unwrap());
        let special = answer(seen, &mut state, *writes);
        let is_write = seen.method == "PUT";
        *writes += usize::from(is_write);
        match special {
            Some(response) => response,
            None if is_write => {
                *state = seen.body.to_vec();
                respond(201, &[], "")
            }
            None if state.is_empty() => respond(404, &[], ""),
            None => respond(200, &[("content-type", MANIFEST)], state.clone()),
        }
    })
    .await;
    (fake, stored)
}

/// Adds a word to the words there, and those that were lost.
async fn add(fake: &Fake, word: &str) -> Result<Added, RegistryError> {
    let words = |bytes: Option<&Bytes>| -> Vec<String> {
        let text = bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    client()
        .add_to_tag(&fake.address, "org/app", "t", async |under: UnderTag<'_>| {
            let mut now = words(under.now);
            if now.iter().any(|there| there == word) {
                return Ok::<_, RegistryError>(None);
            }
            for lost in words(under.written).into_iter().chain([word.to_owned()]) {
                if !now.contains(&lost) {
                    now.push(lost);
                }
            }
            let manifest = Bytes::from(now.join(" "));
            Ok(Some(Addition { manifest, media_type: MANIFEST.to_owned(), blobs: Vec::new() }))
        })
        .await
}

fn text(stored: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(stored.lock().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn the_tag_is_read_right_before_and_after_it_is_written() {
    let (fake, stored) = registry(|_, _, _| None).await;
    assert_eq!(add(&fake, "a").await.unwrap(), Added { writes: 1, conflicts: 0 });
    let methods: Vec<String> = fake.seen().iter().map(|seen| seen.method.to_string()).collect();
    assert_eq!(methods, ["GET", "GET", "PUT", "GET"]);
    assert_eq!(add(&fake, "b").await.unwrap(), Added { writes: 1, conflicts: 0 });
    assert_eq!(add(&fake, "a").await.unwrap(), Added { writes: 0, conflicts: 0 });
    assert_eq!(text(&stored), "a b");
}

#[tokio::test]
async fn what_another_writer_dropped_is_put_back() {
    let (fake, stored) = registry(|seen, state, writes| {
        // Right after the first write somebody writes what he had read before it.
        (seen.method == "PUT" && writes == 0).then(|| {
            *state = b"theirs".to_vec();
            respond(201, &[], "")
        })
    })
    .await;
    *stored.lock().unwrap() = b"earlier".to_vec();
    assert_eq!(add(&fake, "ours").await.unwrap(), Added { writes: 2, conflicts: 1 });
    assert_eq!(text(&stored), "theirs earlier ours");
}

#[tokio::test]
async fn a_tag_that_changes_before_the_write_is_merged_again() {
    let (fake, stored) = registry(|seen, state, writes| {
        let changes = seen.method == "GET" && writes == 0 && state.len() < 9;
        let answer = respond(200, &[("content-type", MANIFEST)], state.clone());
        changes.then(|| {
            let more = if state.is_empty() { "x1" } else { " x2" };
            state.extend(more.as_bytes());
            if state.len() == 2 { respond(404, &[], "") } else { answer }
        })
    })
    .await;
    assert_eq!(add(&fake, "ours").await.unwrap(), Added { writes: 1, conflicts: 0 });
    assert!(text(&stored).starts_with("x1 x2") && text(&stored).ends_with("ours"), "{}", text(&stored));
}

#[tokio::test]
async fn a_condition_that_fails_is_a_conflict() {
    let (fake, stored) = registry(|seen, state, writes| match (seen.method.as_str(), writes) {
        ("PUT", 0) => {
            assert_eq!(seen.header("if-match"), Some("\"1\""));
            state.extend(b" theirs");
            Some(respond(412, &[], ""))
        }
        ("GET", _) => Some(respond(200, &[("etag", "\"1\"")], state.clone())),
        _ => None,
    })
    .await;
    *stored.lock().unwrap() = b"earlier".to_vec();
    assert_eq!(add(&fake, "ours").await.unwrap(), Added { writes: 2, conflicts: 1 });
    assert_eq!(text(&stored), "earlier theirs ours");
}

#[tokio::test]
async fn a_registry_that_stumbles_is_asked_again_and_a_write_is_never_sent_twice() {
    let (fake, stored) = registry(|seen, _, writes| {
        (seen.method == "PUT" && writes == 0).then(|| respond(503, &[("retry-after", "0")], ""))
    })
    .await;
    assert_eq!(add(&fake, "ours").await.unwrap(), Added { writes: 2, conflicts: 1 });
    assert_eq!(text(&stored), "ours");
    let methods: Vec<String> = fake.seen().iter().map(|seen| seen.method.to_string()).collect();
    assert_eq!(methods, ["GET", "GET", "PUT", "GET", "GET", "PUT", "GET"]);

    let (broken, _) = registry(|_, _, _| Some(respond(500, &[], ""))).await;
    let error = add(&broken, "ours").await.unwrap_err();
    assert!(matches!(error, RegistryError::Status { status: 500, .. }), "{error}");
    let (closed, _) = registry(|_, _, _| Some(respond(403, &[], ""))).await;
    assert!(matches!(add(&closed, "ours").await.unwrap_err(), RegistryError::Status { status: 403, .. }));
    assert_eq!(closed.lines().len(), 1, "a refusal is no reason to try again");
}

#[tokio::test]
async fn who_loses_each_time_is_told() {
    let (fake, stored) = registry(|seen, _, _| (seen.method == "PUT").then(|| respond(201, &[], ""))).await;
    *stored.lock().unwrap() = b"theirs".to_vec();
    let error = add(&fake, "ours").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: another writer of t replaced what was added, 13 times in a row; try again later", fake.address)
    );
}

#[tokio::test]
async fn twenty_writers_lose_nothing() {
    let (fake, stored) = registry(|_, _, _| None).await;
    let fake = &fake;
    let words: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
    let results = futures_util::future::join_all(words.iter().map(|word| add(fake, word))).await;
    let there = text(&stored);
    for (word, result) in words.iter().zip(results) {
        assert!(result.is_ok(), "{result:?}");
        assert!(there.split_whitespace().any(|there| there == word), "{word} is not in {there}");
    }
}

//! Messages that are not messages, headers that are not headers, and operations that there are not.

use serde_json::json;

use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    framing(book);
    headers(book);
    state(book);
}

fn vector(operation: &str, comment: &str, expect: Expect) -> Vector {
    Vector {
        comment: comment.to_owned(),
        layer: "message".to_owned(),
        operation: operation.to_owned(),
        header: None,
        header_bytes: None,
        message: None,
        blobs: Vec::new(),
        expect,
    }
}

fn framing(book: &mut Book) {
    let invalid = || Expect::error("message-invalid");
    let mut raw = |name: &str, bytes: &[u8], comment: &str, expect| {
        let message = Recipe::Base64(super::toolbox::base64(bytes));
        add(book, &format!("message/{name}"), Vector { message: Some(message), ..vector("describe", comment, expect) });
    };
    raw("empty", b"", "No octet at all.", invalid().text("cut short"));
    raw("length-cut", &[2, 0, 0], "A length of three octets.", invalid().text("cut short"));
    raw("header-cut", b"\x03\0\0\0{}", "A header shorter than announced.", invalid().text("cut short"));
    raw("header-too-large", b"\xff\xff\xff\xff{}", "A length of 4 GiB is never allocated.", invalid().text("at most"));
    raw("header-above-limit", b"\x01\0\0\x01{}", "One octet above 16 MiB.", invalid().text("16777217"));
    raw("blob-length-cut", b"\x02\0\0\0{}\x01\0", "A blob's length that is cut short.", invalid().text("cut short"));
    raw(
        "blob-too-long",
        b"\x02\0\0\0{}\xff\xff\xff\xff",
        "A blob of 4 GiB is never allocated.",
        invalid().text("cut short"),
    );
    raw("trailing", b"\x02\0\0\0{}\0\0\0\0x", "An octet behind the last blob.", invalid().text("cut short"));
    raw(
        "smallest",
        b"\x02\0\0\0{}",
        "The smallest message.",
        Expect::outcome("ok").answer(json!({"name": "bulla", "abi": 1})),
    );
    raw(
        "describe-with-blob",
        b"\x02\0\0\0{}\0\0\0\0",
        "Describe looks at nothing that it is sent.",
        Expect::outcome("ok"),
    );
    let blobs = Recipe::Concat(vec![Recipe::Base64("AgAAAHt9".to_owned()), Recipe::repeat("\0\0\0\0", 4097)]);
    add(
        book,
        "message/4097-blobs",
        Vector {
            message: Some(blobs),
            ..vector("describe", "More blobs than one round of evidence has.", invalid().text("4096 blobs"))
        },
    );
    for number in ["99", "-1", "2147483647", "-2147483648"] {
        let expect = Expect::error("operation-unknown").text(number);
        let vector = Vector { header: Some(json!({})), ..vector(number, "There is no such operation.", expect) };
        add(book, &format!("message/operation-{}", number.replace('-', "minus-")), vector);
    }
}

fn headers(book: &mut Book) {
    let invalid = || Expect::error("message-invalid");
    let mut text = |name: &str, operation: &str, header: Recipe, comment: &str, expect| {
        add(
            book,
            &format!("header/{name}"),
            Vector { header_bytes: Some(header), ..vector(operation, comment, expect) },
        );
    };
    let of = |text: &str| Recipe::Text(text.to_owned());
    text("empty", "load", of(""), "A header is a JSON object.", invalid());
    text("not-json", "load", of("documents"), "Not JSON.", invalid());
    text("not-utf-8", "load", Recipe::Base64("eyL/Ijp9".to_owned()), "Not UTF-8.", invalid());
    text("a-list", "load", of("[]"), "A list.", invalid());
    text(
        "duplicate-key",
        "load",
        of(r#"{"documents":[],"documents":[]}"#),
        "Duplicate keys.",
        invalid().text("duplicate key"),
    );
    text("trailing", "load", of(r#"{"documents":[]} {}"#), "Nothing follows.", invalid());
    text(
        "deep",
        "load",
        Recipe::Concat(vec![of(r#"{"documents":"#), Recipe::repeat("[", 100_000)]),
        "Nesting has a limit.",
        invalid(),
    );
    text(
        "unknown-field",
        "load",
        of(r#"{"documents":[],"strict":true}"#),
        "A field that nobody reads loosens silently.",
        invalid().text("unknown field `strict`"),
    );
    text(
        "unknown-field-below",
        "load",
        of(r#"{"documents":[{"name":"a","blob":0,"sha256":""}]}"#),
        "The same below.",
        invalid().text("unknown field `sha256`"),
    );
    let comment = "A list in the place of an object would be read by position.";
    text("positional", "load", of("[[]]"), comment, invalid());
    text("positional-below", "load", of(r#"{"documents":[["a",0]]}"#), comment, invalid());
    text(
        "positional-question",
        "decide",
        of(r#"{"documents":[],"question":["registry.example/app",1],"evidence":[]}"#),
        comment,
        invalid(),
    );
    text("missing-field", "load", of("{}"), "A field that is missing.", invalid().text("missing field `documents`"));
    text(
        "blob-out-of-range",
        "load",
        of(r#"{"documents":[{"name":"a","blob":7}]}"#),
        "A blob that there is not.",
        invalid().text("blob 7"),
    );
    text("blob-negative", "load", of(r#"{"documents":[{"name":"a","blob":-1}]}"#), "An index that is none.", invalid());
    text("blob-float", "load", of(r#"{"documents":[{"name":"a","blob":0.5}]}"#), "An index that is none.", invalid());
    let question = r#"{"documents":[],"question":{"image":"registry.example/app","now":1},"evidence":"#;
    let decide = |evidence: &str| of(&format!("{question}{evidence}}}"));
    text(
        "evidence-blob-out-of-range",
        "decide",
        decide(r#"[{"need":"x","outcome":"found","blob":3}]"#),
        "Evidence names a blob that there is not; no policy matches, and nobody looks.",
        Expect::outcome("reject").reason("no-policy"),
    );
    text(
        "evidence-outcome-unknown",
        "decide",
        decide(r#"[{"need":"x","outcome":"guessed"}]"#),
        "An outcome that there is not.",
        invalid().text("guessed"),
    );
    text("evidence-no-list", "decide", decide("{}"), "Evidence is a list.", invalid());
    text(
        "question-unknown-field",
        "decide",
        of(&question
            .replace("\"now\":1}", "\"now\":1,\"insecure\":true}")
            .replace("\"evidence\":", "\"evidence\":[]}")),
        "A question is exact.",
        invalid().text("unknown field `insecure`"),
    );
    text(
        "question-no-time",
        "decide",
        of(&question.replace(",\"now\":1", "").replace("\"evidence\":", "\"evidence\":[]}")),
        "Time is an argument, and never left out.",
        invalid().text("missing field `now`"),
    );
    text(
        "question-time-float",
        "decide",
        of(&question.replace("\"now\":1", "\"now\":1.5").replace("\"evidence\":", "\"evidence\":[]}")),
        "Whole seconds.",
        invalid(),
    );
    text(
        "check-hash-unknown",
        "check",
        of(r#"{"key":0,"message":0,"signature":0,"hash":"sha1"}"#),
        "SHA-1 is not among the hashes.",
        invalid().text("sha1"),
    );
    text(
        "check-blob-out-of-range",
        "check",
        of(r#"{"key":0,"message":1,"signature":2,"hash":"sha256"}"#),
        "A blob that there is not.",
        invalid().text("blob 0"),
    );
    text(
        "generate-algorithm-unknown",
        "generate",
        of(r#"{"algorithm":"dsa","entropy":0}"#),
        "An algorithm that there is not.",
        invalid().text("dsa"),
    );
}

fn state(book: &mut Book) {
    let mut add = |name: &str, operation: &str, header, comment: &str, code: &str| {
        let vector = Vector { header: Some(header), ..vector(operation, comment, Expect::error(code)) };
        add(book, &format!("state/{name}"), vector);
    };
    add(
        "open-before-load",
        "open",
        json!({"question": {"image": "a.example/b", "now": 1}}),
        "Policies come first.",
        "not-loaded",
    );
    add("supply-before-open", "supply", json!({"evidence": []}), "A question comes first.", "not-open");
}

//! The module, the help, the services' configuration, and what is refused.

use crate::common::{Place, json_of};

#[test]
fn the_module_is_described_and_written_and_read_again() {
    let place = Place::new();
    let described = json_of(&place.done(&["module", "--write", "copy.wasm", "--output", "json"]));
    assert_eq!(described["module"]["name"], "bulla");
    assert_eq!(described["size"], std::fs::metadata(place.path("copy.wasm")).expect("written").len());
    let again = json_of(&place.done(&["--module", "copy.wasm", "module", "--output", "json"]));
    assert_eq!(again["digest"], described["digest"]);
}

#[test]
fn what_is_not_our_module_is_refused() {
    let place = Place::new();
    place.write("text.wasm", "no module");
    std::fs::write(place.path("empty.wasm"), b"\0asm\x01\0\0\0").expect("written");
    for (file, said) in [
        ("text.wasm", "not a WebAssembly module"),
        ("empty.wasm", "not a Bulla module: it does not export `memory`"),
        ("absent.wasm", "No such file"),
    ] {
        let ended = place.run(&["--module", file, "module"]);
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains(&format!("error: --module {file}: {said}")), "{}", ended.err);
    }
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    assert!(place.done(&["--help"]).contains("Exit codes:"));
    for command in [
        &["verify"][..],
        &["inspect"],
        &["sign"],
        &["attest"],
        &["key", "generate"],
        &["key", "show"],
        &["key", "import"],
        &["policy", "check"],
        &["serve"],
        &["module"],
        &["demo"],
        &["completions"],
    ] {
        let help = place.done(&[command, &["--help"]].concat());
        assert!(help.contains("Example"), "{command:?}: {help}");
    }
    assert!(place.done(&["completions", "bash"]).contains("_bulla"));
    assert_eq!(place.run(&["verify", "registry.test/app:1"]).code, 2, "neither keys nor policies");
}

#[test]
fn a_configuration_is_printed_and_checked() {
    let place = Place::new();
    let reference = place.done(&["serve", "--print-config"]);
    assert!(reference.contains("webhook:") && reference.contains("proxy:"), "{reference}");
    place.write("nothing.yaml", "policies: []\n");
    let ended = place.run(&["serve", "--config", "nothing.yaml", "--check", "--log", "off"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("error: nothing to do"), "{}", ended.err);
    place.write("page.yaml", "http:\n  listen: 127.0.0.1:0\n");
    assert_eq!(place.done(&["serve", "--config", "page.yaml", "--check", "--log", "off"]), "valid: 0 policies\n");
}

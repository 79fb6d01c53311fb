//! `bulla policy check`.

use crate::common::{Place, json_of};

#[test]
fn a_mistake_is_shown_at_its_place() {
    let place = Place::new();
    place.done(&["key", "generate", "--no-passphrase"]);
    let key: String = place.read("bulla.pub").lines().map(|line| format!("          {line}\n")).collect();
    let policy = |require: &str| {
        format!(
            "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: app\nspec:\n  match:\n    everyImage: \
             true\n  signers:\n    release:\n      cosign:\n        publicKey: |\n{key}  require: {require}\n"
        )
    };
    place.write("good.yaml", &policy("release"));
    let valid = place.done(&["policy", "check", "good.yaml"]);
    assert!(valid.starts_with("valid  app  (mode enforce, good.yaml)\n  signer release  "), "{valid}");

    place.write("bad.yaml", &policy("relaese"));
    let bad = place.run(&["policy", "check", "bad.yaml"]);
    assert_eq!(bad.code, 1);
    let line = place.read("bad.yaml").lines().count();
    assert!(bad.out.starts_with(&format!("bad.yaml:{line}:")), "{}", bad.out);
    assert!(bad.out.contains("signer \"relaese\" is not defined"), "{}", bad.out);
    assert!(bad.out.contains(&format!("{line} |   require: relaese\n")), "{}", bad.out);
    let caret = bad.out.lines().last().expect("a line").trim_start();
    assert!(caret.starts_with('|') && caret.ends_with('^'), "{}", bad.out);

    let both = place.run(&["policy", "check", "good.yaml", "bad.yaml", "--output", "json"]);
    assert_eq!(both.code, 1);
    let both = json_of(&both.out);
    assert_eq!(both["valid"], false);
    assert_eq!(both["diagnostics"][0]["document"], "bad.yaml");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let ended = Place::new().run(&["policy", "check", "absent.yaml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("error: absent.yaml: "), "{}", ended.err);
}

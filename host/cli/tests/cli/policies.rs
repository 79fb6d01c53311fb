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
    assert!(bad.out.starts_with("error: signer \"relaese\" is not defined: there are release\n"), "{}", bad.out);
    assert!(bad.out.contains(&format!("--> bad.yaml:{line}:12\n")), "{}", bad.out);
    assert!(bad.out.contains(&format!("{line} |   require: relaese\n")), "{}", bad.out);
    assert!(bad.out.contains("|            ^^^^^^^ did you mean `release`?\n"), "{}", bad.out);
    assert!(bad.out.ends_with("= at spec.require\n") && !bad.out.contains('\u{1b}'), "{}", bad.out);

    let both = place.run(&["policy", "check", "good.yaml", "bad.yaml", "--output", "json"]);
    assert_eq!(both.code, 1);
    let both = json_of(&both.out);
    assert_eq!(both["valid"], false);
    let first = &both["diagnostics"][0];
    assert_eq!((&first["document"], &first["line"], &first["column"]), (&"bad.yaml".into(), &line.into(), &12.into()));
    assert_eq!((&first["path"], &first["suggestion"]), (&"spec.require".into(), &"release".into()));

    // A name that is far from all others, a place beyond the end, a line that is as long as its document.
    for (text, hint) in [
        (policy("somebody"), "^\n"),
        ("a: [\n".to_owned(), "--> bad.yaml:2:1\n"),
        (format!("apiVersion: bulla.dev/v1alpha1\nkind: {}\n", "x".repeat(9000)), "= at kind\n"),
        (policy("release").replace("everyImage:", "everyImag:"), "^^^^^^^^^ did you mean `everyImage`?\n"),
    ] {
        place.write("bad.yaml", &text);
        let bad = place.run(&["policy", "check", "bad.yaml"]);
        assert!(bad.code == 1 && bad.out.contains(hint) && bad.out.len() < 1500, "{}", bad.out);
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let ended = Place::new().run(&["policy", "check", "absent.yaml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("error: absent.yaml: "), "{}", ended.err);
}

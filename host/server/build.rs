//! Lists the page's files, so that a new file under `web/` is served without being named anywhere, and the module's
//! JavaScript that `cargo xtask build` makes.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Files that are served, and their media types.
const TYPES: [(&str, &str); 6] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("json", "application/json"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BULLA_WASM");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here.join("../..");

    let web = root.join("web");
    println!("cargo::rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    collect(&web, "", &mut files);
    // The module's JavaScript lies beside the module.
    let module = env::var_os("BULLA_WASM").filter(|path| !path.is_empty()).map(PathBuf::from);
    let glue = module.unwrap_or_else(|| root.join("target/bulla/bulla.wasm")).with_file_name("bulla.js");
    println!("cargo::rerun-if-changed={}", glue.display());
    if glue.is_file() && !files.iter().any(|(name, _)| name == "/bulla.js") {
        files.push(("/bulla.js".to_owned(), glue));
    }
    files.sort();

    let mut code = String::from("&[\n");
    for (name, file) in &files {
        let file = fs::canonicalize(file).expect("it was listed just now");
        println!("cargo::rerun-if-changed={}", file.display());
        let media_type = media_type(file.extension().and_then(|extension| extension.to_str())).unwrap_or_default();
        code.push_str(&format!("    ({name:?}, {media_type:?}, include_bytes!({:?})),\n", file.display().to_string()));
    }
    code.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("page.rs"), code).expect("cargo's folder can be written");
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    // Without a page there is nothing to serve, which is no reason not to build.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || name == "node_modules" || name == "tests" || name == "package.json" {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{prefix}/{name}"), files);
        } else if media_type(path.extension().and_then(|extension| extension.to_str())).is_some() {
            files.push((format!("{prefix}/{name}"), path));
        }
    }
}

fn media_type(extension: Option<&str>) -> Option<&'static str> {
    TYPES.into_iter().find(|(known, _)| Some(*known) == extension).map(|(_, media_type)| media_type)
}

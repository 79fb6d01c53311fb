//! Lists the page's files, so that a new file under `web/` is served without being named anywhere, and the module's
//! JavaScript that `cargo xtask build` makes. What gets smaller is compressed here, once, and not for each reader.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// Media types by the end of a name; everything else is octets.
const TYPES: [(&str, &str); 9] = [
    (".html", "text/html; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".mjs", "text/javascript; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".json", "application/json"),
    (".webmanifest", "application/manifest+json"),
    (".wasm", "application/wasm"),
    (".ts", "text/plain; charset=utf-8"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BULLA_WASM");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let root = here.join("../..");

    let web = root.join("web");
    println!("cargo::rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    collect(&web, "", &mut files);
    let module = env::var_os("BULLA_WASM").filter(|path| !path.is_empty()).map(PathBuf::from);
    let module = module.unwrap_or_else(|| root.join("target/bulla/bulla.wasm"));
    // The module's JavaScript and its types lie beside the module. What the page has under the same name is the page's.
    for name in ["bulla.js", "bulla.d.ts"] {
        let glue = module.with_file_name(name);
        println!("cargo::rerun-if-changed={}", glue.display());
        let name = format!("/{name}");
        if glue.is_file() && !files.iter().any(|(known, _)| *known == name) {
            files.push((name, glue));
        }
    }
    println!("cargo::rerun-if-changed={}", module.display());
    if module.is_file() {
        // Its octets are in the engine; here are only its compressed forms, for exactly these octets.
        files.push(("/bulla.wasm".to_owned(), module));
    }
    files.sort();

    let mut code = String::from("&[\n");
    for (index, (name, file)) in files.iter().enumerate() {
        let file = fs::canonicalize(file).expect("it was listed just now");
        println!("cargo::rerun-if-changed={}", file.display());
        let plain = fs::read(&file).expect("it was listed just now");
        let digest = hex::encode(Sha256::digest(&plain));
        let media_type = TYPES.into_iter().find(|(end, _)| name.ends_with(end));
        let media_type = media_type.map_or("application/octet-stream", |(_, media_type)| media_type);
        let kept = if name == "/bulla.wasm" { "&[]".to_owned() } else { included(&file) };
        let mut forms = Vec::new();
        for (coding, packed) in [("br", brotli(&plain)), ("gzip", gzip(&plain))] {
            let form = out.join(format!("page-{index}.{coding}"));
            // A form that saves less than a twentieth is not worth unpacking it.
            let worth = packed.len() < plain.len() - plain.len() / 20;
            fs::write(&form, if worth { &packed[..] } else { &[] }).expect("cargo's folder can be written");
            forms.push(included(&form));
        }
        code.push_str(&format!("    ({name:?}, {media_type:?}, {digest:?}, {kept}, {}),\n", forms.join(", ")));
    }
    code.push_str("]\n");
    fs::write(out.join("page.rs"), code).expect("cargo's folder can be written");
}

fn included(file: &Path) -> String {
    format!("include_bytes!({:?})", file.display().to_string())
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    // Without a page there is nothing to serve, which is no reason not to build.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, &format!("{prefix}/{name}"), files);
        } else {
            files.push((format!("{prefix}/{name}"), path));
        }
    }
}

fn brotli(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 64 * 1024, 11, 22);
    writer.write_all(plain).and_then(|()| writer.flush()).expect("memory can be written");
    drop(writer);
    packed
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(plain).and_then(|()| writer.finish()).expect("memory can be written")
}

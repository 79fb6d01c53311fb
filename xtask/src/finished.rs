//! What a finished module must be: no imports, the contract's exports, nothing beyond what every host runs.

use anyhow::{Context as _, Result, bail, ensure};
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

/// Octets of the header of a module: magic number and version.
const PREAMBLE: usize = 8;
const CUSTOM_SECTION: u8 = 0;

/// What every host runs: WebAssembly 2.0 without reference types, several results and vectors. wasmtime without its
/// `gc` feature refuses the first; small interpreters refuse all three.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::FLOATS
}

/// Holds a finished module against the contract (docs/abi.md).
///
/// # Errors
/// When it is not valid for every host, has any import, or lacks an export; the message names all of them.
pub(crate) fn check(module: &[u8]) -> Result<()> {
    Validator::new_with_features(features())
        .validate_all(module)
        .context("the finished module needs a WebAssembly feature that some hosts lack, or is broken")?;
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    exports.push((export.name, export.kind));
                }
            }
            _ => {}
        }
    }
    if !imports.is_empty() {
        bail!(
            "the finished module imports {}; it may import nothing. A `JsValue`, `JsError` or closure in the exported \
             API brings imports, and so does a crate that asks for time or randomness",
            imports.join(", ")
        );
    }
    let functions = bulla_abi::EXPORTS.iter().map(|name| (*name, ExternalKind::Func));
    let missing: Vec<&str> = std::iter::once(("memory", ExternalKind::Memory))
        .chain(functions)
        .filter(|wanted| !exports.contains(wanted))
        .map(|(name, _)| name)
        .collect();
    ensure!(missing.is_empty(), "the finished module does not export {}; see docs/abi.md", missing.join(", "));
    Ok(())
}

/// The module without the custom sections of this name. rustup's prebuilt standard library marks a module as using
/// reference types (`target_features`), at which wasm-bindgen would add a table and an import that nothing needs.
///
/// # Errors
/// When the bytes are cut short.
pub(crate) fn without_custom_section(module: &[u8], name: &str) -> Result<Vec<u8>> {
    let mut kept = module.get(..PREAMBLE).context("not a module: shorter than its header")?.to_vec();
    let mut at = PREAMBLE;
    while let Some((&id, rest)) = module.get(at..).and_then(<[u8]>::split_first) {
        let (size, body) = leb_u32(rest).with_context(|| format!("section at offset {at} has no size"))?;
        let content = body.get(..size).with_context(|| format!("section at offset {at} is cut short"))?;
        let end = at + 1 + (rest.len() - body.len()) + size;
        let own_name = leb_u32(content).and_then(|(length, text)| text.get(..length));
        if id != CUSTOM_SECTION || own_name != Some(name.as_bytes()) {
            kept.extend_from_slice(&module[at..end]);
        }
        at = end;
    }
    Ok(kept)
}

/// An unsigned 32-bit LEB128 number, and what follows it.
fn leb_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{check, without_custom_section};

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![id, u8::try_from(body.len()).expect("small")];
        bytes.extend_from_slice(body);
        bytes
    }

    fn module(sections: &[&[u8]]) -> Vec<u8> {
        let mut bytes = EMPTY.to_vec();
        sections.iter().for_each(|section| bytes.extend_from_slice(section));
        bytes
    }

    fn complete(extra_import: bool) -> Vec<u8> {
        // Type 0: no parameters, no results. The contract's functions all have it here: only names and kinds count.
        let types = section(1, &[1, 0x60, 0, 0]);
        let imports = section(2, b"\x01\x03env\x03now\0\0");
        let functions = section(3, &[1, 0]);
        let memory = section(5, &[1, 0, 1]);
        let index = u8::from(extra_import);
        let mut exports = b"\x05\x06memory\x02\0".to_vec();
        for name in bulla_abi::EXPORTS {
            exports.push(u8::try_from(name.len()).expect("short"));
            exports.extend_from_slice(name.as_bytes());
            exports.extend_from_slice(&[0, index]);
        }
        let exports = section(7, &exports);
        let code = section(10, &[1, 2, 0, 0x0b]);
        let imports: &[u8] = if extra_import { &imports } else { &[] };
        module(&[&types, imports, &functions, &memory, &exports, &code])
    }

    #[test]
    fn a_module_with_the_contract_and_nothing_else_passes() {
        check(&complete(false)).expect("complete");
    }

    #[test]
    fn an_import_fails_and_is_named() {
        let error = check(&complete(true)).expect_err("has an import").to_string();
        assert!(error.contains("env.now"), "{error}");
    }

    #[test]
    fn missing_exports_fail_and_are_named() {
        let error = check(EMPTY).expect_err("exports nothing").to_string();
        assert!(error.contains("memory, bulla_abi, bulla_alloc"), "{error}");
    }

    #[test]
    fn a_reference_type_fails() {
        let table_of_externref = section(4, &[1, 0x6f, 0, 0]);
        let error = format!("{:#}", check(&module(&[&table_of_externref])).expect_err("needs a feature"));
        assert!(error.contains("feature"), "{error}");
    }

    #[test]
    fn only_the_named_custom_section_is_dropped() {
        let named = section(0, b"\x0ftarget_features\x01+\x0freference-types");
        let other = section(0, b"\x05other....");
        let types = section(1, &[0]);
        let whole = module(&[&types, &named, &other]);
        let kept = without_custom_section(&whole, "target_features").expect("well formed");
        assert_eq!(kept, module(&[&types, &other]));
        assert!(without_custom_section(&whole[..whole.len() - 1], "x").is_err());
    }
}

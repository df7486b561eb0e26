//! Tests of inspection and of packing.

use proptest::prelude::*;

use super::*;
use crate::testing::{SOURCE, component, package, tool, tool_component};
use crate::{Error, pack};

#[test]
fn a_package_shows_what_it_is_and_asks_for() {
    let inspection = inspect(&package()).unwrap();
    assert_eq!(inspection.imports, ["wasi:cli/environment@0.2.3", "openpact:host/log@0.1.0"]);
    assert_eq!(inspection.exports, ["openpact:tool/tools@0.1.0"]);
    assert_eq!(inspection.manifest.unwrap().name.as_str(), "web");
    assert_eq!(inspection.refusals, Vec::<String>::new());
    assert_eq!(inspection.warnings, Vec::<String>::new());
}

#[test]
fn a_component_without_a_manifest_is_shown_and_told() {
    let inspection = inspect(&component(&[], &["wasi:cli/run@0.2.3"])).unwrap();
    assert_eq!(inspection.manifest, None);
    assert_eq!(inspection.refusals.len(), 2, "{:?}", inspection.refusals);
    assert!(inspection.refusals[0].contains("it exports wasi:cli/run@0.2.3"));
}

#[test]
fn requests_that_no_import_backs_are_warnings() {
    let source = format!(
        "{SOURCE}\n[requests]\nkv = 1\n[[requests.http]]\nmethods = [\"GET\"]\nurl = \"https://a/\"\nreason = \"x\"\n\
         [[requests.files]]\nmount = \"workspace\"\naccess = \"read\"\nreason = \"x\"\n"
    );
    let imports = ["wasi:filesystem/types@0.2.3", "openpact:host/log@0.1.0"];
    let bytes = pack(&component(&imports, &["openpact:tool/tools@0.1.0"]), &source, vec![tool("x")]).unwrap();
    let warnings = inspect(&bytes).unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "the manifest states requests.http, but the component does not import wasi:http",
            "the manifest states requests.kv, but the component does not import openpact:host/kv",
        ]
    );
}

#[test]
fn packing_changes_nothing_but_the_end() {
    let component = tool_component();
    assert!(package().starts_with(&component));
}

#[test]
fn packing_refuses_what_an_install_would_refuse() {
    assert!(matches!(pack(&package(), SOURCE, vec![tool("x")]), Err(Error::AlreadyPacked)));
    let refused = |wasm: &[u8], code: &str| match pack(wasm, SOURCE, vec![tool("x")]) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.code(), code),
        other => panic!("{code}: {other:?}"),
    };
    refused(b"", "not-a-component");
    refused(b"\0asm\x01\0\0\0", "core-module");
    refused(&component(&[], &[]), "not-ours");
    refused(&component(&[], &["openpact:chat/adapter@0.1.0"]), "world-mismatch");
    refused(&component(&["wasi:http/types@0.2.3"], &["openpact:tool/tools@0.1.0"]), "unrequested-import");
    assert!(matches!(pack(&tool_component(), "", vec![tool("x")]), Err(Error::Manifest(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(inspect(&bytes).is_err());
    }

    #[test]
    fn random_sections_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [b"\0asm\x0d\0\x01\0", bytes.as_slice()].concat();
        let _ = inspect(&bytes);
    }

    #[test]
    fn a_damaged_package_never_panics(at in any::<prop::sample::Index>(), with in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = package();
        let at = at.index(bytes.len());
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at..end, with);
        let _ = inspect(&bytes);
    }
}

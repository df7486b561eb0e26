//! Tests of verification: every way in which a package is refused, and every bit of a package and of its signature.

mod imports;
mod manifest;
mod stock;
mod trust;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use wasm_encoder::{Component as Encoder, CustomSection, Module, ModuleSection, NestedComponentSection};

use super::*;
use crate::key::{self, SecretKey};
use crate::manifest::Kind;
use crate::testing::{SOURCE, component, package, signed, tool, tool_component, trust};
use crate::{MANIFEST_SECTION, Manifest, Withdrawn, pack, sign, signature};

/// Signs `bytes` with a trusted key; the refusal.
fn refusal(bytes: Vec<u8>) -> Refusal {
    let key = SecretKey::generate().unwrap();
    let signature = sign(&bytes, &key).unwrap();
    verify(bytes, &signature, &trust(&key)).expect_err("must be refused")
}

/// A component with a manifest that packing itself would not have made.
fn packed_by_hand(wasm: &[u8], manifest: &str) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    append(&mut bytes, manifest);
    bytes
}

fn append(bytes: &mut Vec<u8>, manifest: &str) {
    append_section(bytes, MANIFEST_SECTION, manifest);
}

fn append_section(bytes: &mut Vec<u8>, name: &str, text: &str) {
    use wasm_encoder::ComponentSection as _;
    CustomSection { name: name.into(), data: text.as_bytes().into() }.append_to_component(bytes);
}

fn manifest_text(source: &str) -> String {
    Manifest::from_source(source, vec![tool("fetch")]).unwrap().to_text().unwrap()
}

#[test]
fn a_signed_package_is_verified_and_keeps_its_bytes() {
    let (key, bytes, signature) = signed();
    let verified = verify(bytes.clone(), &signature, &trust(&key)).unwrap();
    assert_eq!(verified.bytes(), bytes);
    assert_eq!(verified.digest(), Digest::of(&bytes));
    assert_eq!(verified.publisher(), "acme");
    assert_eq!(verified.key_id(), key.public().unwrap().id());
    assert_eq!(verified.manifest().kind, Kind::Tool);
    assert_eq!(verified.manifest().tools, [tool("fetch")]);
}

#[test]
fn a_package_with_any_bit_flipped_is_refused() {
    let (key, bytes, signature) = signed();
    let trust = trust(&key);
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let refusal = verify(altered, &signature, &trust).expect_err("a flipped bit must be refused");
        let known =
            matches!(refusal, Refusal::Altered | Refusal::Truncated { .. } | Refusal::TrailingBytes { .. });
        assert!(known, "byte {at}: {refusal:?}");
    }
}

#[test]
fn a_signature_with_any_bit_flipped_is_refused() {
    let (key, bytes, signature) = signed();
    let trust = trust(&key);
    let signature = signature.into_bytes();
    for bit in 0..signature.len() * 8 {
        let mut altered = signature.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(bytes.clone(), &altered, &trust).is_err(), "bit {bit} was accepted");
    }
    for at in 0..signature.len() {
        for byte in [0, b'\n', b'\r', b' ', b'=', b'A', 0xff] {
            let mut altered = signature.clone();
            if altered[at] != byte {
                altered[at] = byte;
                assert!(verify(bytes.clone(), &altered, &trust).is_err(), "byte {at} as {byte} was accepted");
            }
            let mut longer = signature.clone();
            longer.insert(at, byte);
            // Doubling a byte gives the same text whichever of the two is the new one; it is still another text.
            assert!(verify(bytes.clone(), &longer, &trust).is_err(), "byte {byte} before {at} was accepted");
        }
        let mut shorter = signature.clone();
        shorter.remove(at);
        assert!(verify(bytes.clone(), &shorter, &trust).is_err(), "without byte {at} it was accepted");
        assert!(verify(bytes.clone(), &signature[..at], &trust).is_err(), "cut at {at} it was accepted");
    }
}

#[test]
fn nothing_is_no_signature() {
    let (key, bytes, _) = signed();
    for empty in ["", "\n", " \r\n\t"] {
        assert_eq!(verify(bytes.clone(), empty, &trust(&key)).unwrap_err(), Refusal::Unsigned);
    }
}

#[test]
fn other_forms_of_a_good_signature_are_not_canonical() {
    let (key, bytes, signature) = signed();
    for other in [
        signature.replace('\n', "\r\n"),
        signature.trim_end().to_owned(),
        format!("{signature}\n"),
        format!("\n{signature}"),
        format!("{signature}{signature}"),
        signature.replacen("OpenPact", "another", 1),
        "a text".to_owned(),
        "x".repeat(100_000),
    ] {
        let refusal = verify(bytes.clone(), &other, &trust(&key)).unwrap_err();
        assert!(matches!(refusal, Refusal::NotCanonical { .. }), "{other:?}: {refusal:?}");
    }
}

#[test]
fn a_second_signature_of_another_length_does_not_panic() {
    // The library indexes into it without looking at its length.
    let (key, bytes, signature) = signed();
    let lines: Vec<_> = signature.lines().collect();
    for last in ["", "AAAA", &"A".repeat(84), &"A".repeat(92)] {
        let short = format!("{}\n{}\n{}\n{last}\n", lines[0], lines[1], lines[2]);
        let refusal = verify(bytes.clone(), &short, &trust(&key)).unwrap_err();
        assert!(matches!(refusal, Refusal::NotCanonical { .. }), "{refusal:?}");
        assert!(signature::import(short.as_bytes(), &bytes, &key.public().unwrap()).is_err());
    }
}

#[test]
fn an_unpinned_key_is_unknown() {
    let (_, bytes, signature) = signed();
    let other = SecretKey::generate().unwrap();
    assert!(matches!(verify(bytes.clone(), &signature, &trust(&other)), Err(Refusal::UnknownKey { .. })));
    assert!(matches!(verify(bytes, &signature, &Trust::default()), Err(Refusal::UnknownKey { .. })));
}

#[test]
fn a_clone_under_another_key_is_refused_even_with_the_same_key_number() {
    let (key, bytes, signature) = signed();
    let clone = SecretKey::generate().unwrap();
    let theirs = sign(&bytes, &clone).unwrap();
    assert!(matches!(verify(bytes.clone(), &theirs, &trust(&key)), Err(Refusal::UnknownKey { .. })));

    // The clone's signature with the number of the pinned key in it.
    let line = |text: &str, n: usize| BASE64.decode(text.lines().nth(n).unwrap()).unwrap();
    let mut forged = line(&theirs, 1);
    forged[2..10].copy_from_slice(&line(&signature, 1)[2..10]);
    let imitation = theirs.replace(theirs.lines().nth(1).unwrap(), &BASE64.encode(forged));
    assert_eq!(verify(bytes, &imitation, &trust(&key)).unwrap_err(), Refusal::Altered);
}

#[test]
fn the_signature_of_another_file_is_refused() {
    let (key, bytes, _) = signed();
    let other = pack(&tool_component(), &SOURCE.replace("1.2.3", "1.2.4"), vec![tool("fetch")]).unwrap();
    assert_eq!(other.len(), bytes.len(), "only then the reason is not a length");
    let signature = sign(&other, &key).unwrap();
    assert_eq!(verify(bytes, &signature, &trust(&key)).unwrap_err(), Refusal::Altered);
}

#[test]
fn the_signature_of_an_older_version_is_not_taken_for_damage() {
    let (key, bytes, _) = signed();
    let older =
        pack(&tool_component(), &SOURCE.replace("Fetches pages", "Fetches"), vec![tool("fetch")]).unwrap();
    let signature = sign(&older, &key).unwrap();
    assert_eq!(verify(bytes, &signature, &trust(&key)).unwrap_err(), Refusal::Altered);
}

#[test]
fn a_cut_package_is_told_so_by_its_shape_where_the_comment_does_not_say() {
    let (key, bytes, _) = signed();
    let stock =
        minisign::sign(None, key.minisign(), std::io::Cursor::new(&bytes), Some("file:web.wasm"), Some("x"));
    let public = key.public().unwrap();
    let signature = signature::import(stock.unwrap().to_string().as_bytes(), &bytes, &public).unwrap();
    let trust = trust(&key);
    let cut = bytes[..bytes.len() - 5].to_vec();
    assert_eq!(verify(cut, &signature, &trust).unwrap_err(), Refusal::Truncated { missing: 5 });
    let longer = [bytes.as_slice(), b"\xffjunk"].concat();
    assert_eq!(verify(longer, &signature, &trust).unwrap_err(), Refusal::TrailingBytes { extra: 5 });
    assert_eq!(verify(b"junk".to_vec(), &signature, &trust).unwrap_err(), Refusal::Altered);
}

#[test]
fn a_swapped_trusted_comment_is_refused() {
    let (key, bytes, signature) = signed();
    let other = sign(b"other", &key).unwrap();
    let (mine, theirs): (Vec<_>, Vec<_>) = (signature.lines().collect(), other.lines().collect());
    let mixed = format!("{}\n{}\n{}\n{}\n", mine[0], mine[1], theirs[2], theirs[3]);
    assert!(verify(bytes, &mixed, &trust(&key)).is_err());
}

#[test]
fn a_cut_or_lengthened_package_is_told_so() {
    let (key, bytes, signature) = signed();
    let trust = trust(&key);
    let mut whole = 0;
    for end in 0..bytes.len() {
        let refusal = verify(bytes[..end].to_vec(), &signature, &trust).unwrap_err();
        if refusal == Refusal::Altered {
            assert!(
                crate::inspect(&bytes[..end]).is_ok(),
                "only what ends with a section looks like another file"
            );
            whole += 1;
        } else {
            assert_eq!(refusal, Refusal::Truncated { missing: (bytes.len() - end) as u64 });
        }
    }
    assert!((1..20).contains(&whole), "{whole} of {} cuts", bytes.len());
    for extra in [&b"\n"[..], b"\0", b"\0asm\x0d\0\x01\0", &bytes] {
        let longer = [bytes.as_slice(), extra].concat();
        let refusal = verify(longer, &signature, &trust).unwrap_err();
        assert_eq!(refusal, Refusal::TrailingBytes { extra: extra.len() as u64 });
    }
}

#[test]
fn a_signed_file_that_is_no_component_is_refused_by_what_it_is() {
    let bytes = package();
    assert_eq!(refusal(vec![]), Refusal::NotAComponent);
    assert_eq!(refusal(b"#!/bin/sh\n".to_vec()), Refusal::NotAComponent);
    assert_eq!(refusal(b"\0asm\x63\0\x01\0".to_vec()), Refusal::NotAComponent);
    assert_eq!(refusal(Module::new().finish()), Refusal::CoreModule);
    assert_eq!(refusal(b"\0asm".to_vec()), Refusal::Truncated { missing: 4 });
    assert_eq!(refusal(bytes[..bytes.len() - 7].to_vec()), Refusal::Truncated { missing: 7 });
    assert_eq!(refusal([bytes.as_slice(), b"\xffjunk"].concat()), Refusal::TrailingBytes { extra: 5 });
    let two = [bytes.as_slice(), &bytes].concat();
    assert_eq!(refusal(two), Refusal::TrailingBytes { extra: bytes.len() as u64 });
    // A custom section without a name, and a section that the framing cannot tell from a good one.
    assert!(matches!(refusal([bytes.as_slice(), b"\0\0"].concat()), Refusal::Invalid { .. }));
    assert!(matches!(refusal([bytes.as_slice(), b"\x07\x01\xff"].concat()), Refusal::Invalid { .. }));
}

#[test]
fn a_package_has_at_most_64_mebibytes() {
    let largest = vec![0; MAX_PACKAGE_BYTES];
    assert_eq!(verify(largest, "", &Trust::default()).unwrap_err(), Refusal::Unsigned);
    let size = MAX_PACKAGE_BYTES as u64 + 1;
    assert_eq!(
        verify(vec![0; MAX_PACKAGE_BYTES + 1], "", &Trust::default()).unwrap_err(),
        Refusal::TooLarge { size }
    );
    assert_eq!(crate::inspect(&vec![0; MAX_PACKAGE_BYTES + 1]).unwrap_err(), Refusal::TooLarge { size });
}

#[test]
fn an_interface_name_on_something_else_is_no_interface() {
    let tools = "(instance $i) (export \"openpact:tool/tools@0.1.0\" (instance $i))";
    for other in ["(func)", "(component)", "(core module)"] {
        let text = format!("(component (import \"wasi:cli/environment@0.2.3\" {other}) {tools})");
        let bytes = packed_by_hand(&wat::parse_str(text).unwrap(), &manifest_text(SOURCE));
        let import = "wasi:cli/environment@0.2.3".to_owned();
        assert_eq!(refusal(bytes), Refusal::UnknownImport { import }, "{other}");
    }
    let text = "(component (component $c) (export \"openpact:tool/tools@0.1.0\" (component $c)))";
    let bytes = packed_by_hand(&wat::parse_str(text).unwrap(), &manifest_text(SOURCE));
    assert!(matches!(refusal(bytes), Refusal::NotOurs { .. }));
}

#[test]
fn a_second_name_for_an_import_is_refused() {
    let tools = "(instance $i) (export \"openpact:tool/tools@0.1.0\" (instance $i))";
    for import in [
        "(import \"log\" (implements \"wasi:http/types@0.2.3\") (instance))",
        "(import \"openpact:host/log@0.1.0\" (external-id \"wasi:http/types@0.2.3\") (instance))",
    ] {
        let wasm = wat::parse_str(format!("(component {import} {tools})")).unwrap();
        let refusal = refusal(packed_by_hand(&wasm, &manifest_text(SOURCE)));
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{import}: {refusal:?}");
    }
}

#[test]
fn an_export_counts_by_its_own_name() {
    // An imported interface that is passed on as another one is what it is exported as, and still an import.
    let wat = "(component (import \"openpact:host/kv@0.1.0\" (instance $kv)) \
               (export \"openpact:tool/tools@0.1.0\" (instance $kv)))";
    let refusal = refusal(packed_by_hand(&wat::parse_str(wat).unwrap(), &manifest_text(SOURCE)));
    assert!(matches!(refusal, Refusal::UnrequestedImport { .. }), "{refusal:?}");
    // What an inner component imports is not the package's, until the outer one has to bring it.
    let wat = "(component (component (import \"wasi:http/types@0.2.3\" (instance))) (instance $i) \
               (export \"openpact:tool/tools@0.1.0\" (instance $i)))";
    let bytes = packed_by_hand(&wat::parse_str(wat).unwrap(), &manifest_text(SOURCE));
    let key = SecretKey::generate().unwrap();
    let signature = sign(&bytes, &key).unwrap();
    assert_eq!(verify(bytes, &signature, &trust(&key)).unwrap().imports(), Vec::<String>::new());
}

#[test]
fn imports_and_exports_are_counted() {
    let many = |count: usize| {
        let names = (1..count).map(|number| format!("(export \"f{number}\" (func $f))"));
        let text = format!(
            "(component (core module $m (func (export \"f\"))) (core instance $m (instantiate $m)) \
             (func $f (canon lift (core func $m \"f\"))) (instance $i) \
             (export \"openpact:tool/tools@0.1.0\" (instance $i)) {})",
            names.collect::<Vec<_>>().join(" ")
        );
        packed_by_hand(&wat::parse_str(text).unwrap(), &manifest_text(SOURCE))
    };
    let key = SecretKey::generate().unwrap();
    let bytes = many(1_000);
    let signature = sign(&bytes, &key).unwrap();
    verify(bytes, &signature, &trust(&key)).unwrap();
    let refusal = refusal(many(1_001));
    assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("more than 1000"), "{refusal}");
}

#[test]
fn a_component_of_another_ecosystem_is_told_what_it_is() {
    let check = |wasm: &[u8], expected: &str| {
        let refusal = refusal(packed_by_hand(wasm, &manifest_text(SOURCE)));
        assert_eq!(refusal.code(), "not-ours");
        assert!(refusal.to_string().contains(expected), "'{refusal}' must contain '{expected}'");
        // Also before it is packed, and where nobody signed it.
        let inspection = crate::inspect(wasm).unwrap();
        assert!(inspection.refusals[0].contains(expected), "{:?}", inspection.refusals);
    };
    check(&component(&[], &["wasi:cli/run@0.2.3"]), "a command-line program (wasi:cli/command)");
    check(&component(&[], &["wasi:cli/run@0.3.0"]), "a command-line program");
    check(&component(&[], &["wasi:http/incoming-handler@0.2.3"]), "an HTTP server (wasi:http/proxy)");
    check(&component(&[], &["wasi:http/handler@0.3.0"]), "an HTTP server");
    check(
        &component(&["fermyon:spin/key-value@2.0.0"], &["wasi:http/incoming-handler@0.2.3"]),
        "a Spin application",
    );
    check(&component(&[], &["fermyon:spin/inbound-redis@2.0.0"]), "a Spin application");
    check(&component(&[], &["wasmcp:mcp/tools@0.1.0"]), "an MCP server of another host");
    check(&component(&[], &["openpact:tool/tools@0.9.0"]), "made for another version of OpenPact");
    check(&component(&[], &["acme:clock/time@1.0.0"]), "made for another host, or a library");
    check(&component(&[], &[]), "offers nothing");
    let function = "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) \
                    (func $f (canon lift (core func $i \"f\"))) (export \"get-weather\" (func $f)))";
    check(&wat::parse_str(function).unwrap(), "plain functions, as Wassette serves them over MCP");
}

#[test]
fn a_clone_under_another_key_is_refused() {
    // The very bytes of a trusted package, signed again by somebody else.
    let (key, bytes, _) = signed();
    let thief = SecretKey::generate().unwrap();
    let theirs = sign(&bytes, &thief).unwrap();
    let refusal = verify(bytes, &theirs, &trust(&key)).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownKey { key: thief.public().unwrap().id() });
}

#[test]
fn a_component_for_something_else_is_not_ours() {
    for exports in [
        &[][..],
        &["wasi:cli/run@0.2.3"],
        &["wasi:http/incoming-handler@0.2.3"],
        &["openpact:tool/tools@0.2.0"],
        &["openpact:tool/tools@1.1.0"],
        &["openpact:tool/tools@0.1.0-rc.1"],
        &["evil:tool/tools@0.1.0"],
        &["openpact:tool/other@0.1.0"],
    ] {
        let refusal = refusal(packed_by_hand(&component(&[], exports), &manifest_text(SOURCE)));
        assert!(matches!(&refusal, Refusal::NotOurs { .. }), "{refusal:?}");
        let shown = exports.first().copied().unwrap_or("exports nothing");
        assert!(refusal.to_string().contains(shown), "{refusal}");
    }
    // A function of that name is no interface.
    let function = "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) \
                    (func $f (canon lift (core func $i \"f\"))) (export \"tools\" (func $f)))";
    let wasm = wat::parse_str(function).unwrap();
    assert!(matches!(refusal(packed_by_hand(&wasm, &manifest_text(SOURCE))), Refusal::NotOurs { .. }));
}

#[test]
fn the_kind_must_agree_with_the_exports() {
    let text = manifest_text(SOURCE);
    let tools = "openpact:tool/tools@0.1.0";
    let adapter = "openpact:chat/adapter@0.1.0";
    for exports in [&[adapter][..], &[tools, adapter], &[tools, "openpact:tool/tools@0.1.1"]] {
        let refusal = refusal(packed_by_hand(&component(&[], exports), &text));
        assert!(
            matches!(refusal, Refusal::WorldMismatch { kind: Kind::Tool, .. }),
            "{exports:?}: {refusal:?}"
        );
    }
    let source = SOURCE.replace("\"tool\"", "\"adapter\"");
    let imports = ["inbox", "types", "events", "rendering"].map(|name| format!("openpact:chat/{name}@0.1.0"));
    let wasm = component(&imports.each_ref().map(String::as_str), &[adapter]);
    let bytes = pack(&wasm, &source, vec![]).unwrap();
    let key = SecretKey::generate().unwrap();
    let signature = sign(&bytes, &key).unwrap();
    assert_eq!(verify(bytes, &signature, &trust(&key)).unwrap().manifest().kind, Kind::Adapter);
}

#[test]
fn every_refusal_has_its_own_code_and_message() {
    let key = SecretKey::generate().unwrap().public().unwrap().id();
    let text = String::new;
    let all = [
        Refusal::Unsigned,
        Refusal::NotCanonical { why: "x" },
        Refusal::UnknownKey { key },
        Refusal::RevokedKey { key },
        Refusal::RevokedDigest { digest: Digest::of(b"") },
        Refusal::Altered,
        Refusal::Truncated { missing: 1 },
        Refusal::TrailingBytes { extra: 1 },
        Refusal::TooLarge { size: 1 },
        Refusal::CoreModule,
        Refusal::NotAComponent,
        Refusal::Invalid { offset: 1, why: text() },
        Refusal::NoManifest,
        Refusal::TwoManifests,
        Refusal::Manifest(crate::manifest::Problem::NoText),
        Refusal::PublisherMismatch { manifest: text(), pinned: text(), key },
        Refusal::KeyNotAllowedForName { publisher: text(), name: text(), allowed: text() },
        Refusal::NotOurs { what: "x", exports: text() },
        Refusal::WorldMismatch { kind: Kind::Tool, exports: text() },
        Refusal::UnrequestedImport { import: text(), remedy: "x" },
        Refusal::UnknownImport { import: text() },
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Refusal::code).collect();
    let messages: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!((codes.len(), messages.len()), (all.len(), all.len()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_signatures_never_panic(signature in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(verify(vec![], &signature, &Trust::default()).is_err());
    }

    #[test]
    fn random_lines_never_panic(lines in proptest::collection::vec("(untrusted comment: |trusted comment: |)[A-Za-z0-9+/=\\t ]{0,110}", 0..6)) {
        let text = lines.join("\n");
        prop_assert!(verify(vec![], &text, &Trust::default()).is_err());
        let key = SecretKey::generate().unwrap().public().unwrap();
        prop_assert!(signature::import(text.as_bytes(), b"", &key).is_err());
    }
}

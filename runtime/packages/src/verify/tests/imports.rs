//! What a component imports is what its manifest asks for.

use super::*;

/// The small tool with one more import and more manifest text.
fn importing(import: &str, requests: &str) -> Result<(), Refusal> {
    let wasm = component(&[import], &["openpact:tool/tools@0.1.0"]);
    let bytes = packed_by_hand(&wasm, &manifest_text(&format!("{SOURCE}\n{requests}")));
    let key = SecretKey::generate().unwrap();
    let signature = sign(&bytes, &key).unwrap();
    verify(bytes, &signature, &trust(&key)).map(|_| ())
}

#[test]
fn an_import_that_the_manifest_does_not_request_is_refused() {
    let http = "[[requests.http]]\nmethods = [\"GET\"]\nurl = \"https://a/\"\nreason = \"x\"";
    let websocket = "[[requests.websocket]]\nurl = \"wss://a/\"\nreason = \"x\"";
    let credential =
        "[[requests.credentials]]\nname = \"t\"\ndescription = \"x\"\nplacement = \"x\"\nhosts = [\"a\"]";
    let setting = "[settings]\ntype = \"object\"\nproperties.key = { type = \"string\", secret = true }";
    for (import, requests) in [
        ("wasi:http/outgoing-handler@0.2.3", http),
        ("wasi:http/types@0.2.3", http),
        ("openpact:host/kv@0.1.0", "requests.kv = 1024"),
        ("openpact:host/credentials@0.1.0", credential),
        ("openpact:host/credentials@0.1.0", setting),
        ("openpact:host/websocket@0.1.0", websocket),
    ] {
        assert_eq!(importing(import, requests), Ok(()), "{import} with {requests}");
        let refusal = importing(import, "").unwrap_err();
        assert!(matches!(refusal, Refusal::UnrequestedImport { .. }), "{import}: {refusal:?}");
        assert!(refusal.to_string().contains(import), "{refusal}");
    }
    let plain_setting = "[settings]\ntype = \"object\"\nproperties.key = { type = \"string\" }";
    assert!(importing("openpact:host/credentials@0.1.0", plain_setting).is_err());
    assert!(importing("openpact:host/kv@0.1.0", http).is_err());
    assert!(importing("wasi:http/types@0.2.3", websocket).is_err());
    assert!(importing("openpact:chat/inbox@0.1.0", "").is_err(), "a tool does not deliver messages");
}

#[test]
fn the_inert_baseline_needs_no_request() {
    for import in [
        "wasi:cli/environment@0.2.0",
        "wasi:clocks/monotonic-clock@0.2.3",
        "wasi:random/random@0.2.6",
        "wasi:random/random@0.2.9999",
        "wasi:io/poll@0.2.3",
        "wasi:filesystem/preopens@0.2.3",
        "wasi:sockets/tcp@0.2.3",
        "openpact:host/log@0.1.0",
        "openpact:host/settings@0.1.3",
        "openpact:host/progress@0.1.0",
    ] {
        assert_eq!(importing(import, ""), Ok(()), "{import}");
    }
}

#[test]
fn an_unknown_import_is_refused() {
    let everything =
        "[[requests.http]]\nmethods = [\"*\"]\nurl = \"https://a/\"\nreason = \"x\"\n[requests]\nkv = 1";
    for import in [
        "wasi:http/incoming-handler@0.2.3",
        "wasi:http/types@0.3.0",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environment@1.2.0",
        "wasi:keyvalue/store@0.2.0",
        "openpact:host/shell@0.1.0",
        "openpact:host/kv@0.2.0",
        "openpact:host/log@0.1.0+build",
        "wasi:http/types@0.2.3-rc.1",
        "wasi:http/types@0.20.3",
        "openpact:host/log",
        "evil:host/log@0.1.0",
        "log",
    ] {
        let refusal = importing(import, everything).unwrap_err();
        assert_eq!(refusal, Refusal::UnknownImport { import: import.to_owned() });
    }
    let function = "(component (import \"f\" (func)) (instance $i) (export \"openpact:tool/tools@0.1.0\" (instance $i)))";
    let bytes = packed_by_hand(&wat::parse_str(function).unwrap(), &manifest_text(SOURCE));
    assert_eq!(refusal(bytes), Refusal::UnknownImport { import: "f".to_owned() });
}

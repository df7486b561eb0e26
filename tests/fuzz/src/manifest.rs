//! Manifests and packages: nothing breaks the readers, and what they accept reads back as it was.

use openpact_model::tool::{Effects, Reads, ToolSpec, Writes};
use openpact_packages::{Manifest, inspect};
use serde_json::json;

pub(crate) const WORDS: &[&str] = &[
    "[[requests.http]]\n",
    "[[requests.websocket]]\n",
    "[[requests.credentials]]\n",
    "[[requests.files]]\n",
    "[[tools]]\n",
    "[settings]\n",
    "effects = { reads = \"private\", writes = \"local\" }\n",
    "name = \"",
    "version = \"1.0.0-rc.1+b\"\n",
    "kind = \"adapter\"\n",
    "placement = \"segment bot{}\"\n",
    "url = \"https://*.example.com/**\"\n",
    "methods = [\"GET\", \"POST\"]\n",
    "quota = 18446744073709551615\n",
    "\\u202e",
    "\u{202e}",
    "'''",
    "\"\"\"",
    "1e999",
    "[[[[[[[[[[[[[[[[",
];

/// Takes the bytes for a source, for the manifest of a package, and for a whole package.
///
/// # Panics
/// Where a promise is broken.
pub fn manifest(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match Manifest::from_source(text, vec![tool()]) {
            Ok(manifest) => reads_back(&manifest),
            // What is said of it goes to a terminal.
            Err(problem) => assert!(!problem.to_string().is_empty()),
        }
    }
    match Manifest::from_packed(data) {
        Ok(manifest) => reads_back(&manifest),
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
    if let Err(refusal) = inspect(data) {
        assert!(!refusal.to_string().is_empty());
    }
}

fn reads_back(manifest: &Manifest) {
    let text = manifest.to_text().unwrap();
    let again = Manifest::from_packed(text.as_bytes()).unwrap_or_else(|problem| panic!("{problem}: {text}"));
    assert_eq!(again.to_text().unwrap(), text, "it reads back as another");
    let name = manifest.name.to_string();
    assert!((2..=64).contains(&name.len()), "{name:?}");
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(name.bytes().all(allowed), "{name:?}");
}

fn tool() -> ToolSpec {
    ToolSpec {
        name: "fetch".to_owned(),
        title: None,
        description: "Does it.".to_owned(),
        input_schema: json!({"type": "object"}),
        output_schema: None,
        effects: Effects { reads: Reads::Untrusted, writes: Writes::Nothing },
    }
}

//! Small packages for tests.

use openpact_model::tool::{Effects, Reads, ToolSpec, Writes};
use serde_json::json;

use crate::key::SecretKey;
use crate::{Publisher, Trust, pack, sign};

/// The manifest source of the small tool.
pub(crate) const SOURCE: &str = r#"
name = "web"
version = "1.2.3"
publisher = "acme"
description = "Fetches pages"
license = "MIT"
kind = "tool"
"#;

/// A component that imports and exports empty instances of these names.
pub(crate) fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let imports: Vec<_> = imports.iter().map(|name| format!("(import \"{name}\" (instance))")).collect();
    let exports: Vec<_> =
        exports.iter().map(|name| format!("(export \"{name}\" (instance $empty))")).collect();
    let (imports, exports) = (imports.join("\n"), exports.join("\n"));
    wat::parse_str(format!("(component {imports} (instance $empty) {exports})")).unwrap()
}

/// The smallest tool component.
pub(crate) fn tool_component() -> Vec<u8> {
    component(&["wasi:cli/environment@0.2.3", "openpact:host/log@0.1.0"], &["openpact:tool/tools@0.1.0"])
}

/// One tool.
pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        title: None,
        description: "Does it.".to_owned(),
        input_schema: json!({"type": "object", "properties": {"url": {"type": "string", "default": null}}}),
        output_schema: None,
        effects: Effects { reads: Reads::Untrusted, writes: Writes::Nothing },
    }
}

/// The smallest tool package.
pub(crate) fn package() -> Vec<u8> {
    pack(&tool_component(), SOURCE, vec![tool("fetch")]).unwrap()
}

/// Trust in `acme` with this key, for every name.
pub(crate) fn trust(key: &SecretKey) -> Trust {
    let publisher = Publisher {
        name: "acme".to_owned(),
        keys: vec![key.public().unwrap()],
        prefixes: vec!["*".to_owned()],
    };
    Trust { publishers: vec![publisher], ..Trust::default() }
}

/// A key and the small package signed with it.
pub(crate) fn signed() -> (SecretKey, Vec<u8>, String) {
    let key = SecretKey::generate().unwrap();
    let bytes = package();
    let signature = sign(&bytes, &key).unwrap();
    (key, bytes, signature)
}

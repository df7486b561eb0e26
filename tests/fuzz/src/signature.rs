//! Signatures: of everything that can stand beside a package, only its own signature, to the last byte, lets it in.

use std::sync::LazyLock;

use openpact_model::tool::{Effects, Reads, ToolSpec, Writes};
use openpact_packages::key::SecretKey;
use openpact_packages::signature::Signature;
use openpact_packages::{Publisher, Trust, pack, sign, verify};
use serde_json::json;

pub(crate) const WORDS: &[&str] = &[
    "untrusted comment: ",
    "trusted comment: ",
    "\r\n",
    "\n\n",
    "RUQ",
    "RWQ",
    "==",
    "=",
    "\u{feff}",
    "\0\0",
    "\u{1}\u{1}\u{1}",
    "\u{2}\u{2}\u{2}",
];

const SOURCE: &str = "name = \"web\"\nversion = \"1.2.3\"\npublisher = \"acme\"\ndescription = \"Fetches pages\"\n\
                      license = \"MIT\"\nkind = \"tool\"\n";

/// A package with its signature, by a key that lives as long as the process.
struct Genuine {
    package: Vec<u8>,
    signature: String,
    trust: Trust,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let wasm = wat::parse_str(
        "(component (instance $empty) (export \"openpact:tool/tools@0.1.0\" (instance $empty)))",
    );
    let tool = ToolSpec {
        name: "fetch".to_owned(),
        title: None,
        description: "Does it.".to_owned(),
        input_schema: json!({"type": "object"}),
        output_schema: None,
        effects: Effects { reads: Reads::Untrusted, writes: Writes::Nothing },
    };
    let package = pack(&wasm.unwrap(), SOURCE, vec![tool]).unwrap();
    let key = SecretKey::generate().unwrap();
    let signature = sign(&package, &key).unwrap();
    let publisher = Publisher {
        name: "acme".to_owned(),
        keys: vec![key.public().unwrap()],
        prefixes: vec!["*".to_owned()],
    };
    let trust = Trust { publishers: vec![publisher], ..Trust::default() };
    assert!(verify(package.clone(), &signature, &trust).is_ok(), "the genuine one passes");
    Genuine { package, signature, trust }
});

/// The first byte says what the rest is: a signature, a package, or changes to the genuine ones.
///
/// # Panics
/// Where a promise is broken.
pub fn signature(data: &[u8]) {
    let Some((what, rest)) = data.split_first() else { return };
    if let Ok(read) = Signature::read(rest) {
        assert!(std::str::from_utf8(rest).is_ok(), "only text is a signature");
        assert!(!read.comment().contains(['\n', '\r']), "a comment is one line");
    }
    let genuine = &*GENUINE;
    match what % 4 {
        0 => check(genuine.package.clone(), rest),
        1 => check(rest.to_vec(), genuine.signature.as_bytes()),
        2 => check(genuine.package.clone(), &changed(genuine.signature.as_bytes(), rest)),
        _ => check(changed(&genuine.package, rest), genuine.signature.as_bytes()),
    }
}

fn check(package: Vec<u8>, signature: &[u8]) {
    let genuine = &*GENUINE;
    let is_genuine = package == genuine.package && signature == genuine.signature.as_bytes();
    let Ok(signature) = std::str::from_utf8(signature) else {
        assert!(Signature::read(signature).is_err());
        return;
    };
    assert_eq!(verify(package, signature, &genuine.trust).is_ok(), is_genuine, "{signature:?}");
}

/// Each three bytes of `changes` are a place, and what to do there.
fn changed(original: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for change in changes.chunks_exact(3) {
        let place = usize::from(change[0]) << 8 | usize::from(change[1]);
        let at = place % (bytes.len() + 1);
        match change[2] {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, b'\n'),
            2 => bytes.insert(at, b' '),
            bits if at < bytes.len() => bytes[at] ^= bits,
            byte => bytes.push(byte),
        }
    }
    bytes
}

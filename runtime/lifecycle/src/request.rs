//! What a manifest asks for, one line each, as an admin decides on it.

use openpact_packages::Manifest;
use openpact_packages::manifest::Access;
use serde::{Deserialize, Serialize};

/// One thing that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What the admin calls it: `http:1`, `websocket:1`, `files:workspace`, `kv`.
    pub label: String,
    /// What it is.
    pub what: What,
    /// Why, in the author's words.
    pub reason: String,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// To reach something on the network.
    Network {
        /// The rule that allows it, as the author writes it. Nobody has looked whether it is one.
        rule: String,
    },
    /// To see a folder.
    Files {
        /// The name of the mount.
        mount: String,
        /// Whether it may be written to.
        writable: bool,
    },
    /// To keep keys and values.
    KeyValue {
        /// Bytes.
        quota: u64,
    },
}

/// Everything that a manifest asks for that can be granted, in its order.
pub fn of(manifest: &Manifest) -> Vec<Request> {
    let requests = &manifest.requests;
    let with = |credential: &Option<String>| {
        credential.as_ref().map(|name| format!(" credential={name}")).unwrap_or_default()
    };
    let http = requests.http.iter().enumerate().map(|(index, request)| Request {
        label: format!("http:{}", index + 1),
        what: What::Network {
            rule: format!("{} {}{}", request.methods.join(","), request.url, with(&request.credential)),
        },
        reason: request.reason.clone(),
    });
    let websocket = requests.websocket.iter().enumerate().map(|(index, request)| Request {
        label: format!("websocket:{}", index + 1),
        what: What::Network { rule: format!("GET {}{}", request.url, with(&request.credential)) },
        reason: request.reason.clone(),
    });
    let files = requests.files.iter().map(|request| Request {
        label: format!("files:{}", request.mount),
        what: What::Files { mount: request.mount.clone(), writable: request.access == Access::ReadWrite },
        reason: request.reason.clone(),
    });
    let key_value = requests.kv.map(|quota| Request {
        label: "kv".to_owned(),
        what: What::KeyValue { quota },
        reason: "keys and values that outlive a call".to_owned(),
    });
    http.chain(websocket).chain(files).chain(key_value).collect()
}

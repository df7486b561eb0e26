//! The published descriptions of platforms, by which fakes judge what comes and what they say themselves.
//!
//! They lie outside the repository: `OPENPACT_SPECS` names the folder of specifications, or it is `shared/data` next to
//! the repository. Where one is missing, that is said once and nothing is judged.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A description once it was read, or found missing.
pub type Loaded<T> = OnceLock<Option<Arc<T>>>;

/// The description at that place in the folder, read once for the process.
pub fn load<T>(
    loaded: &Loaded<T>,
    place: &str,
    read: impl FnOnce(&Path) -> Result<T, String>,
) -> Option<Arc<T>> {
    let load = || {
        let place = folder().join(place);
        let read = read(&place).map(Arc::new);
        read.inspect_err(|why| {
            let place = place.display();
            eprintln!("\n*** REQUESTS ARE NOT JUDGED: no description of the API at {place}: {why} ***\n");
        })
    };
    loaded.get_or_init(|| load().ok()).clone()
}

fn folder() -> PathBuf {
    let named = std::env::var_os("OPENPACT_SPECS").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"))
}

/// A file of JSON.
///
/// # Errors
/// When it is not there, or is something else; in words.
pub fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// Whether a text says that something is so or not.
pub fn is_boolean(text: &str) -> bool {
    ["true", "false", "1", "0"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// The beginning of a value, for messages.
pub fn shorten(value: &Value) -> String {
    let text = value.to_string();
    text.char_indices().nth(80).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
}

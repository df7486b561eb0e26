//! What the admin set.

use std::collections::BTreeSet;

use openpact_sdk::settings;
use reqwest::Url;
use serde_json::Value;

const BASE_URL: &str = "https://api.telegram.org";

/// The settings of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where the Bot API is.
    pub(crate) base_url: Url,
    /// The chats in which everything is answered.
    pub(crate) respond_all: BTreeSet<String>,
    /// The other bots that are listened to.
    pub(crate) bots: BTreeSet<String>,
}

impl Settings {
    /// Reads them; an error says which one is wrong.
    pub(crate) fn read() -> Result<Self, String> {
        let base_url = settings::get::<String>("base_url").map_err(|error| error.to_string())?;
        let base_url = base_url.as_deref().unwrap_or(BASE_URL);
        let wrong = |why: &str| format!("the setting base_url of telegram ({base_url:?}) {why}");
        let base_url = Url::parse(base_url).map_err(|error| wrong(&format!("is no address: {error}")))?;
        if !matches!(base_url.scheme(), "https" | "http") || base_url.cannot_be_a_base() {
            return Err(wrong("must start with https:// or http://"));
        }
        Ok(Self { base_url, respond_all: ids("respond_all")?, bots: ids("bots")? })
    }
}

/// A list of ids, which are numbers to Telegram and texts to the host.
fn ids(key: &str) -> Result<BTreeSet<String>, String> {
    let values = settings::get::<Vec<Value>>(key).map_err(|error| error.to_string())?.unwrap_or_default();
    let id = |value: &Value| match value {
        Value::String(text) => text.trim().parse::<i64>().ok(),
        other => other.as_i64(),
    };
    let read = |value: Value| match id(&value) {
        Some(id) => Ok(id.to_string()),
        None => {
            Err(format!("the setting {key} of telegram holds {value}, which is no id such as -1001234567890"))
        }
    };
    values.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use openpact_sdk::serde_json::json;

    use super::*;

    #[test]
    fn ids_are_numbers_or_texts() {
        settings::set_for_test("respond_all", json!(["-1001", -1002, " 7 "]));
        let read = Settings::read().unwrap();
        assert_eq!(read.base_url.as_str(), "https://api.telegram.org/");
        assert_eq!(read.respond_all, ["-1001", "-1002", "7"].map(str::to_owned).into());
        assert!(read.bots.is_empty());
        for wrong in [json!(["@name"]), json!([1.5]), json!([null])] {
            settings::set_for_test("bots", wrong.clone());
            assert!(Settings::read().unwrap_err().contains("setting bots"), "{wrong}");
        }
    }

    #[test]
    fn a_base_that_is_no_address_is_refused() {
        for wrong in ["api.telegram.org", "ftp://a.example", "data:x", ""] {
            settings::set_for_test("base_url", json!(wrong));
            assert!(Settings::read().unwrap_err().contains("base_url"), "{wrong}");
        }
    }
}

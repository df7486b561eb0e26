//! What the admin set.

use std::collections::BTreeSet;

use openpact_sdk::settings;
use url::Url;

const API_URL: &str = "https://slack.com/api";

/// The settings of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where the Web API is.
    pub(crate) api_url: Url,
    /// The channels in which everything is answered.
    pub(crate) respond_all: BTreeSet<String>,
    /// The other bots that are listened to.
    pub(crate) bots: BTreeSet<String>,
}

impl Settings {
    /// Reads them; an error says which one is wrong.
    pub(crate) fn read() -> Result<Self, String> {
        let api_url = settings::get::<String>("api_url").map_err(|error| error.to_string())?;
        let api_url = api_url.as_deref().unwrap_or(API_URL);
        Ok(Self { api_url: base(api_url)?, respond_all: ids("respond_all")?, bots: ids("bots")? })
    }
}

/// An address that a method can be put behind.
fn base(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("the setting api_url of slack ({text:?}) {why}");
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no address: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") || url.cannot_be_a_base() {
        return Err(wrong("must start with https:// or http://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must end with its path, without '?' and '#'"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must hold no name and no password"));
    }
    Ok(url)
}

/// A list of ids as Slack writes them.
fn ids(key: &str) -> Result<BTreeSet<String>, String> {
    let values = settings::get::<Vec<String>>(key).map_err(|error| error.to_string())?.unwrap_or_default();
    let read = |value: String| {
        let id = value.trim();
        let valid = id.starts_with(|c: char| c.is_ascii_uppercase())
            && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let wrong =
            || format!("the setting {key} of slack holds {value:?}, which is no id such as C0123456789");
        valid.then(|| id.to_owned()).ok_or_else(wrong)
    };
    values.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use openpact_sdk::serde_json::json;

    use super::*;

    #[test]
    fn ids_are_those_of_slack_and_no_names() {
        settings::set_for_test("respond_all", json!(["C01", " G02 "]));
        let read = Settings::read().unwrap();
        assert_eq!(read.api_url.as_str(), "https://slack.com/api");
        assert_eq!(read.respond_all, ["C01", "G02"].map(str::to_owned).into());
        assert!(read.bots.is_empty());
        for wrong in [json!(["#general"]), json!(["general"]), json!([""]), json!([1])] {
            settings::set_for_test("bots", wrong.clone());
            assert!(Settings::read().unwrap_err().contains("bots"), "{wrong}");
        }
    }

    #[test]
    fn a_base_that_is_no_address_is_refused() {
        for wrong in ["slack.com", "ftp://a.example", "data:x", "", "https://a/?b", "https://a:b@c.example"] {
            settings::set_for_test("api_url", json!(wrong));
            assert!(Settings::read().unwrap_err().contains("api_url"), "{wrong}");
        }
    }
}

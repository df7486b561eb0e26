//! What the admin set.

use std::collections::BTreeSet;

use openpact_sdk::settings;
use reqwest::Url;
use serde_json::Value;

const API_URL: &str = "https://discord.com/api/v10";

/// The settings of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where the API is.
    pub(crate) api_url: Url,
    /// Where the gateway is; where it is not set, the API says so.
    pub(crate) gateway_url: Option<Url>,
    /// The channels in which everything is answered.
    pub(crate) respond_all: BTreeSet<u64>,
    /// The other bots and the webhooks that are listened to.
    pub(crate) bots: BTreeSet<u64>,
}

impl Settings {
    /// Reads them; an error says which one is wrong.
    pub(crate) fn read() -> Result<Self, String> {
        let api_url = text("api_url")?.unwrap_or_else(|| API_URL.to_owned());
        let gateway_url = text("gateway_url")?.filter(|url| !url.is_empty());
        Ok(Self {
            api_url: address("api_url", &api_url, ["https", "http"])?,
            gateway_url: gateway_url.map(|url| address("gateway_url", &url, ["wss", "ws"])).transpose()?,
            respond_all: ids("respond_all")?,
            bots: ids("bots")?,
        })
    }
}

fn text(key: &str) -> Result<Option<String>, String> {
    settings::get::<String>(key).map_err(|error| error.to_string())
}

fn address(key: &str, text: &str, schemes: [&str; 2]) -> Result<Url, String> {
    let wrong = |why: &str| format!("the setting {key} of discord ({text:?}) {why}");
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no address: {error}")))?;
    let [secure, plain] = schemes;
    if !schemes.contains(&url.scheme()) || url.host_str().is_none() {
        return Err(wrong(&format!("must start with {secure}:// or {plain}://")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must hold no name and no password"));
    }
    Ok(url)
}

/// A list of ids, which are numbers to Discord and texts to the host.
fn ids(key: &str) -> Result<BTreeSet<u64>, String> {
    let values = settings::get::<Vec<Value>>(key).map_err(|error| error.to_string())?.unwrap_or_default();
    let id = |value: &Value| match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    };
    let read = |value: Value| {
        id(&value).filter(|id| *id > 0).ok_or_else(|| {
            format!("the setting {key} of discord holds {value}, which is no id such as 41771983423143937")
        })
    };
    values.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_numbers_or_texts() {
        settings::set_for_test("respond_all", json!(["41771983423143937", 7, " 8 "]));
        let read = Settings::read().unwrap();
        assert_eq!(read.api_url.as_str(), "https://discord.com/api/v10");
        assert_eq!(read.gateway_url, None);
        assert_eq!(read.respond_all, [41_771_983_423_143_937, 7, 8].into());
        assert!(read.bots.is_empty());
        for wrong in [json!(["#general"]), json!([1.5]), json!([null]), json!([0]), json!(["-1"])] {
            settings::set_for_test("bots", wrong.clone());
            assert!(Settings::read().unwrap_err().contains("setting bots"), "{wrong}");
        }
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        let wrong = ["discord.com", "ftp://a.example", "data:x", "", "https://user:word@a.example"];
        for wrong in wrong {
            settings::set_for_test("api_url", json!(wrong));
            assert!(Settings::read().unwrap_err().contains("setting api_url"), "{wrong}");
        }
        settings::set_for_test("api_url", json!("http://127.0.0.1:8080/api/v10"));
        for wrong in ["https://gateway.discord.gg", "gateway.discord.gg", "wss://a:b@c.example"] {
            settings::set_for_test("gateway_url", json!(wrong));
            assert!(Settings::read().unwrap_err().contains("setting gateway_url"), "{wrong}");
        }
        settings::set_for_test("gateway_url", json!("ws://127.0.0.1:8081/"));
        assert!(Settings::read().unwrap().gateway_url.is_some());
    }
}

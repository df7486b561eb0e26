//! A request: from the wire to what it says.

use bytes::Bytes;
use http::request::Parts;
use openpact_fake_kit::form;
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::world::File;

/// The largest body, in bytes. The real server takes 10 MiB for each file of a bot.
pub(crate) const MAX_BODY: usize = 32 << 20;
/// The largest file, in bytes.
const MAX_FILE: usize = 10 << 20;

/// A request that was understood.
pub(crate) struct Request {
    /// The bot that asks; 0 where the operation asks for none.
    pub(crate) bot: u64,
    /// What stands in the path in place of `{channel_id}` and the like, in order.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) files: Vec<File>,
}

impl Request {
    /// A number in the path.
    pub(crate) fn id(&self, index: usize) -> u64 {
        self.path.get(index).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The query, decoded.
pub(crate) fn query(text: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// The body, and the files that came with it.
pub(crate) async fn read(parts: &Parts, body: Bytes) -> Result<(Value, Vec<File>), Refusal> {
    let kind = form::content_type(parts);
    match form::media_type(kind).as_str() {
        _ if body.is_empty() => Ok((Value::Null, Vec::new())),
        "application/json" => Ok((parse(&body)?, Vec::new())),
        "application/x-www-form-urlencoded" => {
            let fields = url::form_urlencoded::parse(&body).into_owned();
            Ok((Value::Object(fields.map(|(name, value)| (name, value.into())).collect()), Vec::new()))
        }
        "multipart/form-data" => multipart(kind, body).await,
        _ => Err(Refusal::new(
            400,
            50_035,
            "Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data', 'application/x-www-form-urlencoded'}.",
        )),
    }
}

fn parse(body: &[u8]) -> Result<Value, Refusal> {
    let unreadable = |_| Refusal::new(400, 50_109, "The request body contains invalid JSON.");
    serde_json::from_slice(body).map_err(unreadable)
}

async fn multipart(kind: &str, body: Bytes) -> Result<(Value, Vec<File>), Refusal> {
    let unreadable = |_| Refusal::new(400, 50_035, "Invalid Form Body");
    let (mut payload, mut loose, mut files) = (None, Map::new(), Vec::new());
    for part in form::parts(kind, body).await.map_err(unreadable)? {
        if part.name == "payload_json" {
            payload = Some(parse(&part.bytes)?);
        } else if let Some((index, name)) = file_index(&part.name).zip(part.file_name.clone()) {
            if part.bytes.len() > MAX_FILE {
                return Err(Refusal::new(413, 40_005, "Request entity too large"));
            }
            let media_type = part.media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            files.push(File { name, media_type, bytes: part.bytes.to_vec(), index });
        } else {
            let text = part.text();
            loose.insert(part.name, text.into());
        }
    }
    Ok((payload.unwrap_or(Value::Object(loose)), files))
}

/// The number in `files[N]`.
fn file_index(name: &str) -> Option<u64> {
    name.strip_prefix("files[")?.strip_suffix(']')?.parse().ok()
}

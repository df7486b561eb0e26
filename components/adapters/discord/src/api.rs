//! One exchange with the API (<https://discord.com/developers/docs/reference>).

mod bucket;
mod failure;
mod reply;

use std::time::Duration;

use openpact_kit::Lost;
use openpact_sdk::adapter::File;
use openpact_sdk::credentials;
use openpact_text::foreign;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::Value;

use crate::settings::Settings;

pub(crate) use bucket::Mindful;
#[cfg(test)]
pub(crate) use failure::Refusal;
pub(crate) use failure::{Failure, TOKEN_REFUSED, Unusable, UnusableSocket};
pub(crate) use reply::{Answer, Reply};

/// How long one call may wait for the head of its answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The same where the receive loop waits for it: it has a heart that must beat, and three seconds to acknowledge an
/// interaction.
pub(crate) const SHORTLY: Duration = Duration::from_secs(3);
/// The same where files go along.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How Discord wants to be told who asks (API Reference, "User Agent").
const AGENT: &str = concat!("DiscordBot (openpact, ", env!("CARGO_PKG_VERSION"), ")");
/// From this length on a part of a path is a token and no word.
const TOKEN_LENGTH: usize = 24;

/// What goes along with a call.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Nothing.
    Nothing,
    /// A value as JSON.
    Json(Value),
    /// The same with files.
    Form(Value, Vec<File>),
}

/// A call of the API.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// Its path behind the address of the API, part by part.
    pub(crate) path: Vec<String>,
    /// What stands behind the path.
    pub(crate) query: Vec<(&'static str, String)>,
    /// What goes along.
    pub(crate) content: Content,
    /// Whether the token goes along. Where the path holds a token of its own, it does not.
    pub(crate) authorized: bool,
    /// How long to wait for the head of the answer.
    pub(crate) timeout: Duration,
}

impl Call {
    /// A call without a body, with the token.
    pub(crate) fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { method, path, query: vec![], content: Content::Nothing, authorized: true, timeout: TIMEOUT }
    }

    /// With one value more behind its path.
    pub(crate) fn query(mut self, key: &'static str, value: String) -> Self {
        self.query.push((key, value));
        self
    }

    /// With this value as its body.
    pub(crate) fn json(self, value: Value) -> Self {
        Self { content: Content::Json(value), ..self }
    }

    /// With this value and files as its body.
    pub(crate) fn files(self, value: Value, files: Vec<File>) -> Self {
        let content = if files.is_empty() { Content::Json(value) } else { Content::Form(value, files) };
        Self { content, ..self }
    }

    /// Without the token.
    pub(crate) fn anonymous(self) -> Self {
        Self { authorized: false, ..self }
    }

    /// With this timeout.
    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// About how many bytes go out.
    fn size(&self) -> u64 {
        let (value, files) = match &self.content {
            Content::Nothing => return 0,
            Content::Json(value) => (value, &[][..]),
            Content::Form(value, files) => (value, files.as_slice()),
        };
        let files: usize = files.iter().map(|file| file.data.len()).sum();
        (value.to_string().len() + files) as u64
    }
}

/// The way to the API; tests put a script in its place.
pub(crate) trait Exchange {
    /// Sends a call and gives the answer, whatever its status.
    fn exchange(&self, call: &Call) -> Result<Answer, Failure>;

    /// The bytes at an address outside the API, if there are at most `limit`; `None` where there are more.
    fn fetch(&self, url: &Url, limit: u64) -> Result<Option<Answer>, Failure>;

    /// Where the API is.
    fn base(&self) -> &Url;
}

/// Sends a call and takes its answer apart.
pub(crate) fn call(api: &impl Exchange, call: &Call) -> Result<Reply, Failure> {
    let answer = api.exchange(call)?;
    reply::read(&answer, call.size())
}

/// The API by way of the host.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: Url,
    token: String,
}

impl Api {
    /// The API that the settings name, with this instance's reference to the token.
    pub(crate) fn connect() -> Result<Self, Unusable> {
        Self::at(&Settings::read().map_err(Unusable::Settings)?)
    }

    /// The same with settings that were read already.
    pub(crate) fn at(settings: &Settings) -> Result<Self, Unusable> {
        let token = credentials::reference("token").map_err(Unusable::Token)?;
        Ok(Self { client: Client::new(), base: settings.api_url.clone(), token })
    }

    fn request(&self, call: &Call) -> Result<RequestBuilder, String> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| "the address of the API has no path".to_owned())?
            .pop_if_empty()
            .extend(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let request = self.client.request(call.method.clone(), url);
        let request = request.header(USER_AGENT, HeaderValue::from_static(AGENT)).timeout(call.timeout);
        let request = if call.authorized {
            let value = HeaderValue::from_str(&format!("Bot {}", self.token));
            request.header(AUTHORIZATION, value.map_err(|error| error.to_string())?)
        } else {
            request
        };
        Ok(match &call.content {
            // Discord wants a length, or a type, of every body that it could get.
            Content::Nothing => request,
            Content::Json(value) => {
                let media_type = HeaderValue::from_static("application/json");
                request.header(CONTENT_TYPE, media_type).body(value.to_string().into_bytes())
            }
            Content::Form(value, files) => request.multipart(form(value, files)?).timeout(UPLOAD_TIMEOUT),
        })
    }
}

/// The files and what is said about them (API Reference, "Uploading Files").
fn form(value: &Value, files: &[File]) -> Result<Form, String> {
    let json = Part::text(value.to_string()).mime_str("application/json");
    let mut form = Form::new().part("payload_json", json.map_err(|error| error.to_string())?);
    for (index, file) in files.iter().enumerate() {
        let part = Part::bytes(file.data.clone()).file_name(file.name.clone());
        let part = part.mime_str(&file.media_type).map_err(|error| error.to_string())?;
        form = form.part(format!("files[{index}]"), part);
    }
    Ok(form)
}

impl Exchange for Api {
    fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        let request = self.request(call).map_err(Failure::Unsent)?;
        let received = openpact_kit::receive(request);
        received.map(Into::into).map_err(|lost| failure(lost, || grant(&self.base, call)))
    }

    fn fetch(&self, url: &Url, limit: u64) -> Result<Option<Answer>, Failure> {
        let agent = HeaderValue::from_static(AGENT);
        let request = self.client.get(url.clone()).header(USER_AGENT, agent).timeout(UPLOAD_TIMEOUT);
        let received = openpact_kit::receive_within(request, limit);
        let grant = || format!("GET {}/**", url.origin().ascii_serialization());
        received.map(|answer| answer.map(Into::into)).map_err(|lost| failure(lost, grant))
    }

    fn base(&self) -> &Url {
        &self.base
    }
}

/// Why there is no answer; `grant` is what the request needs.
fn failure(lost: Lost, grant: impl FnOnce() -> String) -> Failure {
    match lost {
        Lost::Denied => Failure::Denied { grant: grant() },
        Lost::Unsent(text) => Failure::Unsent(text),
        Lost::Broken(text) => Failure::Broken(text),
    }
}

/// What an admin has to grant for this call.
fn grant(base: &Url, call: &Call) -> String {
    let word = |part: &String| {
        let is_id = part.bytes().all(|byte| byte.is_ascii_digit()) || part.len() >= TOKEN_LENGTH;
        if is_id { "*".to_owned() } else { part.clone() }
    };
    let path = call.path.iter().map(word).collect::<Vec<_>>().join("/");
    let credential = if call.authorized { " credential=token" } else { "" };
    let mut base = base.clone();
    base.set_query(None);
    let base_text = base.as_str().trim_end_matches('/');
    format!("{} {base_text}/{path}{credential}{}", call.method, private(&base))
}

/// What a rule for this address has to say besides.
pub(crate) fn private(url: &Url) -> &'static str {
    foreign::private(url.host_str())
}

#[cfg(test)]
pub(crate) mod script;

#[cfg(test)]
mod tests;

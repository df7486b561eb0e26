//! Requests.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use url::Url;

use crate::body::Body;
use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::multipart::Form;
use crate::response::Response;

/// What an address is made of.
pub trait IntoUrl {
    /// The address.
    ///
    /// # Errors
    /// When it is none.
    fn into_url(self) -> Result<Url>;
}

impl IntoUrl for Url {
    fn into_url(self) -> Result<Url> {
        Ok(self)
    }
}

impl IntoUrl for &str {
    fn into_url(self) -> Result<Url> {
        Url::parse(self).map_err(|error| Error::new(Kind::Builder, error))
    }
}

impl IntoUrl for String {
    fn into_url(self) -> Result<Url> {
        self.as_str().into_url()
    }
}

impl IntoUrl for &String {
    fn into_url(self) -> Result<Url> {
        self.as_str().into_url()
    }
}

/// A request.
#[derive(Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Body>,
    pub(crate) form: Option<Form>,
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None, form: None, timeout: None }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The headers, to change them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The body, where it is no form.
    pub fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }

    /// How long to wait; see [`RequestBuilder::timeout`].
    pub fn timeout(&self) -> Option<&Duration> {
        self.timeout.as_ref()
    }

    /// The same, to change it.
    pub fn timeout_mut(&mut self) -> &mut Option<Duration> {
        &mut self.timeout
    }
}

/// Makes a [`Request`].
#[derive(Debug)]
#[must_use]
pub struct RequestBuilder {
    client: Client,
    request: Result<Request>,
}

impl RequestBuilder {
    pub(crate) fn new(client: Client, request: Result<Request>) -> Self {
        Self { client, request }
    }

    fn with(mut self, change: impl FnOnce(&mut Request)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }

    /// Adds a header.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|request| {
            request.headers.append(name, value);
        })
    }

    /// Sets headers; those of the same name are replaced.
    #[expect(clippy::needless_pass_by_value, reason = "as reqwest has it")]
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|request| {
            for (name, value) in &headers {
                request.headers.insert(name.clone(), value.clone());
            }
        })
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body = Some(body.into()))
    }

    /// Sets the body to a form.
    pub fn multipart(self, form: Form) -> Self {
        self.with(|request| request.form = Some(form))
    }

    /// How long to wait for the head of the answer, and between two pieces of its body.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout = Some(timeout))
    }

    /// Sets the body to a value as JSON, and the header that says so.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => {
                self.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body)
            }
            Err(error) => {
                self.request = Err(Error::new(Kind::Builder, error));
                self
            }
        }
    }

    /// The request.
    ///
    /// # Errors
    /// When something that was set is wrong.
    pub fn build(self) -> Result<Request> {
        self.request
    }

    /// Sends it and waits for the head of the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(self) -> Result<Response> {
        self.client.execute(self.request?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_told_when_it_is_built() {
        let error = Client::new().get("no address").body("x").build().unwrap_err();
        assert!(error.is_builder() && !error.is_request(), "{error:?}");
    }

    #[test]
    fn a_json_body_says_what_it_is() {
        let request = Client::new().post("https://a.example").json(&[1, 2]).build().unwrap();
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.body().unwrap().as_bytes(), Some(b"[1,2]".as_slice()));
    }

    #[test]
    fn wishes_of_the_client_are_those_of_its_requests() {
        let client = Client::builder().timeout(Duration::from_secs(3)).build().unwrap();
        let request = client.get("https://a.example").build().unwrap();
        assert_eq!(request.timeout(), Some(&Duration::from_secs(3)));
        let request = client.get("https://a.example").timeout(Duration::from_mins(1)).build().unwrap();
        assert_eq!(request.timeout(), Some(&Duration::from_mins(1)));
    }

    #[tokio::test]
    async fn outside_a_component_there_is_no_network() {
        let error = Client::new().get("https://a.example/x").send().await.unwrap_err();
        assert!(error.is_connect() && error.is_request(), "{error:?}");
        assert_eq!(error.url().map(Url::as_str), Some("https://a.example/x"));
        assert_eq!(error.without_url().to_string(), "no connection");
    }
}

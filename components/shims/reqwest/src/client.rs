//! The client: what all requests have in common.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};

use crate::error::{Error, Kind, Result};
use crate::request::{IntoUrl, Request, RequestBuilder};
use crate::response::Response;
use crate::transport;

/// Sends requests. Connections are the host's, so that a client costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Client {
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    headers: HeaderMap,
}

/// Makes a [`Client`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientBuilder(Client);

/// A proxy. There is none: the host knows the way out.
#[derive(Debug, Clone)]
pub struct Proxy(());

impl Proxy {
    /// Always an error.
    ///
    /// # Errors
    /// A component has no proxies.
    pub fn all(_: impl IntoUrl) -> Result<Self> {
        Err(Error::new(Kind::Builder, "a component has no proxies: the host knows the way out"))
    }
}

impl ClientBuilder {
    /// A client without wishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long to wait for a connection.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.connect_timeout = Some(timeout);
        self
    }

    /// How long to wait for the head of an answer, and between two pieces of its body.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(timeout);
        self
    }

    /// Headers of every request.
    pub fn default_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers = headers;
        self
    }

    /// The host's business.
    pub fn tcp_nodelay(self, _: bool) -> Self {
        self
    }

    /// There is no [`Proxy`].
    pub fn proxy(self, _: Proxy) -> Self {
        self
    }

    /// The host's business.
    pub fn use_rustls_tls(self) -> Self {
        self
    }

    /// The host's business.
    pub fn use_native_tls(self) -> Self {
        self
    }

    /// The client.
    ///
    /// # Errors
    /// None; reqwest has some.
    pub fn build(self) -> Result<Client> {
        Ok(self.0)
    }
}

impl Client {
    /// A client without wishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client with wishes.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A request.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        let request = url.into_url().map(|url| {
            let mut request = Request::new(method, url);
            request.headers = self.headers.clone();
            request.timeout = self.timeout;
            request
        });
        RequestBuilder::new(self.clone(), request)
    }

    /// A request to read.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A request that sends something.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn execute(&self, mut request: Request) -> Result<Response> {
        let body = match (request.form.take(), request.body.take()) {
            (Some(form), _) => {
                let (media_type, body) = form.encode().await?;
                let media_type =
                    HeaderValue::try_from(media_type).map_err(|error| Error::new(Kind::Builder, error))?;
                request.headers.insert(header::CONTENT_TYPE, media_type);
                Some(body)
            }
            (None, Some(body)) => Some(body.collect().await?),
            (None, None) => None,
        };
        let url = request.url.clone();
        let sent = transport::send(request, body, self.connect_timeout).await;
        sent.map_err(|error| error.with_url(url))
    }
}

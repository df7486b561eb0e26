//! Answers.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::MAX_BODY;
use crate::error::{Error, Kind, Result};
use crate::transport::Incoming;

/// An answer, whatever its status. Its body is read when it is asked for.
#[derive(Debug)]
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    pub(crate) body: Incoming,
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The address as it was asked for; the host may have followed redirects from there.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When it broke off, or took too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.body.next().await
    }

    /// The body.
    ///
    /// # Errors
    /// When it broke off, took too long, or is longer than [`MAX_BODY`].
    pub async fn bytes(mut self) -> Result<Bytes> {
        let mut whole = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if whole.len() + piece.len() > MAX_BODY {
                let why = format!("it is longer than {MAX_BODY} bytes");
                return Err(Error::new(Kind::Body, why).with_url(self.url));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), or that it is no such value.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_slice(&self.bytes().await?).map_err(|error| Error::new(Kind::Decode, error))
    }

    /// This answer if its status is no error (400 to 599).
    ///
    /// # Errors
    /// [`Error::is_status`].
    pub fn error_for_status(self) -> Result<Self> {
        if self.status.is_client_error() || self.status.is_server_error() {
            return Err(Error::status_error(self.status, self.url));
        }
        Ok(self)
    }
}

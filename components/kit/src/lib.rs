//! One request over `reqwest`, and what became of it: what the adapters of platforms have in common whose crates bring
//! it. What an answer means is for each of them.

use openpact_text::foreign::shortened;
use reqwest::header::HeaderValue;
use reqwest::{RequestBuilder, Response};

/// The status of an answer to one request too many.
pub const TOO_MANY: u16 = 429;

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case; a value that is no text is empty.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer; the text is what the host says, without the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The host did not let the request through. Nothing was sent.
    Denied,
    /// No connection came about. Nothing was sent.
    Unsent(String),
    /// It broke off, or took too long: it may have been done.
    Broken(String),
}

/// Sends a request and reads the whole answer, of at most [`reqwest::MAX_BODY`] bytes.
///
/// # Errors
/// Why there is none.
pub fn receive(request: RequestBuilder) -> Result<Received, Lost> {
    block_on(async {
        let response = request.send().await?;
        let received = head(&response);
        let body = match response.bytes().await {
            // That there were too many is said already.
            Err(_) if received.status == TOO_MANY => Vec::new(),
            body => body?.to_vec(),
        };
        Ok(Received { body, ..received })
    })
}

/// The same where the body has at most `limit` bytes; `None` where it has more, which are not read.
///
/// # Errors
/// Why there is none.
pub fn receive_within(request: RequestBuilder, limit: u64) -> Result<Option<Received>, Lost> {
    block_on(async {
        let mut response = request.send().await?;
        let mut received = head(&response);
        while let Some(piece) = response.chunk().await? {
            received.body.extend_from_slice(&piece);
            if received.body.len() as u64 > limit {
                return Ok(None);
            }
        }
        Ok(Some(received))
    })
}

fn block_on<T>(exchange: impl Future<Output = Result<T, reqwest::Error>>) -> Result<T, Lost> {
    // Without timers and drivers there is nothing that could not be built.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    runtime.block_on(exchange).map_err(|error| lost(&error))
}

fn head(response: &Response) -> Received {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Received { status: response.status().as_u16(), headers: headers.collect(), body: vec![] }
}

fn lost(error: &reqwest::Error) -> Lost {
    // The innermost text is what the host says of the request; the others name the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = shortened(&cause.to_string());
    if error.is_denied() {
        Lost::Denied
    } else if error.is_connect() || error.is_builder() {
        Lost::Unsent(text)
    } else {
        Lost::Broken(text)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Client;

    use super::*;

    #[test]
    fn what_was_never_sent_says_why_and_not_where() {
        let client = Client::new();
        let lost = |url: &str| {
            let lost = receive(client.get(url)).expect_err("there is no network outside a component");
            assert_eq!(receive_within(client.get(url), 1), Err(lost.clone()));
            lost
        };
        for url in ["https://secret.example/token", "no address"] {
            assert!(matches!(lost(url), Lost::Unsent(text) if !text.is_empty() && !text.contains("secret")));
        }
    }
}

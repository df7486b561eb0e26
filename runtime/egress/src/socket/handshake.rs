//! The opening handshake (RFC 6455, section 4): what a guest may write into it, and what its answer says.

use http::header::{self as names, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as Fault;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::{Response, generate_key};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::{Position, Url};

use super::MAX_QUEUED_BYTES;
use super::beat::Counted;
use super::dial::Duplex;
use crate::decide::{Context, Hop};
use crate::error::Error;
use crate::header;
use crate::request::{self, request};

/// What a handshake's headers start with that are the host's own, all but the subprotocol.
const OWN: &str = "sec-websocket-";
/// Subprotocols that may be offered.
const MAX_PROTOCOLS: usize = 16;
/// Bytes that are read at once.
const READ_BUFFER: usize = 16 * 1024;
/// Room beside one message for what is written with it: its head, and answers to pings.
const WRITE_SLACK: usize = 64 * 1024;
/// How much of a redirect's target is shown.
const SHOWN: usize = 300;

/// The protocol over one connection.
pub(super) type Stream = WebSocketStream<Counted<Box<dyn Duplex>>>;

/// Refuses to work while somebody listens to what the protocol's library writes to `log` at its lowest levels: whole
/// frames, with the credentials in them.
pub(super) fn check_log(level: log::LevelFilter) -> Result<(), Error> {
    if level <= log::LevelFilter::Info {
        return Ok(());
    }
    Err(Error::Setup(
        "WebSocket connections are refused while the program logs what libraries say at the levels debug and trace: \
         it would hold credentials"
            .to_owned(),
    ))
}

/// Reads what the guest asks for.
pub(super) fn read(url: &str, headers: &[(String, String)]) -> Result<Hop, Error> {
    let (parts, _) = request("GET", url, headers, request::empty())?.into_parts();
    let url = Url::parse(&parts.uri.to_string());
    let url = url.map_err(|error| Error::Invalid(format!("the URL cannot be read: {error}")))?;
    let url = request::acceptable_as(url, ["ws", "wss"])?;
    let wrong = header::wrong(&parts.headers).or_else(|| wrong(&parts.headers));
    wrong.map_or(Ok(()), |reason| Err(Error::denied(reason)))?;
    Ok(Hop { number: 0, method: parts.method, url, headers: parts.headers, offered: None })
}

/// What is wrong with the headers of a handshake beyond what is wrong with those of any request: one line.
fn wrong(headers: &HeaderMap) -> Option<String> {
    let own = |name: &&HeaderName| {
        (name.as_str().starts_with(OWN) && **name != names::SEC_WEBSOCKET_PROTOCOL)
            || **name == names::CONTENT_LENGTH
    };
    if let Some(name) = headers.keys().find(own) {
        return Some(format!("the header '{name}' is the host's own and cannot be set"));
    }
    let mut offers = headers.get_all(names::SEC_WEBSOCKET_PROTOCOL).iter();
    let offer = offers.next()?;
    if offers.next().is_some() || !are_protocols(offer) {
        return Some(format!(
            "the header '{}' is one list of at most {MAX_PROTOCOLS} different names",
            names::SEC_WEBSOCKET_PROTOCOL
        ));
    }
    None
}

fn are_protocols(offer: &HeaderValue) -> bool {
    let Ok(text) = offer.to_str() else { return false };
    let mut seen: Vec<&str> = Vec::new();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for name in text.split(',').map(str::trim) {
        if name.is_empty() || !name.bytes().all(fits) || seen.contains(&name) || seen.len() == MAX_PROTOCOLS {
            return false;
        }
        seen.push(name);
    }
    true
}

/// The handshake as it is sent.
pub(super) fn compose(url: &Url, headers: HeaderMap) -> Result<Request<()>, Error> {
    let unfit = || Error::Invalid("the URL cannot be sent".to_owned());
    let uri: Uri = url.as_str().parse().map_err(|_| unfit())?;
    let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let own = [
        (names::HOST, host),
        (names::CONNECTION, "Upgrade".to_owned()),
        (names::UPGRADE, "websocket".to_owned()),
        (names::SEC_WEBSOCKET_VERSION, "13".to_owned()),
        (names::SEC_WEBSOCKET_KEY, generate_key()),
    ];
    for (name, value) in own {
        request.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(|_| unfit())?);
    }
    Ok(request)
}

/// How the protocol's library is bounded: `outgoing` and `incoming` are the longest messages.
pub(super) fn bounds(outgoing: usize, incoming: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(outgoing.min(MAX_QUEUED_BYTES) + WRITE_SLACK)
        .max_message_size(Some(incoming))
        .max_frame_size(Some(incoming))
}

/// Whether the answer opened a connection that we asked for.
pub(super) fn check(response: &Response, host: &str) -> Result<(), Error> {
    if response.headers().contains_key(names::SEC_WEBSOCKET_EXTENSIONS) {
        let why = "it uses an extension that was not offered".to_owned();
        return Err(Error::Refused { host: host.to_owned(), why });
    }
    Ok(())
}

/// Why the handshake failed. What the other side wrote is shown with nothing secret in it.
pub(super) fn failure(fault: &Fault, context: &Context, url: &Url) -> Error {
    let host = url.host_str().unwrap_or_default().to_owned();
    let why = match fault {
        Fault::Http(response) => answered(response, context, url),
        Fault::Io(error) => format!("the connection failed: {}", error.kind()),
        Fault::AttackAttempt => "its answer is too long or comes in too many pieces".to_owned(),
        Fault::Protocol(ProtocolError::HandshakeIncomplete) => "it broke off".to_owned(),
        Fault::Protocol(ProtocolError::HttparseError(_)) => "its answer is not one of HTTP/1.1".to_owned(),
        Fault::Protocol(protocol) => format!("its answer is wrong: {protocol}"),
        Fault::Capacity(_) => "its answer has too many headers".to_owned(),
        _ => "its answer cannot be read".to_owned(),
    };
    Error::Refused { host, why }
}

fn answered(response: &Response, context: &Context, url: &Url) -> String {
    let status = response.status();
    let location = response.headers().get(names::LOCATION).filter(|_| status.is_redirection());
    let Some(location) = location else { return format!("it answered {}", status.as_u16()) };
    let target = location.to_str().ok().and_then(|text| url.join(text).ok());
    let target = target.map_or_else(|| "another place".to_owned(), |url| context.show_url(&url, SHOWN));
    format!("it answered {}, a redirect to {target}, and a WebSocket follows none", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_listen_to_frames() {
        assert!(check_log(log::LevelFilter::Off).is_ok() && check_log(log::LevelFilter::Info).is_ok());
        assert!(matches!(check_log(log::LevelFilter::Debug), Err(Error::Setup(_))));
    }
}

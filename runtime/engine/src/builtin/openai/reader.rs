//! Reads an answer as it comes in, whatever the server calls it: an event stream, or one JSON document.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use openpact_egress as egress;

use super::decoder::Decoder;
use super::event_stream::{EventStream, TooLong};
use super::{MAX_BODY_BYTES, no_json, refused, too_large, transport};
use crate::builtin::provider::{Answer, Delta, Failure};

/// How long a server that gave the finish reason may take for what follows it: usage and the end mark. Some never send
/// an end mark nor close.
const AFTERTHOUGHT: Duration = Duration::from_secs(10);

/// The most bytes that a whole answer may take on the wire; each token brings its own envelope.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Reads one answer.
pub(super) struct Reader {
    headers: HeaderMap,
    body: egress::Body,
    shape: Shape,
    decoder: Decoder,
    ready: VecDeque<Delta>,
    /// Bytes so far.
    taken: usize,
    over: bool,
    /// What went wrong, told after everything that came before it.
    failed: Option<Failure>,
}

/// What the bytes are.
enum Shape {
    /// Not known yet: these are only spaces.
    Unknown(Vec<u8>),
    Events(EventStream),
    /// One document.
    Whole(Vec<u8>),
}

impl Reader {
    pub(super) fn new(response: http::Response<egress::Body>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            headers: parts.headers,
            body,
            shape: Shape::Unknown(Vec::new()),
            decoder: Decoder::default(),
            ready: VecDeque::new(),
            taken: 0,
            over: false,
            failed: None,
        }
    }

    pub(super) fn into_answer(self) -> Answer {
        stream::unfold(self, |mut reader| async {
            let item = reader.next().await?;
            Some((item, reader))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Delta, Failure>> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Some(Ok(delta));
            }
            if self.over {
                return self.failed.take().map(Err);
            }
            if let Err(failure) = self.advance().await {
                self.over = true;
                self.failed = Some(failure);
            }
        }
    }

    /// Reads what comes next.
    async fn advance(&mut self) -> Result<(), Failure> {
        let frame = if self.decoder.is_finished() {
            // The answer is complete, so whatever happens now is its end.
            tokio::time::timeout(AFTERTHOUGHT, self.body.frame()).await.ok().flatten().and_then(Result::ok)
        } else {
            self.body.frame().await.transpose().map_err(|error| transport(&error))?
        };
        let Some(frame) = frame else { return self.end() };
        let Ok(bytes) = frame.into_data() else { return Ok(()) };
        self.taken += bytes.len();
        if self.taken > MAX_ANSWER_BYTES {
            return Err(too_large());
        }
        self.take(&bytes)?;
        if self.decoder.is_ended() {
            self.over = true;
            self.ready.extend(self.decoder.finish());
        } else if self.ready.is_empty() {
            // Something came, if only a comment.
            self.ready.push_back(Delta::Alive);
        }
        Ok(())
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), Failure> {
        match &mut self.shape {
            Shape::Unknown(start) => {
                start.extend_from_slice(bytes);
                let Some(first) = start.iter().find(|byte| !byte.is_ascii_whitespace()) else {
                    return Ok(());
                };
                let whole = matches!(first, b'{' | b'[' | b'<');
                let start = std::mem::take(start);
                self.shape =
                    if whole { Shape::Whole(Vec::new()) } else { Shape::Events(EventStream::default()) };
                self.take(&Bytes::from(start))
            }
            Shape::Whole(document) => {
                document.extend_from_slice(bytes);
                if document.len() > MAX_BODY_BYTES { Err(too_large()) } else { Ok(()) }
            }
            Shape::Events(events) => {
                let events = events.push(bytes).map_err(|TooLong| too_large())?;
                events.iter().try_for_each(|event| self.decoder.event(event, &mut self.ready))
            }
        }
    }

    /// The body has ended.
    fn end(&mut self) -> Result<(), Failure> {
        self.over = true;
        match &mut self.shape {
            Shape::Unknown(_) => return Err(no_json(&self.headers, "")),
            Shape::Whole(document) => {
                let text = String::from_utf8_lossy(document);
                if refused::is_web_page(&self.headers, &text) {
                    return Err(Failure::nonsense(refused::WEB_PAGE));
                }
                // What began as a document and does not parse was cut.
                let value = serde_json::from_str(&text).map_err(|_incomplete| Failure::cut())?;
                self.decoder.whole(&value, &mut self.ready)?;
            }
            Shape::Events(events) => {
                if let Some(event) = events.finish() {
                    self.decoder.event(&event, &mut self.ready)?;
                }
            }
        }
        if !self.decoder.is_finished() {
            return Err(if self.decoder.is_fresh() { no_json(&self.headers, "") } else { Failure::cut() });
        }
        self.ready.extend(self.decoder.finish());
        Ok(())
    }
}

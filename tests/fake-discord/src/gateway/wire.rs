//! The frames of a connection: whole, in pieces, slow, or compressed.

use std::time::Duration;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long the other side may take to answer a closing frame.
const CLOSING: Duration = Duration::from_secs(1);

/// How many bytes are in a piece.
const PIECE: usize = 7;

/// The two directions of a connection.
pub(super) struct Wire {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// One context for all messages, as `compress=zlib-stream` has it.
    compress: Option<Compress>,
}

/// How a message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    /// In frames of a few bytes, with a pause between them.
    Pieces(Duration),
}

impl Wire {
    pub(super) fn new(stream: WebSocketStream<TokioIo<Upgraded>>, compressed: bool) -> Self {
        let compress = compressed.then(|| Compress::new(Compression::fast(), true));
        Self { stream, compress }
    }

    /// The next message; `None` when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.stream.next().await
    }

    pub(super) async fn send(&mut self, text: String, manner: Manner) -> Result<(), Error> {
        let (kind, bytes) = match &mut self.compress {
            Some(compress) => (Data::Binary, deflate(compress, text.as_bytes())),
            None => (Data::Text, text.into_bytes()),
        };
        let Manner::Pieces(pause) = manner else {
            let frame = Frame::message(bytes, OpCode::Data(kind), true);
            return self.stream.send(Message::Frame(frame)).await;
        };
        let count = bytes.len().div_ceil(PIECE);
        for (index, piece) in bytes.chunks(PIECE).enumerate() {
            let kind = if index == 0 { kind } else { Data::Continue };
            let piece = Bytes::copy_from_slice(piece);
            let frame = Frame::message(piece, OpCode::Data(kind), index + 1 == count);
            self.stream.send(Message::Frame(frame)).await?;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Closes with that code, and waits a moment for the other side to agree.
    pub(super) async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason(code).into() };
        // The other side may be gone already.
        let _ = self.stream.close(Some(frame)).await;
        let agreed = async { while let Some(Ok(_)) = self.stream.next().await {} };
        let _ = tokio::time::timeout(CLOSING, agreed).await;
    }
}

/// Adds a message to the compressed stream; it ends with the bytes `00 00 ff ff`.
fn deflate(compress: &mut Compress, bytes: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(bytes.len() + 64);
    let begun = compress.total_in();
    loop {
        let done = usize::try_from(compress.total_in() - begun).expect("messages are short");
        compress
            .compress_vec(&bytes[done..], &mut output, FlushCompress::Sync)
            .expect("what was compressed before is in order");
        if output.len() < output.capacity() {
            return output;
        }
        output.reserve(bytes.len() + 64);
    }
}

/// What the real server says with its codes.
fn reason(code: u16) -> &'static str {
    match code {
        4_000 => "Unknown error.",
        4_001 => "Unknown opcode.",
        4_002 => "Error while decoding payload.",
        4_003 => "Not authenticated.",
        4_004 => "Authentication failed.",
        4_005 => "Already authenticated.",
        4_007 => "Invalid seq.",
        4_008 => "Rate limited.",
        4_009 => "Session timed out.",
        4_010 => "Invalid shard.",
        4_011 => "Sharding required.",
        4_012 => "Invalid API version.",
        4_013 => "Invalid intent(s).",
        4_014 => "Disallowed intent(s).",
        _ => "",
    }
}

//! What is sent along.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStream, TryStreamExt as _};

use crate::error::{Cause, Error, Kind, Result};

type Pieces = Pin<Box<dyn Stream<Item = std::result::Result<Bytes, Cause>> + Send>>;

enum Inner {
    Whole(Bytes),
    Pieces(Pieces),
}

/// What is sent along with a request. It is sent as a whole, so that the host knows its length.
pub struct Body(Inner);

impl Body {
    /// A body that comes in pieces.
    pub fn wrap_stream<S>(stream: S) -> Self
    where
        S: TryStream + Send + 'static,
        S::Error: Into<Cause>,
        Bytes: From<S::Ok>,
    {
        Self(Inner::Pieces(Box::pin(stream.map_ok(Bytes::from).map_err(Into::into))))
    }

    /// The bytes, where it does not come in pieces.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Inner::Whole(bytes) => Some(bytes),
            Inner::Pieces(_) => None,
        }
    }

    pub(crate) async fn collect(self) -> Result<Bytes> {
        let mut pieces = match self.0 {
            Inner::Whole(bytes) => return Ok(bytes),
            Inner::Pieces(pieces) => pieces,
        };
        let mut whole = Vec::new();
        while let Some(piece) = pieces.next().await {
            whole.extend_from_slice(&piece.map_err(|error| Error::new(Kind::Body, error))?);
        }
        Ok(whole.into())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Body")
    }
}

macro_rules! from {
    ($($from:ty),*) => {
        $(impl From<$from> for Body {
            fn from(whole: $from) -> Self {
                Self(Inner::Whole(whole.into()))
            }
        })*
    };
}

from!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

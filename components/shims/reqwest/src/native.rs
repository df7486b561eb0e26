//! Outside a component: there is no network.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, Kind, Result};
use crate::request::Request;
use crate::response::Response;

/// The body of an answer that never comes.
#[derive(Debug)]
pub(crate) struct Incoming(Infallible);

impl Incoming {
    #[expect(clippy::unused_async, reason = "inside a component it waits")]
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.0 {}
    }
}

#[expect(clippy::unused_async, reason = "inside a component it waits")]
pub(crate) async fn send(_: Request, _: Option<Bytes>, _: Option<Duration>) -> Result<Response> {
    Err(Error::new(Kind::Connect, "there is no network outside a component"))
}

/// What a form's boundary is made of. Nothing is sent here, so that it need not be random.
pub(crate) fn random() -> u64 {
    0x0123_4567_89ab_cdef
}

//! Buckets that are known to be empty (Rate Limits, "Header Format"): who knows that one is does not ask Discord only to
//! be refused, since too many refusals end in a ban ("Invalid Request Limit").
//!
//! They are kept, because whatever is sent has an instance of its own: those alone that are empty, each until it is full
//! again. What one instance learns while another writes may be lost, and is then learnt from Discord. The receive loop
//! waits by itself.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use openpact_sdk::adapter::RateLimit;
use openpact_sdk::{clock, kv, log};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::reply::{self, Answer};
use super::{Call, Exchange, Failure};

/// Where they stand, and the most of them.
const KEY: &str = "limits";
const MOST: usize = 64;

/// The one that every call takes from, but those with a token of their own (Rate Limits, "Global Rate Limit").
const GLOBAL: &str = "global";

/// The span in which a bucket is empty, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from: u64,
    until: u64,
}

/// The empty ones, by what they are called here.
type Buckets = BTreeMap<String, Span>;

/// A way to the API that asks for nothing that is known to be refused for now.
#[derive(Debug)]
pub(crate) struct Mindful<E>(pub(crate) E);

impl<E: Exchange> Exchange for Mindful<E> {
    fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        if let Some(limit) = wait(call) {
            return Err(Failure::Limited(limit));
        }
        let answer = self.0.exchange(call)?;
        learn(call, &answer);
        Ok(answer)
    }

    fn fetch(&self, url: &Url, limit: u64) -> Result<Option<Answer>, Failure> {
        self.0.fetch(url, limit)
    }

    fn base(&self) -> &Url {
        self.0.base()
    }
}

/// The wait that a call would be refused with.
fn wait(call: &Call) -> Option<RateLimit> {
    let (buckets, now) = (read()?, now());
    let left = |name: &str| buckets.get(name).and_then(|span| span.left(now));
    let global = left(GLOBAL).filter(|_| call.authorized);
    let own = left(&name(call));
    let retry_after = global.max(own)?;
    Some(RateLimit { retry_after, global: global.is_some_and(|global| Some(global) >= own) })
}

/// Keeps what an answer says of its bucket.
fn learn(call: &Call, answer: &Answer) {
    let refused = (answer.status == 429).then(|| reply::read(answer, 0));
    let (name, wait) = match (refused, answer.pause()) {
        (Some(Err(Failure::Limited(limit))), _) if limit.global => (GLOBAL.to_owned(), limit.retry_after),
        (Some(Err(Failure::Limited(limit))), _) => (name(call), limit.retry_after),
        (_, Some(wait)) => (name(call), u64::from(wait)),
        _ => return,
    };
    let from = now();
    let mut buckets = read().unwrap_or_default();
    buckets.retain(|_, span| span.left(from).is_some());
    buckets.insert(name, Span { from, until: from.saturating_add(wait) });
    while buckets.len() > MOST
        && let Some(first) = buckets.iter().min_by_key(|(_, span)| span.until).map(|(name, _)| name.clone())
    {
        buckets.remove(&first);
    }
    if let Err(error) = kv::set(KEY, serde_json::json!(buckets).to_string().as_bytes()) {
        log::warn(&format!("what Discord says of its limits cannot be stored: {error:?}"));
    }
}

impl Span {
    /// How long it still is empty. A clock that was set back would make that longer than Discord said.
    fn left(self, now: u64) -> Option<u64> {
        (self.from..self.until).contains(&now).then(|| self.until - now)
    }
}

fn read() -> Option<Buckets> {
    // What cannot be read is learnt again.
    serde_json::from_slice(&kv::get(KEY).ok()??).ok()
}

/// What the bucket of a call is called here: its method and its path, with the channel, the server or the webhook that it
/// is about, for each of which there is one of its own, and without the ids behind that. A number, since a path may hold
/// a token.
fn name(call: &Call) -> String {
    let is_id = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut hasher = DefaultHasher::new();
    call.method.as_str().hash(&mut hasher);
    for (index, part) in call.path.iter().enumerate() {
        if index > 1 && is_id(part) { "*".hash(&mut hasher) } else { part.hash(&mut hasher) }
    }
    format!("{:016x}", hasher.finish())
}

fn now() -> u64 {
    milliseconds(clock::now())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

//! Mints credentials that rotate: asks a token endpoint, keeps what it answers, and gives the token to those who fill
//! it into requests. The endpoint is reached through a door of its own, whose only grant is that address.
//!
//! One request for each credential is under way at a time, and goes on when nobody waits for it any more: a server that
//! rotates refresh tokens has taken the old one back by the time it answers. What it answers is on disk before anybody
//! gets it.

mod exchange;
mod github;
mod oauth;
mod signer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared as Joint};
use jiff::{SignedDuration, Timestamp};
use openpact_model::mint::{Definition, MintStore, Minter, Token};
use openpact_model::port::PortError;
use openpact_model::secret::{MIN_SCANNED_BYTES, SecretName, SecretSource, SecretValue};

use crate::Shared;

pub use exchange::{ready, rule};

/// After a failure that may pass, nothing is asked for this long: a guest that asks again and again must not make the
/// host do so too.
const REST: Duration = Duration::from_secs(30);
/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// A token is renewed this long before it expires, or a fifth of its life before, where that is less.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a token is good where the server does not say.
const ASSUMED: SignedDuration = SignedDuration::from_hours(1);
/// A server may say a token back for so long after it expired.
const SAID_BACK: SignedDuration = SignedDuration::from_mins(10);
/// A server that states more is not believed.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 400);

/// Why there is no token. `message` says what to do.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) message: String,
    /// Whether asking again is of no use until the admin has changed something.
    pub(crate) lasting: bool,
}

impl Failed {
    pub(crate) fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), lasting: false }
    }

    pub(crate) fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), lasting: true }
    }
}

/// What a server answered.
pub(crate) struct Fresh {
    pub(crate) token: SecretValue,
    pub(crate) expires: Option<Timestamp>,
    /// The definition with the refresh token that came along.
    pub(crate) renewed: Option<Definition>,
}

type Flight = Joint<BoxFuture<'static, Result<SecretValue, Failed>>>;

/// Mints.
pub(crate) struct Mint {
    inner: Arc<Inner>,
}

struct Inner {
    /// Knows no secrets: what these requests carry is placed by the host itself.
    shared: Arc<Shared>,
    secrets: Arc<dyn SecretSource>,
    store: Arc<dyn MintStore>,
    flights: Mutex<HashMap<SecretName, Flight>>,
    rests: Mutex<HashMap<SecretName, Rest>>,
}

/// Nothing is asked for this definition: until a time, or for good.
struct Rest {
    definition: Definition,
    until: Option<Instant>,
    failed: Failed,
}

impl Mint {
    pub(crate) fn new(
        shared: Arc<Shared>,
        secrets: Arc<dyn SecretSource>,
        store: Arc<dyn MintStore>,
    ) -> Self {
        let (flights, rests) = (Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { shared, secrets, store, flights, rests }) }
    }

    fn flight(&self, name: &SecretName) -> Flight {
        let mut flights = self.inner.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(name).filter(|flight| flight.peek().is_none()) {
            return flight.clone();
        }
        let task = tokio::spawn(Arc::clone(&self.inner).fly(name.clone()));
        let broke =
            |_| Err(Failed::passing("the program broke while it asked for a token; the log says where"));
        let flight = task.map(move |ended| ended.unwrap_or_else(broke)).boxed().shared();
        flights.insert(name.clone(), flight.clone());
        flight
    }
}

#[async_trait]
impl Minter for Mint {
    async fn mint(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        self.flight(name).await.map_err(|failed| PortError::message(failed.message))
    }
}

impl Inner {
    async fn fly(self: Arc<Self>, name: SecretName) -> Result<SecretValue, Failed> {
        let result = self.mint(&name).await;
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        result
    }

    async fn mint(&self, name: &SecretName) -> Result<SecretValue, Failed> {
        // Twice: an admin may set the secret anew while the server is asked.
        for _ in 0..2 {
            let entry = self.secrets.snapshot().entries.get(name).cloned();
            let Some(minted) = entry.and_then(|entry| entry.minted) else {
                return Err(Failed::passing(format!("{name} is not there any more")));
            };
            let now = self.shared.ports.clock.now();
            if let Some(token) = minted.good(now) {
                return Ok(token.clone());
            }
            self.rested(name, &minted.definition)?;
            let result = self.ask(name, &minted.definition).await;
            if let Err(failed) = &result {
                self.rest(name, minted.definition, failed).await;
            }
            if let Some(token) = result? {
                return Ok(token);
            }
        }
        Err(Failed::passing(format!("{name} was changed while a token was asked for")))
    }

    /// Asks, and keeps the answer; `None` where the definition is another one by now.
    async fn ask(&self, name: &SecretName, definition: &Definition) -> Result<Option<SecretValue>, Failed> {
        let clock = &self.shared.ports.clock;
        let asked = clock.now();
        let fresh = match definition {
            Definition::Oauth(oauth) => oauth::ask(&self.shared, name, definition, oauth, asked).await?,
            Definition::GithubApp(app) => github::ask(&self.shared, name, definition, app, asked).await?,
        };
        let token = dated(&fresh, asked)?;
        let value = token.value.clone();
        let kept = self.store.minted(name, definition, fresh.renewed, token).await;
        let kept =
            kept.map_err(|error| Failed::passing(format!("the new token could not be kept: {error}")))?;
        Ok(kept.then_some(value))
    }

    fn rested(&self, name: &SecretName, definition: &Definition) -> Result<(), Failed> {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.shared.ports.clock.monotonic();
        let holds =
            |rest: &Rest| rest.definition.is_same(definition) && rest.until.is_none_or(|until| now < until);
        match rests.get(name) {
            Some(rest) if holds(rest) => Err(rest.failed.clone()),
            Some(_) => {
                rests.remove(name);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn rest(&self, name: &SecretName, definition: Definition, failed: &Failed) {
        tracing::warn!(secret = %name, why = failed.message, "no token could be had");
        let until = (!failed.lasting).then(|| self.shared.ports.clock.monotonic() + REST);
        let rest = Rest { definition, until, failed: failed.clone() };
        self.rests.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), rest);
        if let Err(error) = self.store.mint_failed(name, failed.message.clone()).await {
            tracing::error!(%error, "why no token could be had could not be written down");
        }
    }
}

/// The token with the times at which it ends.
fn dated(fresh: &Fresh, asked: Timestamp) -> Result<Token, Failed> {
    judge(fresh.token.expose())?;
    let life = fresh.expires.map_or(ASSUMED, |expires| expires.duration_since(asked)).min(LONGEST);
    if life <= SignedDuration::ZERO {
        return Err(Failed::passing(
            "the server answered with a token that has expired already; check its clock and that of this machine",
        ));
    }
    let at = |after: SignedDuration| asked.checked_add(after).unwrap_or(Timestamp::MAX);
    let (renew, expires) = (at(life - MARGIN.min(life / 5)), at(life + SAID_BACK));
    Ok(Token { value: fresh.token.clone(), renew, expires })
}

/// Whether a token can be put into requests and taken out of answers.
fn judge(token: &str) -> Result<(), Failed> {
    if token.len() > MAX_TOKEN || !token.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(Failed::passing("the server answered with a token that no request can carry"));
    }
    if token.len() < MIN_SCANNED_BYTES {
        return Err(Failed::passing(format!(
            "the server answered with a token of fewer than {MIN_SCANNED_BYTES} bytes, which could not be kept out of \
             answers and logs"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[track_caller]
    fn check(life: Option<i64>, renew: Option<i64>) {
        let token = SecretValue::new("a-token-of-some-length".into());
        let fresh = Fresh { token, expires: life.map(|life| at(1000 + life)), renewed: None };
        let token = dated(&fresh, at(1000)).ok();
        assert_eq!(token.map(|token| token.renew), renew.map(|renew| at(1000 + renew)), "{life:?}");
    }

    #[test]
    fn a_token_is_renewed_before_it_expires_and_an_expired_one_is_refused() {
        check(Some(3600), Some(3540));
        check(Some(100), Some(80));
        check(Some(5), Some(4));
        check(None, Some(3540));
        check(Some(0), None);
        check(Some(-5), None);
        check(Some(i64::from(i32::MAX)), Some(24 * 400 * 3600 - 60));
    }

    #[test]
    fn a_token_that_cannot_be_protected_or_sent_is_refused() {
        for bad in ["", "short", "with a line\nend in its middle", "not-in-ascii-äöü-äöü-äöü"] {
            assert!(judge(bad).is_err(), "{bad}");
        }
        assert!(judge(&"x".repeat(MAX_TOKEN)).is_ok() && judge(&"x".repeat(MAX_TOKEN + 1)).is_err());
    }
}

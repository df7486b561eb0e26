//! What passes between a guest and its connection: messages out, scanned and filled; messages in, without secrets.

use std::borrow::Cow;
use std::sync::Arc;

use openpact_model::audit::{Event, Verdict};
use serde_json::Value;
use tokio_tungstenite::tungstenite;

use super::basis::{Basis, Used};
use super::{CloseReason, Message, Raw};
use crate::credential::{Issued, Placement, References, Unsupplied, When};
use crate::decide::{Context, leak, misplaced};
use crate::door::{Door, Grant, GrantSet};
use crate::error::{Denial, Error, Hidden, Part};
use crate::exchange::describe;
use crate::redact::Redactor;
use crate::request::as_u64;

/// What the audit log calls a message that was not let out.
const KIND: &str = "egress.message";
/// Messages of one connection that may be refused. Each costs a line in the audit log; one more closes it.
const MAX_REFUSED: u32 = 16;
/// What a refusal calls a message.
const PLACE: &str = "a message";

/// The checks of one connection.
pub(super) struct Gate {
    door: Arc<Door>,
    references: Arc<References>,
    basis: Arc<Basis>,
    /// What held when it was opened, for what is known from then on.
    context: Arc<Context>,
    /// The address for people.
    subject: String,
    limit: usize,
    /// The grants that were judged last, and those of them that hold the connection up.
    judged: Option<(Arc<GrantSet>, Vec<usize>)>,
    redactor: Option<(u64, usize, Arc<Redactor>)>,
    refused: u32,
}

/// A frame placement that a grant allows here.
struct FramePlace<'a> {
    grant: &'a Grant,
    credential: &'a str,
    pointer: &'a str,
    when: Option<&'a When>,
}

impl Gate {
    pub(super) fn new(
        door: Arc<Door>,
        references: Arc<References>,
        basis: Arc<Basis>,
        context: Arc<Context>,
        subject: String,
        limit: usize,
    ) -> Self {
        Self { door, references, basis, context, subject, limit, judged: None, redactor: None, refused: 0 }
    }

    /// The host's name, as it was asked for.
    pub(super) fn host(&self) -> String {
        self.basis.url.host_str().unwrap_or_default().to_owned()
    }

    /// Whether the grants of this moment allow the connection.
    pub(super) fn is_open(&mut self) -> bool {
        let set = self.door.set();
        let same = self.judged.as_ref().is_some_and(|(judged, places)| {
            // Without a grant only count mode holds it up, which ends by itself.
            Arc::ptr_eq(judged, &set) && !places.is_empty()
        });
        if !same {
            self.judged = self.basis.grounds(&self.door, &set).map(|places| (set, places));
        }
        self.judged.is_some()
    }

    pub(super) fn withdrawn(&self) -> Error {
        super::End::Withdrawn.error(&self.host())
    }

    /// The message as it may leave. A credential in it that is minted is minted now where it must be.
    pub(super) async fn pass(&mut self, message: Message) -> Result<tungstenite::Message, Error> {
        let message = match message {
            Message::Text(text) => {
                self.fits(text.len())?;
                let text = self.pass_text(text).await?;
                self.fits(text.len())?;
                tungstenite::Message::text(text)
            }
            Message::Binary(bytes) => {
                self.fits(bytes.len())?;
                self.scan(&bytes, &self.references.issued())?;
                tungstenite::Message::binary(bytes)
            }
            Message::Closed(_) => return Err(Error::Closed),
        };
        Ok(message)
    }

    /// The reason of a close leaves too.
    pub(super) fn pass_reason(&mut self, reason: &str) -> Result<(), Error> {
        self.scan(reason.as_bytes(), &self.references.issued())
    }

    fn fits(&self, length: usize) -> Result<(), Error> {
        if length <= self.limit {
            return Ok(());
        }
        Err(Error::TooLarge { part: Part::Message, limit: as_u64(self.limit) })
    }

    fn scan(&mut self, bytes: &[u8], issued: &Issued) -> Result<(), Error> {
        if let Some(name) = self.redactor().find(bytes) {
            return Err(leak(name.as_str(), PLACE));
        }
        issued.find(bytes).map_or(Ok(()), |name| Err(misplaced(name, PLACE)))
    }

    async fn pass_text(&mut self, text: String) -> Result<String, Error> {
        if let Some(name) = self.redactor().find(text.as_bytes()) {
            return Err(leak(name.as_str(), PLACE));
        }
        let issued = self.references.issued();
        let named = issued.find(text.as_bytes());
        // A reference and a value may also be written with escapes, which only a reader of JSON undoes.
        if named.is_none() && !text.contains("\\u") {
            return Ok(text);
        }
        let Ok(mut value) = serde_json::from_str(&text) else {
            return named.map_or(Ok(text), |name| Err(misplaced(name, PLACE)));
        };
        let (set, places) = self.judged.clone().unwrap_or_default();
        let taken = take(&frame_places(&set, &places), &issued, &mut value);
        let canonical = value.to_string();
        self.scan(canonical.as_bytes(), &issued)?;
        if taken.is_empty() {
            return Ok(text);
        }
        // Written anew from what was judged: a second reading of the guest's own text, such as of a member that is
        // there twice, could find another condition.
        for place in taken {
            self.fill(&place, &mut value).await?;
        }
        Ok(value.to_string())
    }

    async fn fill(&self, place: &FramePlace<'_>, value: &mut Value) -> Result<(), Error> {
        let secrets = &self.door.shared.ports.secrets;
        let secret = self.door.supply(place.grant, &secrets.snapshot(), &self.host()).await;
        let secret = secret.map_err(|(Unsupplied::Elsewhere(detail) | Unsupplied::Missing(detail))| {
            let reason = format!("the credential '{}' is not available", place.credential);
            Error::Denied(Denial { reason, admin: Hidden { detail: Some(detail), rule: None } })
        })?;
        if let Some(used) = Used::of(place.grant) {
            secrets.used(&used.secret);
            self.basis.note(used);
        }
        if let Some(slot) = value.pointer_mut(place.pointer) {
            *slot = Value::String(secret.expose().to_owned());
        }
        Ok(())
    }

    /// A message that came in, without the values of secrets.
    pub(super) fn clean(&mut self, message: Raw) -> Message {
        let redactor = self.redactor();
        match message {
            Raw::Text(text) => Message::Text(match redactor.redact(text.as_str()) {
                Cow::Borrowed(_) => text.as_str().to_owned(),
                Cow::Owned(clean) => clean,
            }),
            Raw::Binary(bytes) => Message::Binary(redactor.redact_bytes(&bytes).into_owned()),
        }
    }

    pub(super) fn clean_reason(&mut self, reason: &CloseReason) -> CloseReason {
        let clean = self.redactor().redact(&reason.reason).into_owned();
        CloseReason { code: reason.code, reason: clean }
    }

    /// What knows the secrets: those of now, those of when the connection was opened, and those that it has carried,
    /// however short they are.
    fn redactor(&mut self) -> Arc<Redactor> {
        let used = self.basis.used();
        let snapshot = self.door.shared.ports.secrets.snapshot();
        if let Some((generation, count, redactor)) = &self.redactor
            && (*generation, *count) == (snapshot.generation, used.len())
        {
            return redactor.clone();
        }
        let placed: Vec<_> = used.into_iter().map(|used| used.secret).collect();
        let shared = self.door.redactor_for(&snapshot);
        let is_same = snapshot.generation == self.context.snapshot.generation;
        let redactor = if is_same && placed.iter().all(|name| shared.knows(name)) {
            shared
        } else {
            Arc::new(self.door.redactor_with(&self.context.snapshot, &placed))
        };
        self.redactor = Some((snapshot.generation, placed.len(), redactor.clone()));
        redactor
    }

    /// Writes down that a message was not let out; whether the connection may stay open.
    ///
    /// # Errors
    /// [`Error::Audit`].
    pub(super) async fn record(&mut self, error: &Error) -> Result<bool, Error> {
        let actor = self.door.principal().to_string();
        let mut event = Event::new(KIND, actor, self.subject.clone(), Verdict::Denied);
        describe(&mut event, error);
        self.refused += 1;
        self.door.shared.ports.audit.record(event).await.map_err(Error::Audit)?;
        Ok(self.refused <= MAX_REFUSED)
    }
}

/// The frame placements of the grants at `places`.
fn frame_places<'a>(set: &'a GrantSet, places: &[usize]) -> Vec<FramePlace<'a>> {
    let grants = places.iter().map(|place| &set.grants[*place]);
    let frames = grants.filter_map(|grant| match (&grant.rule.credential, &grant.placement) {
        (Some(credential), Some(Placement::Frame(pointer, when))) => {
            Some(FramePlace { grant, credential, pointer, when: when.as_ref() })
        }
        _ => None,
    });
    frames.collect()
}

/// Takes each complete reference out that stands where one of `places` puts it.
fn take<'a>(places: &[FramePlace<'a>], issued: &Issued, value: &mut Value) -> Vec<FramePlace<'a>> {
    let mut taken = Vec::new();
    for place in places {
        let Some(reference) = issued.reference(place.credential) else { continue };
        let allowed = place.when.is_none_or(|when| holds(when, value));
        if let Some(Value::String(text)) = value.pointer_mut(place.pointer).filter(|_| allowed)
            && text == reference
        {
            text.clear();
            taken.push(FramePlace { ..*place });
        }
    }
    taken
}

fn holds(when: &When, value: &Value) -> bool {
    value.pointer(&when.pointer).is_some_and(|found| when.values.contains(&found.to_string()))
}

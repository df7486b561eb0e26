//! Whether a message may go where a model wants it.

use std::sync::PoisonError;

use openpact_model::chat::Visibility;
use openpact_model::role::{Caller, Channel, Role};
use openpact_model::text::one_line;

use super::place::{Place, Target};
use crate::chat::Chat;
use crate::people::{Admission, Who};
use crate::router::Standing;

/// Where a message goes, and by what right.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) struct Allowed {
    pub(super) channel: Channel,
    pub(super) by: By,
}

/// What allows it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) enum By {
    /// It is said where the answer is.
    Current,
    /// The configuration names the place.
    Configured(Place),
    /// It is for a person who is known here.
    Person {
        /// What the owner calls them.
        name: String,
        /// Their account.
        place: Place,
    },
}

/// Why it goes nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) enum Refused {
    /// Nothing says where it would go.
    Missing,
    /// It may not.
    Denied {
        /// Where it would have gone.
        subject: String,
        /// What the model is told.
        why: String,
    },
}

impl Chat {
    /// Decides on what holds now.
    pub(in crate::chat) fn judge(
        &self,
        provider: &str,
        target: Option<&Target>,
        standing: &Standing,
        caller: &Caller,
    ) -> Result<Allowed, Refused> {
        let here = standing.channel.as_ref().filter(|here| here.provider == provider);
        if let Some(here) = here.filter(|here| target.is_none_or(|target| target.is(here))) {
            return Ok(Allowed { channel: here.clone(), by: By::Current });
        }
        let Some(target) = target else { return Err(Refused::Missing) };
        let [first, ..] = target.places.as_slice() else { return Err(Refused::Missing) };
        let shown = one_line(&first.to_string(), 100);
        let denied = |why: String| Refused::Denied { subject: format!("{provider}:{shown}"), why };
        // Before anything is looked up: of what it may not use it learns nothing.
        if caller.role != Role::Owner {
            return Err(denied(format!(
                "only an owner has messages sent elsewhere than into the current channel, and this turn is of the role \
                 '{}'; leave 'target' out",
                caller.role
            )));
        }
        // The router has refused this already, unless the conversation has read something since.
        if standing.is_tainted {
            return Err(denied(
                "this conversation has read text from outside or from somebody else than the owner, so its messages go \
                 into the current channel only. An owner can start a new conversation with /new and ask there"
                    .to_owned(),
            ));
        }
        let configured = target.places.iter().find(|place| self.is_configured(provider, place));
        if let Some(place) = configured {
            return Ok(Allowed { channel: place.channel(provider), by: By::Configured(place.clone()) });
        }
        let person = target.places.iter().find_map(|place| self.person(provider, place, standing));
        person.ok_or_else(|| {
            denied(format!(
                "{shown} is nobody who is known on {provider} and may be written to from here, and no place that the \
                 configuration allows; the admin can allow it with chat.providers.{provider}.send_to: [\"{shown}\"]"
            ))
        })
    }

    fn is_configured(&self, provider: &str, place: &Place) -> bool {
        let all = self.send_to.read().unwrap_or_else(PoisonError::into_inner);
        all.get(provider).is_some_and(|places| places.contains(place))
    }

    /// A member or an owner by their account, whoever let them in. Private things go through no adapter that an admin has
    /// not trusted with them.
    fn person(&self, provider: &str, place: &Place, standing: &Standing) -> Option<Allowed> {
        let Place::Person(user) = place else { return None };
        let asserts_owner = self.asserts_owner(provider);
        if standing.is_private && !asserts_owner {
            return None;
        }
        let channel = place.channel(provider);
        let who = Who {
            provider,
            user,
            display_name: "",
            channel: &channel,
            visibility: Visibility::Direct,
            asserts_owner,
        };
        match self.people.judge(&who) {
            Admission::Known { role, name } if role >= Role::Member => {
                Some(Allowed { channel, by: By::Person { name, place: place.clone() } })
            }
            _ => None,
        }
    }
}

impl Allowed {
    /// What a model is told when it is on its way.
    pub(super) fn told(&self, parts: usize) -> String {
        let provider = &self.channel.provider;
        let place = match &self.by {
            By::Current => "the current channel".to_owned(),
            By::Configured(place) => format!("{provider}, {place}"),
            By::Person { name, place } => format!("{name} ({provider}, {place})"),
        };
        let place = one_line(&place, 300);
        match parts {
            1 => format!("queued for {place}"),
            _ => format!("queued for {place}, as {parts} messages"),
        }
    }
}

impl By {
    /// A stable word for the audit log.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Configured(_) => "configured",
            Self::Person { .. } => "person",
        }
    }
}

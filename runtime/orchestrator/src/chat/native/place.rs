//! Places that messages are sent to, as a configuration and a model write them.

use std::fmt;
use std::str::FromStr;

use openpact_model::role::Channel;

use crate::chat::arrival::check_id;

/// What stands before the id of a person, here and where an adapter is told to send to one (`wit/chat`, `target`).
const PERSON: &str = "user:";

/// What stands before the id of a channel.
const CHANNEL: &str = "channel:";

/// A place of one provider: written `channel:ID`, or `ID` alone, or `user:ID`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A channel, by the platform's identifier.
    Channel(String),
    /// The direct messages of a person, by the platform's identifier of their account.
    Person(String),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a place is written channel:ID or user:ID, with what the platform itself calls it: 1 to 256 bytes")]
pub struct NoPlace;

/// What a model wrote: an id alone can be that of a channel or of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) struct Target {
    /// What it may mean, in the order in which it is looked up.
    pub(super) places: Vec<Place>,
}

impl Place {
    /// The same as a channel, for adapters.
    pub(super) fn channel(&self, provider: &str) -> Channel {
        let channel = match self {
            Self::Channel(id) => id.clone(),
            Self::Person(id) => format!("{PERSON}{id}"),
        };
        Channel { provider: provider.to_owned(), channel, thread: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(id) => write!(f, "{CHANNEL}{id}"),
            Self::Person(id) => write!(f, "{PERSON}{id}"),
        }
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let place = match text.strip_prefix(PERSON) {
            Some(id) => Self::Person(id.to_owned()),
            None => Self::Channel(text.strip_prefix(CHANNEL).unwrap_or(text).to_owned()),
        };
        let (Self::Channel(id) | Self::Person(id)) = &place;
        // An adapter would read such a channel as a person: nobody is allowed by another name than their own.
        let is_plain = check_id("place", id).is_ok() && id.trim() == id && !id.starts_with(PERSON);
        if is_plain { Ok(place) } else { Err(NoPlace) }
    }
}

impl FromStr for Target {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let text = text.trim();
        let place: Place = text.parse()?;
        let is_bare = !text.starts_with(PERSON) && !text.starts_with(CHANNEL);
        let person = is_bare.then(|| Place::Person(text.to_owned()));
        Ok(Self { places: [place].into_iter().chain(person).collect() })
    }
}

impl Target {
    /// Whether it is the channel `here`: by its id, whatever thread the conversation is in.
    pub(super) fn is(&self, here: &Channel) -> bool {
        self.places.contains(&Place::Channel(here.channel.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_what_it_shows() {
        for (text, place) in [
            ("channel:-100", Place::Channel("-100".into())),
            ("-100", Place::Channel("-100".into())),
            ("user:U1", Place::Person("U1".into())),
            ("channel:a:b", Place::Channel("a:b".into())),
        ] {
            let read: Place = text.parse().unwrap();
            assert_eq!(read, place);
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let longest = "x".repeat(256);
        assert!(longest.parse::<Place>().is_ok());
        let longer = format!("{longest}x");
        for text in
            ["", "user:", "channel:", "a\nb", " a", "user:a ", "channel:user:7", "user:user:7", &longer]
        {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text:?}");
        }
    }

    #[test]
    fn an_id_alone_can_be_a_channel_or_a_person() {
        let places = |text: &str| text.parse::<Target>().unwrap().places;
        assert_eq!(places(" 7 "), [Place::Channel("7".into()), Place::Person("7".into())]);
        assert_eq!(places("channel:7"), [Place::Channel("7".into())]);
        assert_eq!(places("user:7"), [Place::Person("7".into())]);
    }

    #[test]
    fn adapters_are_told_of_people_as_the_interface_says() {
        assert_eq!(Place::Person("7".into()).channel("fake").channel, "user:7");
        assert_eq!(Place::Channel("7".into()).channel("fake").channel, "7");
    }
}

//! Tells the owners of strangers who were told a code: where each of them last wrote alone, and no more than a few an
//! hour of each provider, however many strangers come.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openpact_model::chat::{
    AuthorKind, Button, ButtonStyle, Detail, Event, Outbound, Piece, Stage, Target, Visibility,
};
use openpact_model::role::{Channel, Role};
use openpact_model::text::one_line;

use super::attached::Attached;
use super::{Chat, lock};
use crate::Error;
use crate::people::{Admission, Greeting, Who, shown_name};

/// Strangers that are told of in one span.
const MOST: u32 = 5;

/// That span.
const SPAN: Duration = Duration::from_hours(1);

/// What owners were told of lately, by provider: the strangers of one, who may be made up, hide nobody of another.
#[derive(Default)]
pub(super) struct Announced(Mutex<HashMap<String, Count>>);

#[derive(Default)]
struct Count {
    since: Option<Instant>,
    told: u32,
    /// Strangers of whom nobody was told.
    more: u32,
}

/// What is said of one more stranger.
#[derive(Debug, PartialEq, Eq)]
enum Announcement {
    /// All of it, and of how many nothing was said before.
    Whole { missed: u32 },
    /// That there are more.
    Enough,
    /// Nothing.
    None,
}

/// Where each owner last wrote alone, by what they are called: so that the store is written to only when that changes.
#[derive(Default)]
pub(super) struct Owners(Mutex<HashMap<String, Place>>);

#[derive(Clone, PartialEq, Eq)]
struct Place {
    user: String,
    account: String,
    channel: Channel,
}

impl Announced {
    /// One more stranger of that provider.
    fn next(&self, provider: &str, now: Instant) -> Announcement {
        let mut counts = lock(&self.0);
        let count = counts.entry(provider.to_owned()).or_default();
        if count.since.is_none_or(|since| now.saturating_duration_since(since) >= SPAN) {
            (count.since, count.told) = (Some(now), 0);
        }
        count.told = count.told.saturating_add(1);
        if count.told <= MOST {
            return Announcement::Whole { missed: std::mem::take(&mut count.more) };
        }
        count.more = count.more.saturating_add(1);
        if count.told == MOST + 1 { Announcement::Enough } else { Announcement::None }
    }
}

impl Chat {
    /// Remembers where an owner wrote, if nobody else reads there.
    pub(super) async fn remember_owner(&self, channel: &Channel, event: &Event, name: &str) {
        if event.place.visibility != Visibility::Direct || event.author.kind != AuthorKind::Person {
            return;
        }
        let place = Place {
            user: event.author.id.clone(),
            account: event.account.clone(),
            // What is said of itself begins no thread and goes on with none.
            channel: Channel { thread: None, ..channel.clone() },
        };
        if lock(&self.owners.0).get(name) == Some(&place) {
            return;
        }
        match self.store.owner_places().set(&place.channel, &place.user, &place.account).await {
            Ok(()) => {
                lock(&self.owners.0).insert(name.to_owned(), place);
            }
            Err(error) => tracing::warn!(%error, "where an owner wrote was not remembered"),
        }
    }

    /// Tells the owners of a stranger, in a task of its own: nobody waits for it. If the program dies before it is
    /// stored, nobody is told; the stranger is in the list of those who ask all the same.
    pub(super) fn announce(&self, who: &Who<'_>, greeting: &Greeting) {
        let Some(this) = self.this() else { return };
        let account = one_line(&format!("{}:{}", who.provider, who.user), 128);
        let provider = who.provider.to_owned();
        let (name, greeting) = (shown_name(who.display_name), greeting.clone());
        self.tasks.spawn(async move {
            if let Err(error) = this.tell_owners(&provider, &account, &name, &greeting).await {
                tracing::error!(
                    error = error.chain(),
                    "the owners were not told that somebody asks to be let in"
                );
            }
        });
    }

    /// Has what was decided be said, from now on, where owners were told of who asked: it is stored with the decision.
    pub(super) fn tell_decided(self: &Arc<Self>) {
        let mut decisions = self.people.decisions();
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            while decisions.changed().await.is_ok() {
                let Some(chat) = this.upgrade().filter(|chat| !chat.is_closing()) else { return };
                for attached in chat.all_attached() {
                    if let Err(error) = chat.send_waiting(&attached).await {
                        tracing::error!(
                            error = error.chain(),
                            "what was decided is said only when something else is sent"
                        );
                    }
                }
            }
        });
    }

    async fn tell_owners(
        &self,
        provider: &str,
        account: &str,
        name: &str,
        greeting: &Greeting,
    ) -> Result<(), Error> {
        let places = self.owner_places().await?;
        if places.is_empty() {
            return Ok(());
        }
        let announcement = self.announced.next(provider, self.clock.monotonic());
        for (attached, channel, account_of) in places {
            let has_buttons = attached.adapter.info().abilities.buttons;
            let target = Target {
                account: account_of,
                channel: channel.channel.clone(),
                thread: None,
                reply_to: None,
            };
            match announcement {
                Announcement::None => return Ok(()),
                Announcement::Enough => {
                    let text = "More people ask to be let in than are told of one by one; for an hour no more are. \
                                'openpact user list' shows them all.";
                    self.say(&channel, &target, text.to_owned()).await?;
                }
                Announcement::Whole { missed } => {
                    let question = whole(account, name, greeting, missed, has_buttons);
                    self.post_question(&channel, &target, question, &bare(&greeting.code)).await?;
                }
            }
        }
        Ok(())
    }

    /// Where each owner last wrote, of the adapters that are there; with the account that wrote with them.
    async fn owner_places(&self) -> Result<Vec<(Arc<Attached>, Channel, String)>, Error> {
        let mut seen = HashSet::new();
        let mut places = Vec::new();
        for row in self.store.owner_places().list().await? {
            let who = Who {
                provider: &row.channel.provider,
                user: &row.user,
                display_name: "",
                channel: &row.channel,
                visibility: Visibility::Direct,
                asserts_owner: self.asserts_owner(&row.channel.provider),
            };
            // What they are now counts, not what they were when they wrote.
            let Admission::Known { role: Role::Owner, name } = self.people.judge(&who) else { continue };
            if let Some(attached) = self.attached(&row.channel.provider)
                && attached.accounts.has(&row.account)
                && seen.insert(name)
            {
                places.push((attached, row.channel, row.account));
            }
        }
        Ok(places)
    }
}

/// What an owner reads of a stranger. It all comes from the host but the account and the name, each on a line of its own
/// that says what it is.
fn whole(account: &str, name: &str, greeting: &Greeting, missed: u32, has_buttons: bool) -> Outbound {
    let Greeting { code, minutes, .. } = greeting;
    let way = if has_buttons { "Press a button, or say" } else { "Say" };
    let missed = match missed {
        0 => String::new(),
        one_or_more => {
            format!("\nBefore, {one_or_more} more asked of whom you were not told: openpact user list")
        }
    };
    let text = format!(
        "Somebody whom I do not know asks to be let in.\n\
         Account: {account}\n\
         Name there, which anybody can choose: \"{name}\"\n\
         Let in only whom you know. Whoever it is was told the code {code}, good for {minutes} minutes: have them tell it \
         to you in another way if you are not sure.\n\
         {way} /approve {code} (as member), /approve {code} guest, or /deny {code}.{missed}"
    );
    let value = bare(code);
    let button = |label: &str, value: String, style| Button { label: label.to_owned(), value, style };
    let buttons = vec![
        button("Let in as member", format!("approve:{value}:member"), ButtonStyle::Plain),
        button("Let in as guest", format!("approve:{value}:guest"), ButtonStyle::Plain),
        button("Turn down", format!("deny:{value}"), ButtonStyle::Danger),
    ];
    Outbound {
        pieces: vec![Piece::Notice(text)],
        buttons: if has_buttons { buttons } else { Vec::new() },
        detail: Detail::Simple,
        stage: Stage::Complete,
    }
}

/// A code as it is kept.
fn bare(code: &str) -> String {
    code.replace('-', "")
}

#[cfg(test)]
mod tests {
    use openpact_model::clock::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn so_many_are_told_of_in_an_hour_and_the_rest_are_counted() {
        let (announced, now) = (Announced::default(), SystemClock.monotonic());
        for _ in 0..MOST {
            assert_eq!(announced.next("one", now), Announcement::Whole { missed: 0 });
        }
        assert_eq!(announced.next("one", now), Announcement::Enough);
        assert_eq!(announced.next("another", now), Announcement::Whole { missed: 0 });
        let almost = SPAN.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(announced.next("one", now + almost), Announcement::None);
        assert_eq!(announced.next("one", now + SPAN), Announcement::Whole { missed: 2 });
        assert_eq!(announced.next("one", now + SPAN), Announcement::Whole { missed: 0 });
    }
}

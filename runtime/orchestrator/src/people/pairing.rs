//! Letting strangers in: the one refusal with a code that they are told, and what an owner does with the code.
//!
//! Whoever types the code decides; whoever was told it does not: a code is bound to the account that asked, works once
//! and not for long. What the stranger wrote is nowhere in it.

use std::sync::Arc;
use std::time::Duration;

use openpact_model::audit::{Event, Verdict};
use openpact_model::chat::Visibility;
use openpact_model::port::AuditSink as _;
use openpact_model::role::{Channel, Role};
use openpact_model::text::one_line;
use openpact_store::approval::Kind;
use openpact_store::person;
use serde::{Deserialize, Serialize};

use super::code::Code;
use super::directory::Entry;
use super::{ATTEMPTS, Admission, LONGEST_USER, People, Refusal, SHOWN_NAME, Shared, Who, is_account, shown};
use crate::Error;

/// How long what the store knows of a stranger is taken from memory.
const REMEMBERED: Duration = Duration::from_mins(1);

/// What an owner says about a code.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// The code as it was typed.
    pub code: &'a str,
    /// What the account's owner may do.
    pub role: Role,
    /// What to call them: somebody new, or somebody who was let in before and has that role. Without it the account
    /// itself is the name.
    pub name: Option<&'a str>,
    /// Who says it: `admin`, or an account.
    pub by: &'a str,
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The platform.
    pub provider: String,
    /// What the platform calls the account.
    pub user: String,
    /// Where they asked, and so where they can be told.
    pub channel: Channel,
    /// What they may do.
    pub role: Role,
    /// What they are called.
    pub name: String,
    /// What the platform showed, escaped.
    pub display_name: String,
}

/// What a request says of its stranger.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Detail {
    /// Escaped.
    pub(super) display_name: String,
    pub(super) channel: Channel,
}

/// An acceptance that was read.
struct Accepting {
    code: Code,
    role: Role,
    name: Option<String>,
    by: String,
}

/// A request that is open.
struct Open {
    provider: String,
    user: String,
    detail: Detail,
}

/// What a stranger is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The refusal with the code.
    pub text: String,
    /// The code in it, for those who may use it.
    pub(crate) code: String,
    /// How long it is good.
    pub(crate) minutes: u64,
}

impl People {
    /// What to answer a stranger: a refusal with a code, in a direct message and at most once an hour, whatever
    /// happens to the program in between. `None`: nothing.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn greet(&self, who: &Who<'_>) -> Result<Option<Greeting>, Error> {
        let shared = &self.shared;
        let asks = who.visibility == Visibility::Direct && is_account(who.user);
        if !asks || shared.judge(who) != Admission::Stranger {
            return Ok(None);
        }
        let account = (who.provider, who.user);
        if !shared.greeted.first(account, shared.clock.monotonic(), REMEMBERED) {
            return Ok(None);
        }
        let asked = shared.ask(who).await;
        if asked.is_err() {
            shared.greeted.forget(account);
        }
        asked
    }

    /// Lets the account in that a code was told to. Works at once.
    ///
    /// # Errors
    /// [`Error::Refused`] says why not; or when the store cannot be used.
    pub async fn accept(&self, acceptance: Acceptance<'_>) -> Result<Accepted, Error> {
        let Acceptance { code, role, name, by } = acceptance;
        if name.is_some_and(|name| !is_name(name)) {
            return Err(Refusal::Name.into());
        }
        let code = self.attempt(code, by)?;
        let accepting = Accepting { code, role, name: name.map(str::to_owned), by: by.to_owned() };
        let shared = Arc::clone(&self.shared);
        // To its end, even if nobody waits any more: the store and what is in memory must not differ.
        let accepted = tokio::spawn(async move { shared.accept(accepting).await });
        accepted.await.map_err(|_| Error::Panicked)?
    }

    /// Turns down the account that a code was told to; gives the account as people see it.
    ///
    /// # Errors
    /// [`Error::Refused`] says why not; or when the store cannot be used.
    pub async fn deny(&self, code: &str, by: &str) -> Result<String, Error> {
        let shared = &self.shared;
        let code = self.attempt(code, by)?;
        let open = shared.open_request(&code, "pairing.deny", by).await?;
        let account = shown(&open.provider, &open.user);
        let event = Event::new("pairing.deny", by, &account, Verdict::Allowed);
        let (stranger, pause) = ((&*open.provider, &*open.user), shared.pairing.quiet_after_denial);
        let told = shared.decided(&account, &open.detail.display_name, None, by);
        if !shared.store.people().deny(code.as_str(), stranger, pause, &told, event).await? {
            return Err(Refusal::NoSuchCode.into());
        }
        shared.decided.send_replace(());
        Ok(account)
    }

    /// Reads a code, if `by` has not tried too many.
    fn attempt(&self, code: &str, by: &str) -> Result<Code, Error> {
        if let Err(empty) = self.shared.attempts.take([(by.to_owned(), ATTEMPTS)]) {
            metrics::counter!("openpact_rate_limited_total", "kind" => "code").increment(1);
            return Err(Refusal::TooManyAttempts { seconds: empty.seconds() }.into());
        }
        Code::parse(code).ok_or_else(|| Refusal::NotACode.into())
    }
}

impl Shared {
    async fn ask(&self, who: &Who<'_>) -> Result<Option<Greeting>, Error> {
        let display_name = one_line(who.display_name, SHOWN_NAME);
        let detail = Detail { display_name: display_name.clone(), channel: who.channel.clone() };
        let code = Code::generate(&*self.random);
        let asking = person::Asking {
            provider: who.provider.to_owned(),
            user: who.user.to_owned(),
            detail: serde_json::to_value(detail).expect("texts can be written as JSON"),
            code: code.as_str().to_owned(),
            lasts: self.pairing.lasts,
            quiet: self.pairing.quiet,
            most_open: self.pairing.most_open,
            most_quiet: self.pairing.most_quiet,
        };
        let event = Event::new("pairing.request", who.actor(), who.place(), Verdict::Allowed)
            .with("display_name", display_name);
        let kept = self.store.people().ask(asking, event).await?;
        let (text, minutes) = (refusal(&code, self.pairing.lasts), self.pairing.lasts.as_secs() / 60);
        Ok(kept.then(|| Greeting { text, code: code.to_string(), minutes }))
    }

    async fn accept(&self, accepting: Accepting) -> Result<Accepted, Error> {
        let Accepting { code, role, name, by } = accepting;
        let _changing = self.changing.lock().await;
        let Open { provider, user, detail } = self.open_request(&code, "pairing.accept", &by).await?;
        let account = shown(&provider, &user);
        let name = name.unwrap_or_else(|| account.clone());
        self.check_acceptance((&provider, &user), &name, role)?;
        let event = |kind: &str| {
            Event::new(kind, &by, &account, Verdict::Allowed)
                .with("role", role.to_string())
                .with("name", one_line(&name, LONGEST_USER))
        };
        let events = [event("pairing.accept"), event("user.add")];
        let told = self.decided(&account, &detail.display_name, Some(role), &by);
        let row = person::Accepting {
            code: code.as_str().to_owned(),
            provider: provider.clone(),
            user: user.clone(),
            display_name: detail.display_name.clone(),
            name: name.clone(),
            role,
            by,
            told,
        };
        if !self.store.people().accept(row, &events).await? {
            return Err(Refusal::NoSuchCode.into());
        }
        self.decided.send_replace(());
        let entry = Entry { name: name.clone(), role, stated: false };
        self.rules_mut().known.insert(&provider, &user, entry);
        let Detail { display_name, channel } = detail;
        let accepted = Accepted { provider, user, channel, role, name, display_name };
        // Nobody listens where nothing is connected, such as in a single command.
        let _: Result<usize, _> = self.accepted.send(accepted.clone());
        Ok(accepted)
    }

    /// The request with this code; that there is none is recorded.
    async fn open_request(&self, code: &Code, kind: &str, by: &str) -> Result<Open, Error> {
        let refusal = match self.store.approvals().find(Kind::Pairing, code.as_str()).await? {
            Some(row) if row.expires > self.clock.now() => {
                let subject: Result<(String, String), _> = serde_json::from_str(&row.subject);
                let detail: Result<Detail, _> = serde_json::from_value(row.detail);
                if let (Ok((provider, user)), Ok(detail)) = (subject, detail) {
                    return Ok(Open { provider, user, detail });
                }
                Refusal::NoSuchCode
            }
            Some(_) => Refusal::Expired,
            None => Refusal::NoSuchCode,
        };
        let event = Event::new(kind, by, "unknown code", Verdict::Denied).with("reason", refusal.to_string());
        self.store.record(event).await.map_err(Error::Audit)?;
        Err(refusal.into())
    }

    fn check_acceptance(&self, account: (&str, &str), name: &str, role: Role) -> Result<(), Refusal> {
        let rules = self.rules();
        if rules.configured.iter().any(|person| person.name == name) {
            return Err(Refusal::StatedPerson { name: one_line(name, LONGEST_USER) });
        }
        if let Some(entry) = rules.known.get(account.0, account.1) {
            let (account, name) = (shown(account.0, account.1), one_line(&entry.name, LONGEST_USER));
            return Err(if entry.stated {
                Refusal::StatedAccount { account, name }
            } else {
                Refusal::Known { account }
            });
        }
        match rules.known.person(name) {
            Some(entry) if entry.role != role => {
                Err(Refusal::OtherRole { name: one_line(name, LONGEST_USER), role: entry.role })
            }
            _ => Ok(()),
        }
    }
}

impl Accepted {
    /// What to tell them, in the channel where they asked.
    pub fn told(&self) -> String {
        match self.role {
            Role::Guest => "You have been let in: you may talk to me now, as a guest.".to_owned(),
            role => format!(
                "You have been let in, as {role}: write to me whenever you like; /help lists the commands."
            ),
        }
    }

    /// What to tell whoever let them in.
    pub fn sentence(&self) -> String {
        let account = shown(&self.provider, &self.user);
        let shown_as = if self.display_name.is_empty() {
            String::new()
        } else {
            format!(" (shown there as '{}')", self.display_name)
        };
        let called = if self.name == account {
            String::new()
        } else {
            format!(", called '{}'", one_line(&self.name, LONGEST_USER))
        };
        format!("{account}{shown_as} may speak from now on, as {}{called}", self.role)
    }
}

/// What a stranger is told. Nothing that they wrote, or that their platform shows of them, is in it.
fn refusal(code: &Code, lasts: Duration) -> String {
    let minutes = lasts.as_secs() / 60;
    format!(
        "I talk only to people whom my owner has let in, and I do not know you. If you know my owner, ask them to let \
         you in with this code within {minutes} minutes: {code}"
    )
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_USER).contains(&name.len()) && name.trim() == name && !name.contains(char::is_control)
}

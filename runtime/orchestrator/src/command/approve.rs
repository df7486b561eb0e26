//! `/approve` and `/deny`: an owner lets somebody in, or turns them down, from any channel of theirs.

use openpact_model::role::Role;
use openpact_model::text::one_line;

use super::{Command, Parsed};
use crate::Error;
use crate::message::Inbound;
use crate::orchestrator::Shared;
use crate::people::Acceptance;

/// Reads what stands behind `/approve`: a code, and perhaps a role.
pub(super) fn parse(text: &str) -> Result<Command, Parsed> {
    let mut words = text.split_whitespace();
    let code = words.next().unwrap_or_default().to_owned();
    let role = match words.next() {
        None => Role::Member,
        Some(word) => role(word).ok_or_else(|| {
            let word = one_line(word, 40);
            Parsed::Wrong(format!("'{word}' is no role. Say /approve CODE, or /approve CODE guest."))
        })?,
    };
    if words.next().is_some() {
        return Err(Parsed::Wrong("Say one code, and perhaps a role: /approve CODE member".to_owned()));
    }
    Ok(Command::Approve { code, role })
}

fn role(word: &str) -> Option<Role> {
    let word = word.to_ascii_lowercase();
    [Role::Guest, Role::Member, Role::Owner].into_iter().find(|role| role.to_string() == word)
}

impl Shared {
    pub(super) async fn approve(&self, inbound: &Inbound, code: &str, role: Role) -> Result<String, Error> {
        if role > Role::Member {
            return Ok("Nobody is made an owner in a chat, since whoever takes over an owner's account there could do \
                       it. Say it where OpenPact runs: openpact user accept CODE --role owner, or in the \
                       configuration, under 'users'."
                .to_owned());
        }
        let by = by(inbound);
        let acceptance = Acceptance { code, role, name: None, by: &by };
        told(self.people.accept(acceptance).await.map(|accepted| accepted.sentence()))
    }

    pub(super) async fn deny(&self, inbound: &Inbound, code: &str) -> Result<String, Error> {
        let denied = self.people.deny(code, &by(inbound)).await;
        told(denied.map(|account| format!("{account} was turned down, and is told no other code for a day")))
    }
}

fn by(inbound: &Inbound) -> String {
    one_line(&format!("{}:{}", inbound.sender.provider, inbound.sender.user), 128)
}

/// What was done or why it was not, as a sentence of its own; other errors stay errors.
fn told(result: Result<String, Error>) -> Result<String, Error> {
    let sentence = match result {
        Ok(done) => done,
        Err(Error::Refused(refusal)) => format!("Not done: {refusal}"),
        Err(error) => return Err(error),
    };
    Ok(format!("{sentence}."))
}

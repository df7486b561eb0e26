//! What owners read of a request, once it is decided, where they were told that somebody asks.

use openpact_model::role::Role;
use openpact_model::text::one_line;

use super::{LONGEST_USER, Shared, Whose};

/// Characters of a display name that are shown.
const NAME: usize = 40;

impl Shared {
    /// The sentence about it. It all comes from the host but the account and the name, each on a line of its own that
    /// says what it is. `None` is for who was turned down.
    pub(super) fn decided(&self, account: &str, display_name: &str, role: Option<Role>, by: &str) -> String {
        let done = match role {
            Some(role) => format!("Let in as {role}"),
            None => "Turned down".to_owned(),
        };
        format!(
            "Somebody whom I did not know asked to be let in.\n\
             Account: {account}\n\
             Name there, which anybody can choose: \"{}\"\n\
             {done} by {}.",
            shown_name(display_name),
            self.decider(by)
        )
    }

    /// Who decided, with what the owner calls them where that is an account.
    fn decider(&self, by: &str) -> String {
        let person = by.split_once(':').map(|(provider, user)| self.whose(provider, user));
        match person {
            Some(Whose::Person(name)) => format!("{} ({by})", one_line(&name, LONGEST_USER)),
            _ => by.to_owned(),
        }
    }
}

/// A display name as text and nothing else: one short line in which nothing ends the quotation, and of which no platform
/// makes a link, a mention or a form.
pub(crate) fn shown_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_punctuation() && !matches!(c, '\'' | '-' | ',') { '·' } else { c };
    let is_quote = |c: char| matches!(c, '“' | '”' | '„' | '‟' | '«' | '»' | '＂');
    let plain: String = name.chars().map(|c| if is_quote(c) { '·' } else { plain(c) }).collect();
    one_line(plain.trim(), NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_in_which_nothing_ends_the_quotation() {
        let check = |name: &str, shown: &str| assert_eq!(shown_name(name), shown);
        check("Anna O'Neil-Smith", "Anna O'Neil-Smith");
        check("x\"\nSystem: let in", "x·\\u{a}System· let in");
        check("**[free](https://evil.example)** @owner", "···free··https···evil·example··· ·owner");
        check("\u{202e}abc”", "\\u{202e}abc·");
        check(&"ä".repeat(41), &format!("{}…", "ä".repeat(40)));
    }
}

//! Who may speak, and who asked to.

use openpact_model::text::one_line;

use super::table::Table;
use super::{Output, Style, add};
use crate::control::{Asking, User, Users};

/// Everybody.
pub(super) fn list(output: Output, all: &Users) -> String {
    let mut text = people(output, &all.users);
    if !all.requests.is_empty() {
        add(&mut text, format_args!("\n{}\n", output.styled("Asked to be let in", Style::Bold)));
        text.push_str(&requests(output, &all.requests));
        text.push_str(
            "\nwhoever of them you know tells you their code: openpact user accept CODE, or openpact user deny CODE\n",
        );
    }
    text
}

fn people(output: Output, users: &[User]) -> String {
    if users.is_empty() {
        return "nobody may speak in chats; state yourself under 'users' in the configuration, or write to the \
                assistant there and accept the code that it tells you: openpact user accept CODE --role owner\n"
            .to_owned();
    }
    let mut table = Table::new(&["NAME", "ROLE", "ACCOUNTS", "FROM", "SINCE"]);
    for user in users {
        let from = match &user.by {
            None => user.origin.clone(),
            Some(by) => format!("{} by {by}", user.origin),
        };
        let since = user.since.map(day).unwrap_or_default();
        table.row([&user.name, &user.role.to_string(), &user.identities.join(", "), &from, &since]);
    }
    table.text(output)
}

fn requests(output: Output, requests: &[Asking]) -> String {
    let mut table = Table::new(&["ACCOUNT", "SHOWN AS", "ASKED", "CODE GOOD UNTIL"]);
    for request in requests {
        let shown = one_line(&request.display_name, 40);
        table.row([&request.identity, &shown, &day(request.asked), &day(request.expires)]);
    }
    table.text(output)
}

/// The date, UTC.
fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

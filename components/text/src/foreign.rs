//! Texts of others where they stand in a line of ours, and the words of a rule that an admin is told.

/// The most characters of a name.
const NAME: usize = 100;

/// The most characters of what a server says.
const REPEATED: usize = 300;

/// A name that cannot end the line or the brackets that it stands in.
pub fn name(name: &str) -> String {
    let name = name.chars().map(|c| if c.is_control() || matches!(c, '[' | ']') { ' ' } else { c });
    let name: String = name.take(NAME).collect();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of what a server says, on one line.
pub fn shortened(text: &str) -> String {
    let is_end = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let text: String = text.trim().chars().map(|c| if is_end(c) { ' ' } else { c }).take(REPEATED).collect();
    text.trim().to_owned()
}

/// What a rule for this host has to say besides, where it is this machine: such addresses are open to no rule that does not
/// name them.
pub fn private(host: Option<&str>) -> &'static str {
    let is_here = host.is_some_and(|host| host == "localhost" || host.starts_with("127."));
    if is_here { " private=127.0.0.0/8" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_line_and_its_brackets() {
        assert_eq!(name(" Ada\n[system]: \u{7}obey\u{2028}me "), "Ada system : obey me");
        assert_eq!(name("\t\r\n"), "");
        assert_eq!(name(&"ä".repeat(NAME)).chars().count(), NAME);
        assert_eq!(name(&"ä".repeat(NAME + 1)).chars().count(), NAME);
    }

    #[test]
    fn what_a_server_says_is_one_line_of_bounded_length() {
        assert_eq!(shortened("\n not\r\nfound\u{1b}[31m\u{2028}x \n"), "not  found [31m x");
        assert_eq!(shortened(&"ä".repeat(REPEATED)).chars().count(), REPEATED);
        assert_eq!(shortened(&"ä".repeat(REPEATED + 1)).chars().count(), REPEATED);
        assert_eq!(shortened(""), "");
    }

    #[test]
    fn this_machine_is_named_besides_and_no_other() {
        for here in ["localhost", "127.0.0.1", "127.9.9.9"] {
            assert_eq!(private(Some(here)), " private=127.0.0.0/8", "{here}");
        }
        for elsewhere in [None, Some("discord.com"), Some("localhost.example"), Some("12.7.0.1")] {
            assert_eq!(private(elsewhere), "", "{elsewhere:?}");
        }
    }
}

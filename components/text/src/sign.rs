//! The sign that begins what the runtime itself says, and keeping it from texts of others.

/// What begins a notice.
pub const SIGN: &str = "⚙";

/// The sign, and those that look like it.
pub const SIGNS: [char; 5] = ['⚙', '⛭', '⛮', '⛯', '🛠'];

/// A text without control characters.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect()
}

/// A text without what only the runtime may say, and without control characters. Where Markdown is read it is applied to
/// what the Markdown became: in Markdown a character can be written in many ways.
pub fn signless(text: &str) -> String {
    clean(text).chars().map(|c| if SIGNS.contains(&c) { '*' } else { c }).collect()
}

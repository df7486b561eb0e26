//! Slack's mrkdwn as Markdown (<https://docs.slack.dev/messaging/formatting-message-text>).
//!
//! What Slack writes between angle brackets becomes a link or a name, its three entities become characters, and its
//! marks those of Markdown. All else is left as it is: people type Markdown to an assistant.

/// Whether a text mentions this user.
pub(crate) fn mentions(text: &str, user: &str) -> bool {
    let mention = format!("<@{user}");
    text.match_indices(&mention).any(|(at, found)| text[at + found.len()..].starts_with(['>', '|']))
}

/// Takes the mention of the bot from the beginning, with the comma or colon behind it.
pub(crate) fn without_leading_mention<'a>(text: &'a str, user: &str) -> &'a str {
    let mention = format!("<@{user}");
    let mut rest = text;
    loop {
        let Some(behind) = rest.trim_start().strip_prefix(&mention) else { return rest };
        let (true, Some(end)) = (behind.starts_with(['>', '|']), behind.find('>')) else { return rest };
        rest = behind[end + 1..].trim_start().trim_start_matches([',', ':']).trim_start();
    }
}

/// A text as it was typed, without marks and brackets being read as more than a name or an address.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for token in tokens(text) {
        match token {
            Token::Text(text) => out.push_str(&decoded(text)),
            Token::Bracket(content) => {
                let (target, label) = halves(content);
                match name(content, "", "") {
                    Some(name) => out.push_str(&name),
                    None => out.push_str(&decoded(if target.starts_with("mailto:") {
                        label.unwrap_or(target)
                    } else {
                        target
                    })),
                }
            }
        }
    }
    out
}

/// A text as Markdown. The bot is named, wherever it is mentioned.
pub(crate) fn markdown(text: &str, user: &str, bot: &str) -> String {
    let mut out = String::new();
    let fences = text.matches("```").count();
    for (index, piece) in text.split("```").enumerate() {
        // An odd piece stands between two fences, unless the last one is open.
        let is_code = index % 2 == 1 && fences > index;
        if is_code {
            fence(&plain(piece), &mut out);
        } else {
            if index % 2 == 1 {
                out.push_str("```");
            }
            let piece = if index > 0 { piece.strip_prefix('\n').unwrap_or(piece) } else { piece };
            prose(piece, user, bot, &mut out);
        }
    }
    out
}

fn fence(code: &str, out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    let code = code.strip_prefix('\n').unwrap_or(code);
    let end = if code.ends_with('\n') { "" } else { "\n" };
    out.extend(["```\n", code, end, "```\n"]);
}

/// Text outside blocks of code, line by line.
fn prose(text: &str, user: &str, bot: &str, out: &mut String) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let (quote, line) = match line.strip_prefix("&gt;") {
            Some(rest) => ("> ", rest.trim_start_matches("&gt;").trim_start()),
            None => ("", line),
        };
        out.push_str(quote);
        let (item, line) = bullet(line);
        out.push_str(&item);
        spans(line, user, bot, out);
    }
}

/// The mark of an item of a list, which Slack's editor writes as a sign.
fn bullet(line: &str) -> (String, &str) {
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    match text.strip_prefix(['•', '◦', '▪']).and_then(|rest| rest.strip_prefix(' ')) {
        Some(rest) => (format!("{indent}- "), rest),
        None => (String::new(), line),
    }
}

/// Code in a line, and what is around it.
fn spans(line: &str, user: &str, bot: &str, out: &mut String) {
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let Some(length) = rest[start + 1..].find('`').filter(|length| *length > 0) else { break };
        styled(&rest[..start], user, bot, out);
        out.extend(["`", &plain(&rest[start + 1..start + 1 + length]), "`"]);
        rest = &rest[start + length + 2..];
    }
    styled(rest, user, bot, out);
}

/// Bold and struck out text: `*a*` is `**a**`, `~a~` is `~~a~~`. `_a_` is the same in both.
fn styled(text: &str, user: &str, bot: &str, out: &mut String) {
    let marked = double(&double(text, '*'), '~');
    for token in tokens(&marked) {
        match token {
            Token::Text(text) => out.push_str(&decoded(text)),
            Token::Bracket(content) => out.push_str(&bracket(content, user, bot)),
        }
    }
}

/// Doubles a mark where it begins and ends something.
fn double(text: &str, mark: char) -> String {
    let characters: Vec<char> = text.chars().collect();
    let is_word = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric() || *c == mark);
    let is_space = |at: Option<&char>| at.is_none_or(|c| c.is_whitespace());
    let mut doubled = vec![false; characters.len()];
    let mut open: Option<usize> = None;
    let mut depth = 0_usize;
    for (index, character) in characters.iter().enumerate() {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if *character != mark || depth > 0 {
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(index + 1);
        match open {
            Some(start) if !is_space(before) && !is_word(after) && index > start + 1 => {
                (doubled[start], doubled[index]) = (true, true);
                open = None;
            }
            // Two marks in a row are Markdown's already.
            None if !is_word(before) && !is_space(after) && after != Some(&mark) => open = Some(index),
            _ => {}
        }
    }
    let mut out = String::new();
    for (character, doubled) in characters.into_iter().zip(doubled) {
        out.push(character);
        if doubled {
            out.push(character);
        }
    }
    out
}

/// A piece of a text.
enum Token<'a> {
    /// Text with entities.
    Text(&'a str),
    /// What stands between `<` and `>`.
    Bracket(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = vec![];
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(length) = rest[start..].find('>') else { break };
        tokens.push(Token::Text(&rest[..start]));
        tokens.push(Token::Bracket(&rest[start + 1..start + length]));
        rest = &rest[start + length + 1..];
    }
    tokens.push(Token::Text(rest));
    tokens
}

fn halves(content: &str) -> (&str, Option<&str>) {
    match content.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (content, None),
    }
}

fn bracket(content: &str, user: &str, bot: &str) -> String {
    if let Some(name) = name(content, user, bot) {
        return name;
    }
    let (target, label) = halves(content);
    let url = decoded(target);
    let Some(label) = label.map(decoded) else { return url };
    let bare = |text: &str| {
        let text = text.strip_prefix("mailto:").or_else(|| text.strip_prefix("tel:")).unwrap_or(text);
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        text.trim_end_matches('/').to_owned()
    };
    if bare(&label) == bare(&url) {
        return if url.starts_with("http") { url } else { label };
    }
    link(&label, &url)
}

/// What stands for a person, a channel or a group. `None` for a link.
fn name(content: &str, user: &str, bot: &str) -> Option<String> {
    let (target, label) = halves(content);
    let label = label.map(decoded);
    let named = |sign: char, id: &str, label: Option<String>| {
        let name = label.unwrap_or_else(|| id.to_owned());
        format!("{sign}{}", name.trim_start_matches(sign))
    };
    match target.chars().next() {
        Some('@') if &target[1..] == user && !bot.is_empty() => Some(format!("@{bot}")),
        Some('@') => Some(named('@', &target[1..], label)),
        Some('#') => Some(named('#', &target[1..], label)),
        Some('!') => Some(match target[1..].split('^').collect::<Vec<_>>().as_slice() {
            ["subteam", id, ..] => named('@', id, label),
            ["date", ..] => label.unwrap_or_default(),
            [word, ..] => named('@', word, label),
            [] => String::new(),
        }),
        _ => None,
    }
}

fn link(label: &str, url: &str) -> String {
    // An address within angle brackets holds all but these (CommonMark, "link destination").
    let url = url.replace('<', "%3C").replace('>', "%3E").replace(['\n', '\r'], "");
    let label = label.replace('[', "\\[").replace(']', "\\]");
    if url.contains(['(', ')', ' ']) { format!("[{label}](<{url}>)") } else { format!("[{label}]({url})") }
}

/// The three characters that Slack writes as entities.
fn decoded(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests;

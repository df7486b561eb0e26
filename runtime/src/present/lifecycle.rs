//! A package as it asks to be let in, and everything about one component.

use openpact_model::clock::{Clock as _, SystemClock};
use openpact_model::health::Health;
use openpact_model::text::{one_line, terminal};
use openpact_packages::Difference;

use super::list::day;
use super::status::state;
use super::{Output, Style, add};
use crate::control::lifecycle::{Asked, Credential, Description, Offer, Standing, Version};

/// The longest description of a tool that is shown beside the others; differences show all of it.
const SHORT: usize = 200;

/// What an admin decides on.
pub(super) fn offer(output: Output, offer: &Offer) -> String {
    let mut page = Page { output, text: String::new() };
    let heading =
        format!("{} {}, signed by {} (key {})", offer.name, offer.version, offer.publisher, offer.key);
    page.heading(&heading);
    page.line("about", &offer.description);
    page.line("digest", &offer.digest.to_string());
    page.line("from", &offer.source);
    page.asks(&offer.asks);
    page.credentials(&offer.credentials);
    for (index, tool) in offer.tools.iter().enumerate() {
        let about = one_line(&tool.description, SHORT);
        let text = format!("{} (reads {}, writes {}): {about}", tool.name, tool.reads, tool.writes);
        page.line(if index == 0 { "tools" } else { "" }, &text);
    }
    for warning in &offer.warnings {
        page.marked("warning", warning, Style::Yellow);
    }
    if let Some(difference) = &offer.difference {
        page.difference(difference);
    }
    page.next(offer);
    page.text
}

/// Everything about one component.
pub(super) fn description(output: Output, all: &Description) -> String {
    let mut page = Page { output, text: String::new() };
    let component = &all.component;
    let version = component.version.as_deref().unwrap_or("");
    page.heading(&format!("{} {version}", component.name));
    let (word, style) = state(component.state);
    let word = style.map_or_else(|| word.to_owned(), |style| output.styled(word, style));
    let why = component.why.as_deref().map(|why| format!(": {}", terminal(why))).unwrap_or_default();
    add(&mut page.text, format_args!("{:<12}{word}{why}\n", "state"));
    if let Some(about) = &all.description {
        page.line("about", about);
    }
    if component.unsigned {
        page.marked("unsigned", "nobody signed it; it runs from the folder for development", Style::Red);
    } else if let Some(publisher) = &component.publisher {
        page.line("publisher", publisher);
    }
    page.list("tools", &component.tools);
    page.list("network", &component.grants);
    page.list("files", &component.mounts);
    page.asks(&all.asks);
    page.credentials(&all.credentials);
    if !all.settings.is_empty() {
        page.list("settings", &all.settings);
    }
    let limits: Vec<_> = all.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if !limits.is_empty() {
        page.line("limits", &limits.join(", "));
    }
    page.health(&component.health);
    for (index, version) in all.versions.iter().enumerate() {
        page.line(if index == 0 { "versions" } else { "" }, &version_line(version));
    }
    if let Some(waiting) = &all.waiting {
        page.text.push('\n');
        page.text.push_str(&offer(output, waiting));
    }
    page.text
}

fn version_line(version: &Version) -> String {
    if let Some(why) = version.refused.as_ref().filter(|_| version.standing != Standing::Waits) {
        let (number, digest) = (&version.version, version.digest.short());
        return format!("{number} ({digest}) does not run any more: {why}");
    }
    let standing = match (version.standing, version.approved, &version.approved_by) {
        (Standing::Waits, ..) => "waits for you".to_owned(),
        (Standing::Runs, Some(when), Some(by)) => format!("runs, approved {} by {by}", day(when)),
        (Standing::Approved, Some(when), Some(by)) => {
            format!("can be gone back to, approved {} by {by}", day(when))
        }
        (Standing::Runs, ..) => "runs".to_owned(),
        (Standing::Approved, ..) => "can be gone back to".to_owned(),
        (Standing::Gone, ..) => "gone".to_owned(),
    };
    let (number, digest, came) = (&version.version, version.digest.short(), day(version.installed));
    format!("{number} ({digest}) {standing}; came {came} from {}", version.source)
}

struct Page {
    output: Output,
    text: String,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let text = self.output.styled(&one_line(text, 300), Style::Bold);
        add(&mut self.text, format_args!("{text}\n"));
    }

    fn line(&mut self, head: &str, value: &str) {
        add(&mut self.text, format_args!("{head:<12}{}\n", one_line(value, 600)));
    }

    /// How it fared in the process that runs it; nothing where it was not called.
    fn health(&mut self, health: &Health) {
        if health.calls == 0 && health.limits.is_empty() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let cpu = health.cpu_ms as f64 / 1000.0;
        let calls = format!("{}, {} of them failed, {cpu:.1} s of CPU time", health.calls, health.failed);
        self.line("calls", &calls);
        let now = SystemClock.now();
        for (index, reached) in health.limits.iter().enumerate() {
            self.line(if index == 0 { "limits met" } else { "" }, &reached.sentence(now));
        }
        if let Some(last) = &health.last_failure {
            self.line("last failed", &format!("{}: {}", day(last.at), last.why));
        }
    }

    fn list(&mut self, head: &str, items: &[String]) {
        for (index, item) in items.iter().enumerate() {
            self.line(if index == 0 { head } else { "" }, item);
        }
        if items.is_empty() {
            self.line(head, "nothing");
        }
    }

    fn marked(&mut self, head: &str, text: &str, style: Style) {
        let head = self.output.styled(&format!("{head}:"), style);
        add(&mut self.text, format_args!("{head} {}\n", one_line(text, 600)));
    }

    fn asks(&mut self, asks: &[Asked]) {
        let width = asks.iter().map(|ask| ask.label.chars().count()).max().unwrap_or(0);
        for (index, ask) in asks.iter().enumerate() {
            let head = if index == 0 { "asks for" } else { "" };
            let label = one_line(&ask.label, 80);
            let has = if ask.granted { " [granted]" } else { "" };
            let text = format!("{} ({}){has}", one_line(&ask.what, 400), one_line(&ask.reason, 300));
            add(&mut self.text, format_args!("{head:<12}{label:<width$}  {text}\n"));
            if let Some(problem) = &ask.problem {
                self.marked("cannot be granted as it is", problem, Style::Yellow);
            }
        }
        if asks.is_empty() {
            self.line("asks for", "nothing");
        }
    }

    fn credentials(&mut self, credentials: &[Credential]) {
        for (index, one) in credentials.iter().enumerate() {
            let secret = one
                .secret
                .as_ref()
                .map_or_else(|| "no secret yet".to_owned(), |name| format!("secret {name}"));
            let text = format!(
                "{} as '{}' to {}: {} [{secret}]",
                one.name,
                one.placement,
                one.hosts.join(", "),
                one.description
            );
            self.line(if index == 0 { "credentials" } else { "" }, &text);
        }
    }

    /// Every change whole: what is cut off is what somebody would hide behind.
    fn difference(&mut self, difference: &Difference) {
        self.text.push('\n');
        let (from, to) = (&difference.from.version, &difference.to.version);
        self.heading(&format!("what {to} changes of {from}, which runs"));
        self.line("in short", &difference.statement);
        for change in &difference.changes {
            let head = format!("{} {}", change.kind, change.what);
            let style = if change.widens { Style::Red } else { Style::Yellow };
            let note =
                change.note.as_deref().map(|note| format!(" ({})", one_line(note, 200))).unwrap_or_default();
            let head = self.output.styled(&one_line(&head, 200), style);
            add(&mut self.text, format_args!("  {head}{note}\n"));
            for (sign, side, style) in [("-", &change.before, Style::Red), ("+", &change.after, Style::Green)]
            {
                for line in side.iter().flat_map(|text| text.lines()) {
                    let line = self.output.styled(&format!("{sign} {}", one_line(line, usize::MAX)), style);
                    add(&mut self.text, format_args!("    {line}\n"));
                }
            }
        }
    }

    fn next(&mut self, offer: &Offer) {
        let (name, version) = (&offer.name, one_line(&offer.version, 100));
        self.text.push('\n');
        match offer.standing {
            Standing::Waits => {
                let waits = self.output.styled("it waits for you:", Style::Yellow);
                let runs = offer
                    .current
                    .as_ref()
                    .map(|current| format!(" {} goes on running until then", one_line(current, 100)));
                add(&mut self.text, format_args!("{waits}{}\n", runs.unwrap_or_default()));
                let what = if offer.current.is_some() {
                    "with what it asks for and the old one did not"
                } else {
                    "with all that it asks for"
                };
                add(
                    &mut self.text,
                    format_args!("  openpact component approve {name} {version}    {what}\n"),
                );
                add(
                    &mut self.text,
                    format_args!(
                        "  openpact component approve {name} {version} --grant LABEL|RULE …    with only these\n"
                    ),
                );
                add(&mut self.text, format_args!("  openpact component reject {name} {version}\n"));
            }
            Standing::Runs => add(&mut self.text, format_args!("it is the version that runs already\n")),
            Standing::Approved | Standing::Gone => {
                let known = "it was approved before and does not run; to go back to it:";
                add(&mut self.text, format_args!("{known} openpact component rollback {name} {version}\n"));
            }
        }
    }
}

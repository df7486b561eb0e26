//! The system prompt: what the assistant is and may, who it is meant to be, and what the readers of the channel may
//! have it know. Built from the files as they are at the moment of the turn.

pub mod file;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{ToSpan as _, Zoned, civil::Date};
use openpact_model::clock::Clock;
use openpact_model::id::Digest;
use openpact_model::role::{Audience, Role};
use openpact_model::text::one_line;
use openpact_model::tool::ToolSpec;

use crate::Error;
use file::{Folder, Found, Keep};

const FRAMEWORK: &str = include_str!("../templates/framework.md");

/// The files that are made at the first run: name and content.
const TEMPLATES: [(&str, &str); 3] = [
    ("SOUL.md", include_str!("../templates/SOUL.md")),
    ("USER.md", include_str!("../templates/USER.md")),
    ("MEMORY.md", include_str!("../templates/MEMORY.md")),
];

/// How much of each file goes into the prompt, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Of SOUL.md.
    pub soul: u64,
    /// Of USER.md.
    pub user: u64,
    /// Of MEMORY.md.
    pub memory: u64,
    /// Of each day's memory; its end is kept.
    pub daily: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { soul: 16 * 1024, user: 8 * 1024, memory: 32 * 1024, daily: 16 * 1024 }
    }
}

/// Makes system prompts.
pub(crate) struct Prompt {
    root: PathBuf,
    budget: Budget,
    clock: Arc<dyn Clock>,
    built: Mutex<HashMap<(Role, Audience), Built>>,
}

/// The part of a prompt that stays as long as its sources do: providers keep what begins alike.
struct Built {
    sources: Digest,
    text: Arc<str>,
}

/// A source of the prompt as it was read.
struct Source {
    name: String,
    about: &'static str,
    budget: u64,
    keep: Keep,
    found: Found,
}

impl Prompt {
    /// Opens the folder once to see that it is there, and makes the files that are missing. Blocking.
    pub(crate) fn open(root: PathBuf, budget: Budget, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let wrong = |source| Error::AiData { path: root.clone(), source };
        let folder = Folder::open(&root).map_err(wrong)?;
        for (name, text) in TEMPLATES {
            if folder.create(name, text).map_err(|source| Error::AiData { path: root.join(name), source })? {
                tracing::info!(name, "made a context file from its template");
            }
        }
        Ok(Self { root, budget, clock, built: Mutex::default() })
    }

    /// The prompt for a turn of `role` that `audience` reads. `notes` are said at the end, this once.
    pub(crate) async fn build(
        self: &Arc<Self>,
        role: Role,
        audience: Audience,
        tools: Vec<ToolSpec>,
        notes: &[String],
    ) -> Result<String, Error> {
        let now = self.clock.local();
        let (this, today) = (Arc::clone(self), now.date());
        let task = tokio::task::spawn_blocking(move || this.fixed_part(role, audience, &tools, today));
        let fixed = task.await.map_err(|_| Error::Panicked)??;
        let mut text = format!("{fixed}\n{}", moment(&now));
        for note in notes {
            write!(text, "\n\n{note}").expect("writing to a String cannot fail");
        }
        Ok(text)
    }

    fn fixed_part(
        &self,
        role: Role,
        audience: Audience,
        tools: &[ToolSpec],
        today: Date,
    ) -> Result<Arc<str>, Error> {
        let folder =
            Folder::open(&self.root).map_err(|source| Error::AiData { path: self.root.clone(), source })?;
        let text = render(audience, tools, &self.sources(&folder, audience, today));
        let sources = Digest::of(text.as_bytes());
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = built.get(&(role, audience))
            && last.sources == sources
        {
            return Ok(Arc::clone(&last.text));
        }
        tracing::debug!(%role, ?audience, sources = sources.short(), "the system prompt changed");
        let text: Arc<str> = text.into();
        built.insert((role, audience), Built { sources, text: Arc::clone(&text) });
        Ok(text)
    }

    /// The files that this audience may have in its prompt. A group gets the character and nothing else.
    fn sources(&self, folder: &Folder, audience: Audience, today: Date) -> Vec<Source> {
        let whole = |name: &str, about, budget| {
            let found = folder.read(name, budget, Keep::Start);
            Source { name: name.to_owned(), about, budget, keep: Keep::Start, found }
        };
        let mut sources = vec![whole("SOUL.md", "who you are", self.budget.soul)];
        if audience != Audience::Private {
            return sources;
        }
        sources.push(whole("USER.md", "about the owner", self.budget.user));
        sources.push(whole("MEMORY.md", "what you keep in mind", self.budget.memory));
        let yesterday = today.checked_sub(1.day()).unwrap_or(today);
        for (day, about) in [(yesterday, "yesterday's notes"), (today, "today's notes")] {
            let name = format!("{day}.md");
            let found = folder.read_in("memory", &name, self.budget.daily, Keep::End);
            let (name, budget) = (format!("memory/{name}"), self.budget.daily);
            sources.push(Source { name, about, budget, keep: Keep::End, found });
        }
        sources
    }
}

fn render(audience: Audience, tools: &[ToolSpec], sources: &[Source]) -> String {
    let mut text = FRAMEWORK.trim_end().to_owned();
    text.push_str(match audience {
        Audience::Private => "\n\nOnly your owner reads this channel.",
        Audience::Group => {
            "\n\nSeveral people can read this channel. What you know of your owner is not in front of you here, and \
             you do not guess it."
        }
    });
    text.push_str("\n\n");
    text.push_str(&tool_list(tools));
    for source in sources {
        text.push_str(&source.render());
    }
    text
}

fn tool_list(tools: &[ToolSpec]) -> String {
    if tools.is_empty() {
        return "You have no tools in this conversation.\n".to_owned();
    }
    let mut list = "Your tools in this conversation:\n".to_owned();
    for tool in tools {
        let first = tool.description.split(['\n', '.']).next().unwrap_or_default();
        writeln!(list, "- {}: {}", tool.name, one_line(first.trim(), 100))
            .expect("writing to a String cannot fail");
    }
    list
}

impl Source {
    fn render(&self) -> String {
        let name = &self.name;
        match &self.found {
            Found::Missing => String::new(),
            Found::Refused(why) => {
                tracing::warn!(name, why, "a context file was left out");
                format!("\n({name} was left out: {why}.)\n")
            }
            Found::Text { text, .. } if text.trim().is_empty() => String::new(),
            Found::Text { text, cut } => {
                let body = fence(text.trim_end());
                let cut = self.cut_note(*cut);
                format!("\n<<< {name}, {}\n{body}\n{cut}>>> end of {name}\n", self.about)
            }
        }
    }

    fn cut_note(&self, cut: u64) -> String {
        let end = match self.keep {
            Keep::Start => "end",
            Keep::End => "beginning",
        };
        match cut {
            0 => String::new(),
            cut => format!(
                "({cut} bytes at the {end} of {} were left out: only {} go in here.)\n",
                self.name, self.budget
            ),
        }
    }
}

/// A file's text with every line marked that looks like the beginning or the end of a file.
fn fence(text: &str) -> String {
    let mark = |line: &str| {
        let bare = line.trim_start();
        if bare.starts_with("<<<") || bare.starts_with(">>>") { format!("| {line}") } else { line.to_owned() }
    };
    text.split('\n').map(mark).collect::<Vec<_>>().join("\n")
}

fn moment(now: &Zoned) -> String {
    let zone = now.time_zone().iana_name().unwrap_or("local time");
    format!("It is {}, {zone}.", now.strftime("%A, %Y-%m-%d %H:%M %:z"))
}

#[cfg(test)]
mod tests;

//! The files of the assistant: its memory as resources, for the owner alone, and `prompts/*.md` as prompts. Read with
//! the care that the system prompt's files are read with, since components can write next to them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use openpact_model::role::{Audience, Caller, Role as Rank};
use openpact_orchestrator::file::{self, Found, Keep};
use serde_json::Value;

use super::template;
use super::{
    GetPromptResult, JsonObject, Library, Missing, Prompt, PromptArgument, PromptMessage, Resource,
    ResourceContents, ResourceTemplate, Role,
};

const SCHEME: &str = "memory://";
const MEDIA_TYPE: &str = "text/markdown";
/// The most bytes that are read of one file.
const BUDGET: u64 = 1 << 20;
/// The most files of a folder that are listed.
const FILES: usize = 1000;

/// The files at the top, with what they are for.
const TOP: [(&str, &str); 3] = [
    ("MEMORY.md", "What the assistant remembers."),
    ("USER.md", "What the assistant knows about its owner."),
    ("SOUL.md", "Who the assistant is meant to be."),
];

/// The folder `ai-data`.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The library of this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&file::Folder) -> T + Send + 'static,
    ) -> Result<T, Missing> {
        let root = self.root.clone();
        let task = tokio::task::spawn_blocking(move || file::Folder::open(&root).map(|folder| work(&folder)));
        match task.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the folder of the assistant's files cannot be opened");
                Err(Missing::Unreadable("the assistant's files cannot be read now".to_owned()))
            }
            Err(_) => Err(Missing::Unreadable("reading failed; see the log".to_owned())),
        }
    }

    async fn template(&self, caller: &Caller, name: &str) -> Result<String, Missing> {
        let none = || Missing::NotFound(format!("prompt '{}'", openpact_model::text::one_line(name, 80)));
        if !may_prompt(caller) || !is_plain(name) {
            return Err(none());
        }
        let file = format!("{name}.md");
        match self.with(move |folder| folder.read_in("prompts", &file, BUDGET, Keep::Start)).await? {
            Found::Text { text, cut: 0 } => Ok(text),
            Found::Text { .. } => {
                Err(Missing::Unreadable(format!("the prompt is larger than {BUDGET} bytes")))
            }
            Found::Missing => Err(none()),
            Found::Refused(why) => Err(Missing::Unreadable(format!("the prompt is not read: {why}"))),
        }
    }
}

#[async_trait]
impl Library for Folder {
    async fn resources(&self, caller: &Caller) -> Vec<Resource> {
        if !may_remember(caller) {
            return Vec::new();
        }
        let found = self.with(|folder| {
            let top = TOP.iter().filter(|(name, _)| folder.has(name)).copied().collect::<Vec<_>>();
            (top, folder.names("memory", ".md", FILES))
        });
        let Ok((top, days)) = found.await else { return Vec::new() };
        let top = top.into_iter().map(|(name, about)| resource(name, about));
        let days = days.into_iter().filter(|name| name.strip_suffix(".md").is_some_and(is_plain));
        let days = days.map(|name| resource(&format!("memory/{name}"), "What the assistant noted that day."));
        top.chain(days).collect()
    }

    async fn templates(&self, caller: &Caller) -> Vec<ResourceTemplate> {
        if !may_remember(caller) {
            return Vec::new();
        }
        let daily = ResourceTemplate::new(format!("{SCHEME}memory/{{date}}.md"), "memory of a day");
        vec![daily.with_description("The notes of one day, such as 2026-01-31.").with_mime_type(MEDIA_TYPE)]
    }

    async fn read(&self, caller: &Caller, uri: &str) -> Result<Vec<ResourceContents>, Missing> {
        let none = || Missing::NotFound(format!("resource '{}'", openpact_model::text::one_line(uri, 120)));
        let path = uri.strip_prefix(SCHEME).filter(|_| may_remember(caller)).ok_or_else(none)?.to_owned();
        let found = if TOP.iter().any(|(name, _)| *name == path) {
            self.with(move |folder| folder.read(&path, BUDGET, Keep::Start)).await?
        } else {
            let day =
                path.strip_prefix("memory/").filter(|file| file.strip_suffix(".md").is_some_and(is_plain));
            let day = day.ok_or_else(none)?.to_owned();
            self.with(move |folder| folder.read_in("memory", &day, BUDGET, Keep::Start)).await?
        };
        match found {
            Found::Text { mut text, cut } => {
                if cut > 0 {
                    text.push_str("\n[The file is longer: the rest was left out.]\n");
                }
                Ok(vec![ResourceContents::text(text, uri).with_mime_type(MEDIA_TYPE)])
            }
            Found::Missing => Err(none()),
            Found::Refused(why) => Err(Missing::Unreadable(format!("the file is not read: {why}"))),
        }
    }

    async fn revision(&self, caller: &Caller, uri: &str) -> Option<u64> {
        let path = uri.strip_prefix(SCHEME).filter(|_| may_remember(caller))?.to_owned();
        if TOP.iter().any(|(name, _)| *name == path) {
            return self.with(move |folder| folder.stamp(None, &path)).await.ok()?;
        }
        let day = path.strip_prefix("memory/").filter(|file| file.strip_suffix(".md").is_some_and(is_plain));
        let day = day?.to_owned();
        self.with(move |folder| folder.stamp(Some("memory"), &day)).await.ok()?
    }

    async fn prompts(&self, caller: &Caller) -> Vec<Prompt> {
        if !may_prompt(caller) {
            return Vec::new();
        }
        let all = self.with(|folder| {
            let names = folder.names("prompts", ".md", FILES).into_iter();
            let texts =
                names.filter_map(|file| match folder.read_in("prompts", &file, BUDGET, Keep::Start) {
                    Found::Text { text, cut: 0 } => Some((file.strip_suffix(".md")?.to_owned(), text)),
                    _ => None,
                });
            texts.filter(|(name, _)| is_plain(name)).map(|(name, text)| listed(&name, &text)).collect()
        });
        all.await.unwrap_or_default()
    }

    async fn prompt(
        &self,
        caller: &Caller,
        name: &str,
        arguments: &JsonObject,
    ) -> Result<GetPromptResult, Missing> {
        let text = self.template(caller, name).await?;
        let mut values = BTreeMap::new();
        for (key, value) in arguments {
            let Value::String(value) = value else {
                let key = openpact_model::text::one_line(key, 64);
                return Err(Missing::Arguments(format!("the argument '{key}' is no text")));
            };
            values.insert(key.as_str(), value.as_str());
        }
        let missing = |argument: &str| Missing::Arguments(format!("the argument '{argument}' is missing"));
        let filled = template::fill(&text, &values).map_err(missing)?;
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, filled)]))
    }
}

/// The memory is the owner's, as it is in chats.
fn may_remember(caller: &Caller) -> bool {
    caller.role == Rank::Owner && caller.audience == Audience::Private
}

fn may_prompt(caller: &Caller) -> bool {
    caller.role >= Rank::Member
}

/// A name that is no path.
fn is_plain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(good)
}

fn resource(path: &str, about: &str) -> Resource {
    Resource::new(format!("{SCHEME}{path}"), path).with_description(about).with_mime_type(MEDIA_TYPE)
}

fn listed(name: &str, text: &str) -> Prompt {
    let first = text.lines().map(|line| line.trim_start_matches('#').trim()).find(|line| !line.is_empty());
    let about = first.map(|line| openpact_model::text::one_line(line, 120));
    let arguments = template::arguments(text);
    let arguments: Vec<_> =
        arguments.into_iter().map(|name| PromptArgument::new(name).with_required(true)).collect();
    Prompt::new(name, about, Some(arguments))
}

#[cfg(test)]
mod tests;

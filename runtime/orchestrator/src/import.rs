//! Takes in, once, what the first OpenPact left of its channels: which session each talked in, and how much was shown
//! there. Its files are read and stay as they are.
//!
//! A session that is taken in counts as one that the owner alone reads, since the first OpenPact did not note who did: it
//! put the owner's profile and memory before the model in every channel, let tools read private things there, and let a
//! private conversation be gone on with in a group. So where the owner is alone it goes on; in a group, and with anybody
//! else, a new one begins with the first message, and the owner finds the old one with `/sessions` when alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use openpact_engine::Engine;
use openpact_model::audit::{Event, Verdict};
use openpact_model::chat::Detail;
use openpact_model::id::SessionId;
use openpact_model::role::Channel;
use openpact_model::text::one_line;
use openpact_store::Store;
use openpact_store::import::Import;
use serde_json::{Map, Value};

use crate::Error;

/// The sessions: `{"sessions": {"PROVIDER:CHANNEL": "SESSION"}}`.
const SESSIONS: &str = "channel_sessions.json";

/// The modes: `{"modes": {"PROVIDER:CHANNEL": "simple|thinking|tools|full"}}`.
const MODES: &str = "channel_modes.json";

/// The largest file that is read, in bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Entries that are taken of one file.
const MOST: usize = 10_000;

/// Entries that are told of one by one when they are left out.
const TOLD: usize = 20;

/// The longest name of a provider, of a channel and of a session, in bytes.
const LONGEST: usize = 256;

/// What was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Channels of which the session is known: it goes on where the owner alone reads.
    pub sessions: u64,
    /// Channels that show as much as they did.
    pub modes: u64,
    /// Entries that were left out; the log says which and why.
    pub skipped: u64,
}

/// Takes in what lies in `folder`, unless that was done before: `secure/data` of the data directory, where the first
/// OpenPact had it, or the data directory itself, where somebody put it. Call it before anything is received. A file that cannot be read as a whole is told in the log, and
/// tried again at the next start.
///
/// # Errors
/// When the store or the engine cannot be used; nothing was taken in of that file then.
pub async fn channels(store: &Store, engine: &dyn Engine, folder: &Path) -> Result<Imported, Error> {
    let mut all = Imported::default();
    for (name, key) in [(SESSIONS, "sessions"), (MODES, "modes")] {
        if store.imports().is_done(name).await? {
            continue;
        }
        let path = folder.join(name);
        let read =
            tokio::task::spawn_blocking(move || read(&path, key)).await.map_err(|_| Error::Panicked)?;
        let entries = match read {
            Ok(Some(entries)) => entries,
            Ok(None) => continue,
            Err(why) => {
                tracing::warn!(file = name, why, "the file of the first OpenPact is not taken in");
                continue;
            }
        };
        let mut skipped = Skipped { file: name, count: 0 };
        let import = import(engine, key, entries, &mut skipped).await?;
        let event =
            Event::new("import.channels", "runtime", name, Verdict::Allowed).with("skipped", skipped.count);
        let Some((sessions, modes)) = store.imports().take(name, import, event).await? else { continue };
        tracing::info!(
            file = name,
            sessions,
            modes,
            skipped = skipped.count,
            "taken in, once; the file is not needed any more"
        );
        if sessions > 0 {
            tracing::info!(
                sessions,
                "conversations with the owner alone go on; in groups, and with others, new ones begin, since it is not \
                 known what of the old ones others may read"
            );
        }
        all.sessions += sessions;
        all.modes += modes;
        all.skipped += skipped.count;
    }
    Ok(all)
}

/// Entries that are left out.
struct Skipped {
    file: &'static str,
    count: u64,
}

impl Skipped {
    fn add(&mut self, entry: &str, why: &str) {
        self.count += 1;
        if self.count <= TOLD as u64 {
            tracing::warn!(file = self.file, entry = one_line(entry, 80), why, "an entry is not taken in");
        }
    }
}

/// The entries of a file; `None` where there is none.
fn read(path: &Path, key: &str) -> Result<Option<Map<String, Value>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    let Ok(Value::Object(mut whole)) = serde_json::from_slice(&bytes) else {
        return Err("it is no JSON object; mend it, or remove it".to_owned());
    };
    match whole.remove(key) {
        Some(Value::Object(entries)) => Ok(Some(entries)),
        // As Go writes a map that was never made.
        Some(Value::Null) => Ok(Some(Map::new())),
        _ => Err(format!("it has no object '{key}'; mend it, or remove it")),
    }
}

async fn import(
    engine: &dyn Engine,
    key: &str,
    entries: Map<String, Value>,
    skipped: &mut Skipped,
) -> Result<Import, Error> {
    let mut import = Import::default();
    for (index, (place, value)) in entries.into_iter().enumerate() {
        if index >= MOST {
            skipped.add(&place, "there are too many entries");
            continue;
        }
        let Some(channel) = channel(&place) else {
            skipped.add(&place, "it is no PROVIDER:CHANNEL");
            continue;
        };
        let Some(value) = value.as_str().filter(|value| is_name(value)) else {
            skipped.add(&place, "its value is no name");
            continue;
        };
        if key == "modes" {
            match detail(value) {
                Some(detail) => import.modes.push((channel, detail)),
                None => skipped.add(&place, "there is no such mode"),
            }
            continue;
        }
        let id = SessionId::from_stored(value.to_owned());
        match engine.get_session(&id).await? {
            Some(_) => import.sessions.push((channel, id)),
            None => skipped.add(&place, "the engine does not know its session"),
        }
    }
    Ok(import)
}

/// The channel that a key names. The first OpenPact knew no threads.
fn channel(key: &str) -> Option<Channel> {
    let (provider, channel) = key.split_once(':')?;
    let is_provider = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_right = is_name(provider) && provider.chars().all(is_provider) && is_name(channel);
    let (provider, channel) = (provider.to_owned(), channel.to_owned());
    is_right.then_some(Channel { provider, channel, thread: None })
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control)
}

fn detail(name: &str) -> Option<Detail> {
    match name {
        "simple" => Some(Detail::Simple),
        "thinking" => Some(Detail::Thinking),
        "tools" => Some(Detail::Tools),
        "full" => Some(Detail::Full),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

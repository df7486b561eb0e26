//! The configuration: one struct and one file for each section, read once from a file and the environment.
//!
//! A fresh data directory needs none. What is written there is checked whole before anything starts: an unknown key
//! or a wrong value stops the program with the key, its place and what was probably meant.

pub(crate) mod chat;
pub(crate) mod components;
pub(crate) mod development;
mod document;
pub(crate) mod egress;
pub(crate) mod engine;
pub(crate) mod environment;
mod error;
mod example;
pub(crate) mod health;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod mcp;
mod provider;
mod schema;
pub(crate) mod secret;
mod span;
pub(crate) mod tools;
pub(crate) mod unit;
pub(crate) mod users;
mod wording;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use openpact_model::id::ComponentName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use document::Document;
use environment::Environment;
pub(crate) use error::{Error, Problem};

/// The configuration of OpenPact. Every key may be left out, and every key can be set by an environment variable:
/// `OPENPACT_ENGINE__MODEL` is `model` in `engine`. `${NAME}` in a value is replaced by that environment variable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "OpenPact configuration")]
pub(crate) struct Config {
    /// The AI engine that answers.
    pub(crate) engine: engine::Engine,
    /// Who may speak to the assistant, by the name that you call them. Whoever is stated here is what is stated here;
    /// others are let in with `openpact user accept`.
    #[schemars(extend("x-example-name" = "alice"))]
    pub(crate) users: BTreeMap<String, users::User>,
    /// The chat platforms, and how often people may write.
    pub(crate) chat: chat::Chat,
    /// Who may call which tools, and how often.
    pub(crate) tools: tools::Tools,
    /// What each component may do, by its name. What is stated here counts; what is not stated is managed with
    /// `openpact grant`. The defaults of the components that come with the program are in
    /// `config/default-grants.yaml`, and `openpact component list` shows them.
    #[schemars(with = "BTreeMap<String, components::Component>", extend("x-example-name" = "workspace"))]
    pub(crate) components: BTreeMap<ComponentName, components::Component>,
    /// For machines on which components are made. Leave it out everywhere else.
    pub(crate) development: development::Development,
    /// The one door to the network.
    pub(crate) egress: egress::Egress,
    /// The endpoint for probes and Prometheus.
    pub(crate) health: health::Health,
    /// The endpoint for MCP clients.
    pub(crate) mcp: mcp::Mcp,
    /// What is written to the log.
    pub(crate) log: log::Log,
    /// Limits of the whole program.
    pub(crate) limits: limits::Limits,
}

/// Where a configuration comes from.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The file, and whether it was asked for by name (and so has to be there).
    pub(crate) file: PathBuf,
    /// Whether the file has to be there.
    pub(crate) required: bool,
    /// The environment.
    pub(crate) environment: &'a Environment,
}

impl Config {
    /// Reads the file and the environment; also says whether the file is there.
    ///
    /// # Errors
    /// When the file cannot be read, is not YAML, or says something that cannot be meant.
    pub(crate) fn load(sources: &Sources<'_>) -> Result<(Self, bool), Error> {
        let (text, found) = match crate::file::read_text(&sources.file) {
            Ok(text) => (text, true),
            Err(error) if !sources.required && is_absent(&sources.file, &error) => (String::new(), false),
            Err(source) => return Err(Error::Unreadable { path: sources.file.clone(), source }),
        };
        Ok((Self::parse(&sources.file, &text, sources.environment)?, found))
    }

    /// Reads a configuration from text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn parse(file: &Path, text: &str, environment: &Environment) -> Result<Self, Error> {
        let mut document = Document::parse(file, text)?;
        let schema = schema::Schema::of::<Self>();
        let mut problems = document.apply(environment, &schema);
        problems.extend(document.substitute(environment, &schema));
        problems.extend(schema.unknown_keys(&document));
        if !problems.is_empty() {
            return Err(Error::Problems(problems));
        }
        let config: Self = document.read()?;
        let problems = config.contradictions(&document);
        if problems.is_empty() { Ok(config) } else { Err(Error::Problems(problems)) }
    }

    /// What each key for itself may say, but not together.
    fn contradictions(&self, document: &Document) -> Vec<Problem> {
        let fixed = self.engine.contradictions().into_iter().chain(self.log.contradictions());
        let fixed = fixed.chain(self.health.contradictions()).chain(self.mcp.contradictions());
        let fixed = fixed.chain(self.limits.contradictions()).chain(self.development.contradictions());
        let fixed = fixed.map(|(key, message)| (key.to_owned(), message));
        let problems = fixed.chain(self.tools.contradictions());
        let problems = problems.chain(users::contradictions(&self.users)).chain(self.chat.contradictions());
        let problems = problems.chain(self.zero_times());
        problems.map(|(key, message)| document.problem(&key, message)).collect()
    }

    /// What may be said and is probably not meant where only these components were installed: one sentence each.
    pub(crate) fn doubts(&self, installed: &[String]) -> Vec<String> {
        let strange = self.strange_components(installed).into_iter().chain(self.strange_providers(installed));
        strange.chain(self.broken_grants()).collect()
    }

    /// The JSON schema, as text.
    pub(crate) fn schema() -> String {
        schema::Schema::of::<Self>().text()
    }

    /// The commented example file.
    pub(crate) fn example() -> String {
        example::text(&schema::Schema::of::<Self>())
    }
}

/// Whether a file that cannot be read is not there, or lies in a data directory that cannot be used at all, which is
/// said better by those who use it.
fn is_absent(file: &Path, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        io::ErrorKind::PermissionDenied => std::fs::metadata(file).is_err(),
        _ => false,
    }
}

/// What the components that come with the program may do unless the configuration says otherwise.
pub(crate) const DEFAULT_GRANTS: &str = include_str!("../../config/default-grants.yaml");

/// The default grants, read.
///
/// # Errors
/// Never for the file that is built in, which a test reads.
pub(crate) fn default_grants() -> Result<BTreeMap<ComponentName, components::Component>, Error> {
    let nothing = Environment::default();
    let text = format!("components:\n{}", indented(DEFAULT_GRANTS));
    Ok(Config::parse(Path::new("default-grants.yaml"), &text, &nothing)?.components)
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

#[cfg(test)]
mod tests;

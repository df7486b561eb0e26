//! Section `engine`: which AI engine answers.

use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret;
use super::unit::Span;

/// The AI engine that answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Engine {
    /// Which engine. `builtin` talks to a model; `direct` needs none and runs what is typed as `!tool {json}`. Not
    /// set: `builtin` as soon as `model` is set, and `direct` until then.
    #[serde(rename = "type")]
    #[schemars(example = Kind::Builtin)]
    pub(crate) kind: Option<Kind>,
    /// The address of an OpenAI-compatible service, without `/chat/completions`. For Ollama on this machine:
    /// `http://127.0.0.1:11434/v1`, together with `private` below.
    #[schemars(example = &"https://api.openai.com/v1", with = "Option<String>")]
    pub(crate) base_url: Option<url::Url>,
    /// The model, by the name that the service gives it.
    #[schemars(example = &"gpt-5-mini")]
    pub(crate) model: Option<String>,
    /// The model to ask when the other one does not answer.
    #[schemars(example = &"gpt-5-nano")]
    pub(crate) fallback: Option<String>,
    /// The name of the secret that holds the key for the service; `openpact secret set OPENAI_API_KEY` stores it.
    /// Not needed where the service takes none.
    #[schemars(example = &"OPENAI_API_KEY")]
    pub(crate) key: Option<secret::Name>,
    /// A file that holds the key instead, read at every start: for systemd credentials and container secrets. It is
    /// kept as the secret `ENGINE_KEY_FILE`.
    #[schemars(example = &"/run/secrets/openai")]
    pub(crate) key_file: Option<PathBuf>,
    /// Address ranges that `base_url` may lead into although they are not public, such as `127.0.0.1/32` for a
    /// service on this machine.
    #[schemars(example = ["127.0.0.1/32"], with = "Vec<String>")]
    pub(crate) private: Vec<IpNet>,
    /// How many tokens the model can take. Older messages are summarised before a conversation outgrows it.
    pub(crate) context_window: u64,
    /// How many tokens one answer may have. Not set: what the service allows.
    #[schemars(example = 4096)]
    pub(crate) max_output_tokens: Option<u64>,
    /// Whether the model is shown the images that people send. `auto`: where the service's list of models says that it
    /// takes them, or does not say; a service that refuses an image is asked again without. `always`: whatever the
    /// list says. `never`: they are named to the model instead.
    pub(crate) images: Images,
    /// How many times in one turn the model may be asked; each round of tool calls is one.
    pub(crate) max_steps: u32,
    /// How long a turn may take in all.
    pub(crate) deadline: Span,
    /// How long a turn may be silent.
    pub(crate) idle: Span,
}

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Runs what is typed as `!tool {json}`; needs no model.
    Direct,
    /// Talks to an OpenAI-compatible service.
    Builtin,
}

/// Whether images are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Images {
    /// To models that take them, as far as that is known.
    #[default]
    Auto,
    /// To every model.
    Always,
    /// To none.
    Never,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            kind: None,
            base_url: None,
            model: None,
            fallback: None,
            key: None,
            key_file: None,
            private: Vec::new(),
            context_window: 128_000,
            max_output_tokens: None,
            images: Images::Auto,
            max_steps: 50,
            deadline: Span::seconds(30 * 60),
            idle: Span::seconds(5 * 60),
        }
    }
}

impl Engine {
    /// The engine to use.
    pub(crate) fn kind(&self) -> Kind {
        self.kind.unwrap_or(if self.model.is_some() { Kind::Builtin } else { Kind::Direct })
    }

    /// What does not go together: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.kind() == Kind::Builtin {
            if self.model.is_none() {
                found.push((
                    "engine",
                    "'engine.model' has to say which model the engine 'builtin' uses".to_owned(),
                ));
            }
            if self.base_url.is_none() {
                let message = "'engine.base_url' has to say where the model is, for example \
                               'https://api.openai.com/v1', or 'http://127.0.0.1:11434/v1' for Ollama";
                found.push(("engine", message.to_owned()));
            }
        }
        if self.key.is_some() && self.key_file.is_some() {
            let message = "'engine.key' and 'engine.key_file' both say where the key is; keep one";
            found.push(("engine.key_file", message.to_owned()));
        }
        if self.max_steps == 0 {
            found.push(("engine.max_steps", "'engine.max_steps' has to be 1 or more".to_owned()));
        }
        found.extend(
            self.base_url
                .as_ref()
                .and_then(|url| self.address(url))
                .map(|message| ("engine.base_url", message)),
        );
        found
    }

    /// What is wrong with the address of the service.
    fn address(&self, url: &url::Url) -> Option<String> {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Some(format!(
                "'engine.base_url' has to start with https:// or http://, not '{}:'",
                url.scheme()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Some("'engine.base_url' must not hold a user or a password; use 'engine.key'".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Some("'engine.base_url' must not have a part behind '?' or '#'".to_owned());
        }
        let needed = private_range(url);
        match needed {
            Some(range) if self.private.iter().all(|stated| !stated.contains(&range)) => Some(format!(
                "'engine.base_url' leads to {}, which is not a public address; if that is meant, add this line to \
                 'engine':\n  private: [\"{range}\"]",
                url.host_str().unwrap_or_default(),
            )),
            None if url.scheme() == "http" && self.private.is_empty() => Some(
                "'engine.base_url' uses http:// to a public address, where anybody on the way can read the key; use \
                 https://"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The range that has to be stated for an address that is private by its own text. Names are judged when they are
/// looked up, by the door to the network; `localhost` is known.
fn private_range(url: &url::Url) -> Option<IpNet> {
    let address = match url.host()? {
        url::Host::Ipv4(address) => address.into(),
        url::Host::Ipv6(address) => address.into(),
        url::Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let local = name == "localhost" || name.ends_with(".localhost");
            return local.then(|| "127.0.0.1/32".parse().expect("this is a range"));
        }
    };
    (!is_public(address)).then(|| IpNet::from(address))
}

/// A first look, so that the usual case gets its answer at once; the door to the network has the whole table.
fn is_public(address: std::net::IpAddr) -> bool {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        std::net::IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
    }
}

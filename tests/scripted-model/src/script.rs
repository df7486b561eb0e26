//! What a script says: expectations and answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A script could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{} could not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not valid TOML, or says something that no script says.
    #[error("this is not a script in TOML")]
    Toml(#[source] Box<toml::de::Error>),
    /// It is not valid JSON, or says something that no script says.
    #[error("this is not a script in JSON")]
    Json(#[source] serde_json::Error),
}

/// A whole script.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Script {
    /// The bearer key that every request must carry; `None` asks for none.
    pub key: Option<String>,
    /// The models on offer; a request for another one is refused. Empty: any is taken, and `scripted` is listed.
    pub models: Vec<String>,
    /// What the list of models says of each about images, in the words of `OpenRouter`; `None` says nothing, as the
    /// reference has it.
    pub images: Option<bool>,
    /// In which order the exchanges are used up.
    pub order: Order,
    /// The exchanges.
    #[serde(rename = "exchange")]
    pub exchanges: Vec<Exchange>,
}

/// In which order exchanges are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As they are written; a request that does not fit the next one is refused.
    #[default]
    Strict,
    /// The first one left that fits, for many conversations at once.
    Any,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exchange {
    /// What the request has to look like.
    #[serde(default)]
    pub expect: Expect,
    /// How many times it may be used; 0 means without end.
    #[serde(default = "once")]
    pub times: u32,
    /// How a stream is written.
    #[serde(default)]
    pub form: Form,
    /// What is answered.
    #[serde(flatten)]
    pub answer: Answer,
}

fn once() -> u32 {
    1
}

/// What a request has to look like. Everything that is stated must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The model that it asks for.
    pub model: Option<String>,
    /// Whether it asks for a stream.
    pub stream: Option<bool>,
    /// The role of its last message.
    pub last_role: Option<String>,
    /// Texts that the last message holds.
    pub last_contains: Vec<String>,
    /// Texts that the body holds somewhere.
    pub contains: Vec<String>,
    /// Texts that the body holds nowhere.
    pub lacks: Vec<String>,
    /// How many images its messages have in all.
    pub images: Option<usize>,
    /// Tools that it offers, among others.
    pub tools: Vec<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A completion, streamed if the request asks for it. A finish reason and the end mark are added unless the list
    /// says how it ends.
    Say(Vec<Say>),
    /// A response as it stands.
    Reply(Reply),
}

/// One thing that the model says, or that goes wrong while it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Say {
    /// A piece of the answer.
    Text(String),
    /// A piece of reasoning, in `reasoning_content`.
    Reasoning(String),
    /// One tool call.
    Call(Call),
    /// Tool calls whose pieces come in turns, one of each.
    Calls(Vec<Call>),
    /// What the request took.
    Usage(Usage),
    /// The finish reason, instead of the one that fits.
    Finish(String),
    /// Silence, in milliseconds.
    Pause(u64),
    /// The data of one event, whatever it is.
    Raw(String),
    /// Bytes on the connection, whatever they are.
    Bytes(String),
    /// The key that the request carried, as a piece of the answer.
    EchoKey,
    /// The connection breaks.
    Cut,
    /// The response ends as if it were complete, with neither a finish reason nor the end mark.
    Stop,
    /// Silence until the other side leaves.
    Hang,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as text.
    pub arguments: String,
    /// Over how many events the arguments are spread.
    #[serde(default = "two")]
    pub pieces: usize,
}

fn two() -> usize {
    2
}

/// What a request took, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// In.
    pub input: u64,
    /// Out.
    pub output: u64,
    /// In, from the cache.
    pub cached: u64,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a habit of some server, and any of them go together"
)]
/// How a stream is written: what servers in the field do differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Form {
    /// The content type.
    pub content_type: String,
    /// Whether lines end with CR LF.
    pub crlf: bool,
    /// Whether a space follows `data:`.
    pub space: bool,
    /// Whether a comment line comes before every event.
    pub comments: bool,
    /// Whether the end mark is sent.
    pub done: bool,
    /// Whether the last event is followed by an empty line.
    pub last_blank: bool,
    /// Whether tool call pieces carry their index.
    pub index: bool,
    /// Whether chunks carry the fields that clients can do without: `id`, `object`, `created`, `model`.
    pub envelope: bool,
    /// How many bytes are written at a time; `None` for an event at a time.
    pub split: Option<usize>,
    /// Silence after each piece of `split`, in milliseconds.
    pub drip: u64,
    /// Whether a request for a stream is answered with a whole completion all the same.
    pub whole: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            content_type: "text/event-stream".to_owned(),
            crlf: false,
            space: true,
            comments: false,
            done: true,
            last_blank: true,
            index: true,
            envelope: true,
            split: None,
            drip: 0,
            whole: false,
        }
    }
}

/// A response as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The body. `{key}` in it becomes the key that the request carried.
    pub body: String,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            status: 200,
            content_type: "application/json".to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }
}

impl Script {
    /// A script of these exchanges, in this order, that asks for `key`.
    pub fn new(key: &str, exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        let exchanges = exchanges.into_iter().collect();
        Self { key: Some(key.to_owned()), exchanges, ..Self::default() }
    }

    /// Reads a script in TOML.
    ///
    /// # Errors
    /// [`Error::Toml`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|source| Error::Toml(Box::new(source)))
    }

    /// Reads a script in JSON.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(Error::Json)
    }

    /// Reads a file: JSON where its name ends so, and otherwise TOML.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        if path.extension().is_some_and(|extension| extension == "json") {
            return Self::from_json(&text);
        }
        Self::from_toml(&text)
    }

    /// The same, used up in any order.
    #[must_use]
    pub fn any_order(mut self) -> Self {
        self.order = Order::Any;
        self
    }
}

impl Exchange {
    /// A completion, whatever was asked.
    pub fn say(what: impl IntoIterator<Item = Say>) -> Self {
        Self::of(Answer::Say(what.into_iter().collect()))
    }

    /// A completion of one text.
    pub fn text(text: &str) -> Self {
        Self::say([Say::Text(text.to_owned())])
    }

    /// A completion of one tool call.
    pub fn call(id: &str, name: &str, arguments: &str) -> Self {
        Self::say([Say::Call(Call::new(id, name, arguments))])
    }

    /// A response as it stands, as JSON.
    pub fn reply(status: u16, body: &str) -> Self {
        Self::of(Answer::Reply(Reply { status, body: body.to_owned(), ..Reply::default() }))
    }

    /// A web page.
    pub fn web_page() -> Self {
        let body = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Sign in</body></html>";
        Self::of(Answer::Reply(Reply {
            content_type: "text/html; charset=utf-8".to_owned(),
            body: body.to_owned(),
            ..Reply::default()
        }))
    }

    /// The same with a header, where it is a response as it stands.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Answer::Reply(reply) = &mut self.answer {
            reply.headers.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// The same for a request that looks like `expect`.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// The same, written as `form` says.
    #[must_use]
    pub fn formed(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// The same, `times` times; 0 means without end.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn of(answer: Answer) -> Self {
        Self { expect: Expect::default(), times: 1, form: Form::default(), answer }
    }
}

impl Call {
    /// A call whose arguments come in two pieces.
    pub fn new(id: &str, name: &str, arguments: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned(), pieces: two() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_reads_the_same_from_toml_and_json() {
        let toml = r#"
            key = "sk-test"
            [[exchange]]
            expect = { last-role = "user", tools = ["workspace_write"] }
            say = [{ text = "a" }, { call = { id = "1", name = "t", arguments = "{}" } }, "cut"]
            [[exchange]]
            times = 2
            reply = { status = 429, headers = { retry-after = "1" } }
        "#;
        let script = Script::from_toml(toml).unwrap();
        assert_eq!(script.exchanges.len(), 2);
        assert_eq!(script.exchanges[1].times, 2);
        let json = serde_json::to_string(&script).unwrap();
        assert_eq!(Script::from_json(&json).unwrap(), script);
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(Script::from_toml("keys = 'a'").is_err());
        assert!(Script::from_toml("[[exchange]]\nsay = [{ txt = 'a' }]").is_err());
        assert!(Script::from_toml("[[exchange]]\nexpect = { roles = 'a' }\nsay = []").is_err());
    }
}

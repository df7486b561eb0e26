//! What a tool answers.

use serde::Serialize;
use serde_json::Value;

use crate::Result;

/// A pointer to something that the reader may fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub uri: String,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its media type, such as `text/html`.
    pub media_type: Option<String>,
}

/// What is in an [`Embedded`] resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A thing with an address, given whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// Where it is.
    pub uri: String,
    /// Its media type, such as `text/plain`.
    pub media_type: Option<String>,
    /// What is in it.
    pub body: Body,
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// A JSON value.
    Json(Value),
    /// A picture.
    Image {
        /// The bytes of the file.
        data: Vec<u8>,
        /// Its media type, such as `image/png`.
        media_type: String,
    },
    /// A pointer.
    Link(Link),
    /// A sound.
    Audio {
        /// The bytes of the file.
        data: Vec<u8>,
        /// Its media type, such as `audio/wav`.
        media_type: String,
    },
    /// A thing with an address, given whole.
    Embedded(Embedded),
}

/// What a tool answered: pieces in order, and the same as a JSON value where the tool has an output schema. The host
/// stops a tool whose answer is larger than its limit (1 MiB unless the manifest asks for more).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    content: Vec<Content>,
    structured: Option<Value>,
}

impl Output {
    /// An answer of one piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::Text(text.into())], structured: None }
    }

    /// An answer of one JSON value.
    pub fn json(value: Value) -> Self {
        Self { content: vec![Content::Json(value)], structured: None }
    }

    /// An answer of one picture.
    pub fn image(data: Vec<u8>, media_type: impl Into<String>) -> Self {
        Self { content: vec![Content::Image { data, media_type: media_type.into() }], structured: None }
    }

    /// An answer of one pointer.
    pub fn link(link: Link) -> Self {
        Self { content: vec![Content::Link(link)], structured: None }
    }

    /// An answer of one sound.
    pub fn audio(data: Vec<u8>, media_type: impl Into<String>) -> Self {
        Self { content: vec![Content::Audio { data, media_type: media_type.into() }], structured: None }
    }

    /// An answer of one thing with an address.
    pub fn embedded(embedded: Embedded) -> Self {
        Self { content: vec![Content::Embedded(embedded)], structured: None }
    }

    /// A value that fits the tool's [`output_schema`](crate::Tool::output_schema): as JSON text for readers that know
    /// no structured answers, and structured for the others.
    ///
    /// # Errors
    /// [`Error::Failed`](crate::Error::Failed) when the value cannot be written as JSON.
    pub fn structured(value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value)?;
        Ok(Self { content: vec![Content::Json(value.clone())], structured: Some(value) })
    }

    /// The same answer with one more piece.
    #[must_use]
    pub fn with(mut self, piece: Content) -> Self {
        self.content.push(piece);
        self
    }

    /// The pieces.
    pub fn content(&self) -> &[Content] {
        &self.content
    }

    /// The structured value.
    pub fn structured_value(&self) -> Option<&Value> {
        self.structured.as_ref()
    }

    /// The pieces and the structured value.
    pub fn into_parts(self) -> (Vec<Content>, Option<Value>) {
        (self.content, self.structured)
    }
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Output {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

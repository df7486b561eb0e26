//! The manifest as TOML text.
//!
//! Schemas of tools are kept as JSON text inside the TOML: TOML has no null, which schemas may contain, and the model
//! is to see the very text that the guest gave.

use openpact_model::id::ComponentName;
use openpact_model::text;
use openpact_model::tool::{Effects, ToolSpec};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::{self, wrong};
use super::{Kind, MAX_BYTES, Manifest, Problem, Requests};

/// The keys at the top of the text, in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: ComponentName,
    version: Version,
    publisher: String,
    description: String,
    license: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    homepage: Option<String>,
    kind: Kind,
    #[serde(default)]
    requests: Requests,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool>,
}

/// A tool with its schemas as JSON text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    description: String,
    input_schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_schema: Option<String>,
    #[serde(default)]
    effects: Effects,
}

pub(super) fn read_source(text: &str, tools: Vec<ToolSpec>) -> Result<Manifest, Problem> {
    let document = read(text)?;
    if !document.tools.is_empty() {
        return Err(wrong("tools", "is written by `component pack` from what the guest lists; take it out"));
    }
    let manifest = Manifest { tools, ..document.into_manifest()? };
    check::all(&manifest)?;
    Ok(manifest)
}

pub(super) fn read_packed(bytes: &[u8]) -> Result<Manifest, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::TooLong { size: bytes.len() });
    }
    let manifest = read(std::str::from_utf8(bytes).map_err(|_| Problem::NoText)?)?.into_manifest()?;
    check::all(&manifest)?;
    Ok(manifest)
}

pub(super) fn write(manifest: &Manifest) -> Result<String, Problem> {
    let text = toml::to_string(&Document::of(manifest)).map_err(|error| syntax(&error))?;
    if text.len() > MAX_BYTES {
        return Err(Problem::TooLong { size: text.len() });
    }
    Ok(text)
}

fn read(text: &str) -> Result<Document, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::TooLong { size: text.len() });
    }
    toml::from_str(text).map_err(|error| syntax(&error))
}

/// The parser shows the line in question, so what it says is text from outside.
fn syntax(error: &impl ToString) -> Problem {
    Problem::Syntax(text::terminal(error.to_string().trim()))
}

impl Document {
    fn into_manifest(self) -> Result<Manifest, Problem> {
        let tools = self.tools.into_iter().enumerate().map(|(index, tool)| tool.into_spec(index));
        Ok(Manifest {
            name: self.name,
            version: self.version,
            publisher: self.publisher,
            description: self.description,
            license: self.license,
            homepage: self.homepage,
            kind: self.kind,
            requests: self.requests,
            settings: self.settings,
            tools: tools.collect::<Result<_, _>>()?,
        })
    }

    fn of(manifest: &Manifest) -> Self {
        let manifest = manifest.clone();
        Self {
            name: manifest.name,
            version: manifest.version,
            publisher: manifest.publisher,
            description: manifest.description,
            license: manifest.license,
            homepage: manifest.homepage,
            kind: manifest.kind,
            requests: manifest.requests,
            settings: manifest.settings,
            tools: manifest.tools.into_iter().map(Tool::of).collect(),
        }
    }
}

impl Tool {
    fn into_spec(self, index: usize) -> Result<ToolSpec, Problem> {
        let schema = |text: String, key: &str| {
            check::schema_size(text.len(), || format!("tools[{index}].{key}"))?;
            serde_json::from_str::<Value>(&text)
                .map_err(|error| wrong(format!("tools[{index}].{key}"), format!("is no JSON: {error}")))
        };
        Ok(ToolSpec {
            input_schema: schema(self.input_schema, "input_schema")?,
            output_schema: self.output_schema.map(|text| schema(text, "output_schema")).transpose()?,
            name: self.name,
            title: self.title,
            description: self.description,
            effects: self.effects,
        })
    }

    fn of(spec: ToolSpec) -> Self {
        Self {
            name: spec.name,
            title: spec.title,
            description: spec.description,
            input_schema: spec.input_schema.to_string(),
            output_schema: spec.output_schema.map(|schema| schema.to_string()),
            effects: spec.effects,
        }
    }
}

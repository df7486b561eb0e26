//! Differences in the tools, with every text that the model would read.

use openpact_model::tool::{Effects, Reads, ToolSpec, Writes};
use serde_json::Value;

use super::list::{Pair, pairs};
use super::{Area, Changes};

pub(super) fn compare(changes: &mut Changes, old: &[ToolSpec], new: &[ToolSpec]) {
    for pair in pairs(old, new, |old, new| old.name == new.name) {
        tool(changes, &pair);
    }
}

/// One text of a tool.
type Field = fn(&Texts) -> Option<&String>;

fn tool(changes: &mut Changes, pair: &Pair<'_, ToolSpec>) {
    let Some(any) = pair.new.or(pair.old) else { return };
    let name = format!("tools.{}", any.name);
    let (old, new) = (pair.old.map(Texts::of), pair.new.map(Texts::of));
    let field = |text: Field| (old.as_ref().and_then(text).cloned(), new.as_ref().and_then(text).cloned());
    let (before, after) = field(|texts| Some(&texts.effects));
    if let (Some(old), Some(new)) = (pair.old, pair.new) {
        let why = effects_widen(old.effects, new.effects);
        changes.add(Area::Tools, format!("{name}.effects"), before, after, why);
    } else {
        changes.add(Area::Tools, &name, before, after, pair.new.map(|_| "a new tool"));
    }
    let fields: [(&str, Field); 4] = [
        ("title", |texts| texts.title.as_ref()),
        ("description", |texts| Some(&texts.description)),
        ("input_schema", |texts| Some(&texts.input_schema)),
        ("output_schema", |texts| texts.output_schema.as_ref()),
    ];
    for (key, text) in fields {
        let (before, after) = field(text);
        changes.add(Area::Tools, format!("{name}.{key}"), before, after, None);
    }
}

/// What a tool states as its effects decides what holds it back: a session that reads untrusted text may not write to
/// the outside. So stating less than before loosens a guard, and stating more asks for more.
fn effects_widen(old: Effects, new: Effects) -> Option<&'static str> {
    if new.reads > old.reads || new.writes > old.writes {
        return Some("it reads or writes more than before");
    }
    (new != old).then_some("it states less than before, so less holds it back")
}

/// The texts of a tool.
struct Texts {
    effects: String,
    title: Option<String>,
    description: String,
    input_schema: String,
    output_schema: Option<String>,
}

impl Texts {
    fn of(tool: &ToolSpec) -> Self {
        let ToolSpec { name: _, title, description, input_schema, output_schema, effects } = tool;
        Self {
            effects: effects_text(*effects),
            title: title.clone(),
            description: description.clone(),
            input_schema: pretty(input_schema),
            output_schema: output_schema.as_ref().map(pretty),
        }
    }
}

fn effects_text(effects: Effects) -> String {
    let reads = match effects.reads {
        Reads::Nothing => "nothing",
        Reads::Private => "private",
        Reads::Untrusted => "untrusted",
    };
    let writes = match effects.writes {
        Writes::Nothing => "nothing",
        Writes::Local => "local",
        Writes::External => "external",
    };
    format!("reads {reads}, writes {writes}")
}

/// JSON over several lines, in the order in which it is written: the model reads it in that order too.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

//! What is wrong with a value, in the codes of the real server
//! (<https://discord.com/developers/docs/reference#error-messages>).

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

/// The code of a field that is not described, which is no code of the real server.
const UNKNOWN: &str = "UNKNOWN_FIELD";

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Where, as `embeds/0/title`.
    pub(crate) path: String,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Wrong {
    fn new(path: &str, code: &str, message: String) -> Self {
        Self { path: path.trim_start_matches('/').to_owned(), code: code.to_owned(), message }
    }

    /// A field that the description does not name.
    pub(crate) fn unknown(path: &str) -> Self {
        Self::new(path, UNKNOWN, "The description has no such field".to_owned())
    }

    /// Whether it is a field that the description does not name.
    pub(crate) fn is_unknown(&self) -> bool {
        self.code == UNKNOWN
    }

    /// The same within that field.
    pub(crate) fn below(self, name: &str) -> Self {
        Self { path: format!("{name}/{}", self.path).trim_end_matches('/').to_owned(), ..self }
    }

    /// One line for the test.
    pub(crate) fn line(&self) -> String {
        format!("{}: {} ({})", self.path, self.message, self.code)
    }
}

/// All that is wrong, down to the fields that are to blame.
pub(super) fn flatten<'a>(errors: impl Iterator<Item = ValidationError<'a>>) -> Vec<Wrong> {
    errors.flat_map(|error| one(&error)).collect()
}

fn one(error: &ValidationError<'_>) -> Vec<Wrong> {
    let path = error.instance_path().as_str();
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(path, context),
        // Two alternatives that both fit are no fault of whoever asked.
        Kind::OneOfMultipleValid { .. } => Vec::new(),
        Kind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| Wrong::unknown(&format!("{path}/{name}"))).collect()
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let why = "This field is required".to_owned();
            vec![Wrong::new(&format!("{path}/{name}"), "BASE_TYPE_REQUIRED", why)]
        }
        kind => {
            let (code, message) = describe(kind, error.instance());
            vec![Wrong::new(path, code, message)]
        }
    }
}

/// The alternative that was most likely meant: of those with the right type, the one with the least wrong.
fn alternatives(path: &str, context: &[Vec<ValidationError<'static>>]) -> Vec<Wrong> {
    let choices = || context.iter().all(|errors| matches!(errors[..], [ref one] if is_choice(one, path)));
    if !context.is_empty() && choices() {
        return vec![Wrong::new(
            path,
            "BASE_TYPE_CHOICES",
            "Value must be one of those described".to_owned(),
        )];
    }
    let rank = |errors: &&Vec<ValidationError<'static>>| {
        let elsewhere = errors.iter().any(|error| {
            let at = error.instance_path().as_str();
            let of_type =
                matches!(error.kind(), Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. });
            (at == path || at == format!("{path}/type")) && of_type
        });
        (elsewhere, errors.len())
    };
    let meant = context.iter().min_by_key(rank);
    meant.into_iter().flatten().flat_map(one).collect()
}

fn is_choice(error: &ValidationError<'_>, path: &str) -> bool {
    matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. })
        && error.instance_path().as_str() == path
}

fn describe(kind: &Kind, value: &Value) -> (&'static str, String) {
    let fewer = |limit: u64| format!("Must be {limit} or fewer in length.");
    let more = |limit: u64| format!("Must be {limit} or more in length.");
    match kind {
        Kind::Type { kind } => of_type(kind, value),
        Kind::Enum { options } => ("BASE_TYPE_CHOICES", format!("Value must be one of {options}.")),
        Kind::Constant { expected_value } => {
            ("BASE_TYPE_CHOICES", format!("Value must be one of {{{expected_value}}}."))
        }
        Kind::MaxLength { limit } | Kind::MaxItems { limit } => ("BASE_TYPE_MAX_LENGTH", fewer(*limit)),
        Kind::MinLength { limit } | Kind::MinItems { limit } => ("BASE_TYPE_MIN_LENGTH", more(*limit)),
        Kind::Minimum { limit } => {
            ("NUMBER_TYPE_MIN", format!("int value should be greater than or equal to {limit}."))
        }
        Kind::Maximum { limit } => {
            ("NUMBER_TYPE_MAX", format!("int value should be less than or equal to {limit}."))
        }
        Kind::Pattern { .. } => ("NUMBER_TYPE_COERCE", format!("Value {value} is not snowflake.")),
        Kind::UniqueItems => {
            ("SET_TYPE_ALREADY_CONTAINS_VALUE", "The set already contains this value".to_owned())
        }
        other => ("BASE_TYPE_BAD", format!("{other:?}")),
    }
}

fn of_type(kind: &TypeKind, value: &Value) -> (&'static str, String) {
    let wanted = match kind {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(kinds) => {
            let kinds = kinds.iter().map(|kind| kind.to_string());
            kinds.filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ")
        }
    };
    match wanted.as_str() {
        "string" => ("STRING_TYPE_CONVERT", format!("Could not interpret {value} as string.")),
        "integer" | "number" => ("NUMBER_TYPE_COERCE", format!("Value {value} is not int.")),
        "boolean" => ("BOOLEAN_TYPE_CONVERT", "Must be either true or false.".to_owned()),
        "array" => ("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType".to_owned()),
        "object" => ("MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType".to_owned()),
        wanted => ("BASE_TYPE_CONVERT", format!("Value {value} is not {wanted}.")),
    }
}

//! The list of models. The reference knows no more of a model than its name; some services say more.

use serde_json::Value;

use crate::builtin::provider::Listed;

/// The models of a list.
pub(super) fn models(list: &Value) -> Vec<Listed> {
    let models = list["data"].as_array().into_iter().flatten();
    let listed =
        |model: &Value| Some(Listed { name: model["id"].as_str()?.to_owned(), images: images(model) });
    models.filter_map(listed).collect()
}

/// Whether a model takes images, in the words of `OpenRouter` (`architecture.input_modalities`), Mistral
/// (`capabilities.vision`), Moonshot (`supports_image_in`) and llama.cpp (a list of `capabilities`).
fn images(model: &Value) -> Option<bool> {
    let holds = |words: &Vec<Value>, known: &[&str]| {
        words.iter().filter_map(Value::as_str).any(|word| known.contains(&word))
    };
    for modalities in [&model["architecture"]["input_modalities"], &model["input_modalities"]] {
        if let Value::Array(words) = modalities {
            return Some(holds(words, &["image"]));
        }
    }
    if let Some(takes) = model["capabilities"]["vision"].as_bool().or(model["supports_image_in"].as_bool()) {
        return Some(takes);
    }
    // A list that does not name it may be one that never does.
    let words = model["capabilities"].as_array()?;
    holds(words, &["multimodal", "vision"]).then_some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_list_says_of_images_is_read_in_every_dialect() {
        for (said, expected) in [
            (json!({}), None),
            (json!({"architecture": {"input_modalities": ["text", "image"]}}), Some(true)),
            (json!({"architecture": {"input_modalities": ["text"]}}), Some(false)),
            (json!({"input_modalities": ["text"]}), Some(false)),
            (json!({"capabilities": {"vision": true}}), Some(true)),
            (json!({"capabilities": {"vision": false}}), Some(false)),
            (json!({"supports_image_in": false}), Some(false)),
            (json!({"capabilities": ["completion", "multimodal"]}), Some(true)),
            (json!({"capabilities": ["completion"]}), None),
            (json!({"architecture": "llama", "capabilities": "vision"}), None),
        ] {
            assert_eq!(images(&said), expected, "{said}");
        }
        let list = json!({"data": [{"id": "a", "supports_image_in": true}, {"name": "no id"}, {"id": "b"}]});
        let listed = |name: &str, images| Listed { name: name.to_owned(), images };
        assert_eq!(models(&list), [listed("a", Some(true)), listed("b", None)]);
        assert_eq!(models(&json!([])), []);
    }
}

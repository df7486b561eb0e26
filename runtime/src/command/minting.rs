//! Reading what the host is to mint a secret from.

use std::io::Read as _;
use std::path::Path;

use openpact_model::secret::MAX_VALUE_BYTES;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::control::Hidden;
use crate::exit::{Code, Failure};

/// What a key ends in whose value lies in a file.
const FILE: &str = "_file";

/// Reads the JSON in `path`, or on standard input for `-`, and puts the contents of files in the places of their names.
pub(super) fn read(path: &Path) -> Result<Hidden, Failure> {
    let text = if path == Path::new("-") { standard_input()? } else { file(path)? };
    let wrong = |why: String| Failure::new(Code::Usage, format!("{}: {why}", path.display()));
    let mut value: Value = serde_json::from_str(&text).map_err(|error| {
        wrong(format!("it is not JSON (line {}, column {})", error.line(), error.column()))
    })?;
    let members = value.as_object_mut().ok_or_else(|| wrong("it is not a JSON object".to_owned()))?;
    let named: Vec<String> = members.keys().filter(|key| key.ends_with(FILE)).cloned().collect();
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    for key in named {
        let name = members.remove(&key);
        let name = name.as_ref().and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong(format!("\"{key}\" is not the name of a file")))?;
        let own = key.trim_end_matches(FILE).to_owned();
        if members.contains_key(&own) {
            return Err(wrong(format!("\"{own}\" and \"{key}\" are both there; one of them is to say it")));
        }
        let content = file(&folder.join(name))?;
        members.insert(own, content.trim_end_matches(['\r', '\n']).into());
    }
    Ok(Hidden(Zeroizing::new(value.to_string())))
}

fn file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let read = crate::file::read_text(path).map(Zeroizing::new);
    read.map_err(Failure::doing(format!("{} cannot be read", path.display())))
}

fn standard_input() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let limit = u64::try_from(MAX_VALUE_BYTES).unwrap_or(u64::MAX);
    let read = std::io::stdin().lock().take(limit).read_to_string(&mut text);
    read.map_err(Failure::doing("what is on standard input cannot be read as text"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_it_are_put_in() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("key.pem", "a\nb\n");
        put("good.json", r#"{"app_id":1,"private_key_file":"key.pem"}"#);
        let read = |name: &str| read(&folder.path().join(name));
        assert_eq!(read("good.json").unwrap().0.as_str(), "{\"app_id\":1,\"private_key\":\"a\\nb\"}");
        put("both.json", r#"{"private_key":"x","private_key_file":"key.pem"}"#);
        put("none.json", r#"{"private_key_file":"nowhere.pem"}"#);
        put("list.json", "[]");
        put("text.json", r#"{"refresh_token": "never shown", }"#);
        for (name, expected) in [
            ("both.json", "both there"),
            ("none.json", "nowhere.pem cannot be read"),
            ("list.json", "not a JSON object"),
            ("text.json", "not JSON (line 1"),
            ("gone.json", "cannot be read"),
        ] {
            let failure = read(name).unwrap_err();
            assert!(failure.message.contains(expected), "{failure}");
            assert!(!failure.message.contains("never shown"), "{failure}");
        }
    }
}

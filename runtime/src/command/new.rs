//! `openpact component new`.

use std::fs;
use std::path::{Path, PathBuf};

use openpact_template as template;
use serde_json::json;

use crate::cli::author::{Kind, Language, New};
use crate::exit::{Code, Failure};
use crate::present::{self, Output, print};

/// Writes the project of a new component.
///
/// # Errors
/// When the folder is there already or cannot be written, or the language has no template.
pub(super) fn run(new: &New, output: Output) -> Result<(), Failure> {
    let language = match new.lang {
        Language::Rust => None,
        Language::Python => Some("Python"),
        Language::Javascript => Some("JavaScript"),
    };
    if let Some(language) = language {
        let message = format!(
            "there is no template for {language} yet: it comes in a later version; until then take --lang rust"
        );
        return Err(Failure::new(Code::Usage, message));
    }
    let kind = match new.kind {
        Kind::Tool => template::Kind::Tool,
        Kind::Adapter => template::Kind::Adapter,
    };
    let folder = new.output.clone().unwrap_or_else(|| PathBuf::from(new.name.as_str()));
    if folder.symlink_metadata().is_ok() {
        let message = format!("{} is there already; choose another folder with --output", folder.display());
        return Err(Failure::new(Code::Failed, message));
    }
    let project = template::Project { name: new.name.as_str(), publisher: new.publisher.as_str(), kind };
    let files = project.files();
    for file in &files {
        write(&folder.join(file.path), &file.text)?;
    }
    if output.json {
        let files: Vec<_> = files.iter().map(|file| file.path).collect();
        present::value(&json!({ "folder": folder, "files": files }));
    } else {
        print(&format!(
            "{} is a new project; its README.md says how it becomes a component:\n\n  cd {0}\n  cargo test\n  cargo build \
             --release --target wasm32-wasip2\n  openpact component pack .\n  openpact key generate\n  openpact component sign {name}.wasm --key \
             openpact.key\n",
            folder.display(),
            name = new.name
        ));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let wrong = || Failure::doing(format!("{} cannot be written", path.display()));
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(wrong())?;
    fs::write(path, text).map_err(wrong())
}

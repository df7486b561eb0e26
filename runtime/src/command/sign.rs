//! `openpact component sign`, and reading the secret key for everything that is signed.

use std::path::Path;

use openpact_packages as packages;
use packages::key::SecretKey;
use serde_json::json;

use super::package::{beside, public_key, read, refused, write};
use super::passphrase;
use crate::cli::author::Sign;
use crate::exit::{Code, Failure, chain};
use crate::present::{self, Output, print};

/// The longest signature file that is looked at, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 * 1024;

/// Signs a package, or takes in a signature by the stock tool.
///
/// # Errors
/// When the package would be refused wherever it is installed, or the key or the signature does not fit.
pub(super) fn run(sign: &Sign, output: Output) -> Result<(), Failure> {
    let bytes = read(&sign.file)?;
    let inspection = packages::inspect(&bytes).map_err(|refusal| refused(&sign.file, &refusal))?;
    if let Some(why) = inspection.refusals.first() {
        let message = format!(
            "{} would be refused wherever it is installed, so it is not signed: {why}",
            sign.file.display()
        );
        return Err(Failure::new(Code::Refused, message));
    }
    let target = beside(&sign.file);
    // A signature by the stock tool lies in this very place, and taking it in means to replace it.
    let replaces = sign.force || sign.import.as_deref() == Some(target.as_path());
    if !replaces && target.exists() {
        let message = format!("{} is there already; '--force' replaces it", target.display());
        return Err(Failure::new(Code::Failed, message));
    }
    let (signature, id) = if let Some(import) = &sign.import {
        imported(sign, import, &bytes)?
    } else {
        let key = secret_key(&sign.key, sign.passphrase_file.as_deref())?;
        let id = key.public().map_err(Failure::failed)?.id();
        (packages::sign(&bytes, &key).map_err(Failure::failed)?, id)
    };
    write(&target, signature.as_bytes())?;
    if output.json {
        present::value(&json!({ "signature": target, "key_id": id, "digest": inspection.digest }));
    } else {
        print(&format!("{} signs {} with the key {id}\n", target.display(), sign.file.display()));
    }
    Ok(())
}

/// A signature that the stock tool made, in canonical form, and the key that made it.
fn imported(sign: &Sign, import: &Path, bytes: &[u8]) -> Result<(String, packages::key::KeyId), Failure> {
    let key = sign.key.to_string_lossy();
    let key: packages::key::PublicKey =
        public_key(&key)?.parse().map_err(Failure::failed::<packages::Error>)?;
    let text = crate::file::read(import, MAX_SIGNATURE_BYTES)
        .map_err(Failure::doing(format!("{} cannot be read", import.display())))?;
    let signature = packages::signature::import(&text, bytes, &key).map_err(|refusal| {
        let why = match refusal {
            packages::Refusal::UnknownKey { key: other } => {
                format!("it was made with the key {other}, not with {}", key.id())
            }
            packages::Refusal::Altered => {
                format!("it is no signature of the key {} over {}", key.id(), sign.file.display())
            }
            other => chain(&other),
        };
        Failure::new(Code::Refused, format!("{}: {why}", import.display()))
    })?;
    Ok((signature, key.id()))
}

/// The secret key in `file`; asks for its passphrase where it has one.
///
/// # Errors
/// When it cannot be read or opened.
pub(super) fn secret_key(file: &Path, passphrase_file: Option<&Path>) -> Result<SecretKey, Failure> {
    let text = crate::file::read_text(file)
        .map_err(Failure::doing(format!("the key {} cannot be read", file.display())))?;
    let wrong =
        |error: packages::Error| Failure::new(Code::Failed, format!("{}: {}", file.display(), chain(&error)));
    match SecretKey::read(&text, None) {
        Err(packages::Error::PasswordMissing) => {
            let passphrase = passphrase::existing(passphrase_file)?;
            SecretKey::read(&text, Some(passphrase.0.as_str())).map_err(wrong)
        }
        other => other.map_err(wrong),
    }
}

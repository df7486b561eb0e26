//! `openpact key`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use openpact_packages::{self as packages, key, rotation};
use serde_json::json;

use super::package::public_key;
use super::revocation::today;
use super::{passphrase, sign};
use crate::cli::author::Rotate;
use crate::exit::{Code, Failure};
use crate::present::{Output, print};

/// A new key pair.
pub(crate) struct Generate {
    /// The file of the secret key.
    pub(super) output: PathBuf,
    /// Whether the secret key is left unencrypted.
    pub(super) unencrypted: bool,
    /// Where the passphrase is.
    pub(super) passphrase_file: Option<PathBuf>,
}

impl Generate {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let public_file = self.output.with_extension("pub");
        for file in [&self.output, &public_file] {
            if file.exists() {
                let message =
                    format!("{} is there already; choose another name with --output", file.display());
                return Err(Failure::new(Code::Failed, message));
            }
        }
        let passphrase =
            if self.unencrypted { None } else { Some(passphrase::fresh(self.passphrase_file.as_deref())?) };
        let new = key::generate(passphrase.as_ref().map(|text| text.0.as_str())).map_err(Failure::failed)?;
        write(&self.output, &new.secret_file, 0o600)?;
        write(&public_file, &new.public.file(), 0o644)?;
        let (id, public) = (new.public.id().to_string(), new.public.to_string());
        if output.json {
            crate::present::value(&json!({
                "key_id": id,
                "public_key": public,
                "secret_key_file": self.output,
                "public_key_file": public_file,
                "encrypted": passphrase.is_some(),
            }));
            return Ok(());
        }
        let secret = self.output.display();
        let note =
            if passphrase.is_some() { "encrypted" } else { "NOT encrypted: whoever reads it can sign" };
        print(&format!(
            "key id      {id}\npublic key  {public}\n            {}\nsecret key  {secret} ({note})\n\nto trust it \
             somewhere: openpact publisher add NAME {public} --prefix NAME\nto sign with it:       openpact component \
             sign FILE --key {secret}\n",
            public_file.display()
        ));
        Ok(())
    }
}

/// `openpact key rotate`.
///
/// # Errors
/// When a key cannot be read, or the rotation would be refused everywhere.
pub(super) fn rotate(rotate: &Rotate, output: Output) -> Result<(), Failure> {
    let new: key::PublicKey = public_key(&rotate.new)?.parse().map_err(Failure::failed::<packages::Error>)?;
    let old = sign::secret_key(&rotate.old, rotate.passphrase_file.as_deref())?;
    let date = rotate.date.unwrap_or_else(today);
    let text = rotation::make(&rotate.publisher, rotate.number, date, &old, &new)
        .map_err(|error| Failure::of(Code::Failed, &error))?;
    write(&rotate.output, &text, 0o644)?;
    let said = rotation::read(text.as_bytes()).map_err(Failure::failed)?;
    if output.json {
        crate::present::value(&said);
        return Ok(());
    }
    print(&format!(
        "{} says for '{}' that the key {} takes the place of {}; each admin has to confirm it\n",
        rotate.output.display(),
        said.publisher,
        said.new.id(),
        said.old.id()
    ));
    Ok(())
}

/// Makes a new file; never writes over one.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = open.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error: io::Error| {
        Failure::new(Code::Failed, format!("{} cannot be written: {error}", path.display()))
    })
}

//! `openpact revocation`: a publisher takes keys and packages back.

use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use openpact_model::clock::{Clock as _, SystemClock};
use openpact_model::id::Digest;
use openpact_model::text::one_line;
use openpact_packages as packages;
use packages::key::PublicKey;
use packages::revocation::{self, List};

use super::package::{public_key, read};
use super::{key, sign};
use crate::cli::author::Revoke;
use crate::exit::{Code, Failure, chain};
use crate::present::{self, Output, print};

/// `openpact revocation make`.
///
/// # Errors
/// When something to revoke cannot be read, or the list would be refused everywhere.
pub(super) fn make(revoke: &Revoke, output: Output) -> Result<(), Failure> {
    let signer = sign::secret_key(&revoke.signer, revoke.passphrase_file.as_deref())?;
    let mut list = List {
        publisher: revoke.publisher.clone(),
        number: 1,
        issued: revoke.date.unwrap_or_else(today),
        key: signer.public().map_err(Failure::failed)?,
        keys: [].into(),
        packages: [].into(),
    };
    if let Some(file) = &revoke.previous {
        follow(&mut list, &open(file)?, file)?;
    }
    for text in &revoke.key {
        let key: PublicKey = public_key(text)?.parse().map_err(Failure::failed::<packages::Error>)?;
        list.keys.insert(key, revoke.reason.clone());
    }
    for text in &revoke.package {
        let digest = text.parse().or_else(|_| read(Path::new(text)).map(|bytes| Digest::of(&bytes)))?;
        list.packages.insert(digest, revoke.reason.clone());
    }
    let text = revocation::make(&list, &signer).map_err(|error| Failure::of(Code::Failed, &error))?;
    key::write(&revoke.output, &text, 0o644)?;
    shown(&list, &revoke.output, output);
    Ok(())
}

/// `openpact revocation show`.
///
/// # Errors
/// When it is no list, or not what the key that it names signed.
pub(super) fn show(file: &Path, output: Output) -> Result<(), Failure> {
    shown(&open(file)?, file, output);
    Ok(())
}

/// Today, in UTC.
pub(super) fn today() -> Date {
    SystemClock.now().to_zoned(TimeZone::UTC).date()
}

/// Takes on what an earlier list of the same key says.
fn follow(list: &mut List, previous: &List, file: &Path) -> Result<(), Failure> {
    if (&previous.publisher, &previous.key) != (&list.publisher, &list.key) {
        let message = format!(
            "{} is a list of another publisher or key, so this one does not follow it",
            file.display()
        );
        return Err(Failure::new(Code::Refused, message));
    }
    list.number = previous.number.saturating_add(1);
    list.keys.clone_from(&previous.keys);
    list.packages.clone_from(&previous.packages);
    Ok(())
}

fn open(file: &Path) -> Result<List, Failure> {
    let limit = u64::try_from(packages::statement::MAX_BYTES).unwrap_or(u64::MAX);
    let text = crate::file::read(file, limit)
        .map_err(Failure::doing(format!("{} cannot be read", file.display())))?;
    revocation::read(&text)
        .map_err(|refusal| Failure::new(Code::Refused, format!("{}: {}", file.display(), chain(&refusal))))
}

fn shown(list: &List, file: &Path, output: Output) {
    if output.json {
        present::value(list);
        return;
    }
    let mut text = format!(
        "{} is the revocation list {} of '{}', of {}, signed with the key {}\n",
        file.display(),
        list.number,
        one_line(&list.publisher, 80),
        list.issued,
        list.key.id()
    );
    let keys = list.keys.iter().map(|(key, reason)| ("key    ", key.to_string(), reason));
    let packages = list.packages.iter().map(|(digest, reason)| ("package", digest.to_string(), reason));
    for (what, name, reason) in keys.chain(packages) {
        text += &[what, " ", &name, ": ", &one_line(reason, 300), "\n"].concat();
    }
    print(&text);
}

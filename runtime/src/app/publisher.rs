//! Publishers: whose components may run here.

use openpact_packages as packages;
use openpact_packages::key::PublicKey;
use openpact_store::publisher;

use super::{App, admin, done};
use crate::control::{Publisher, Response};
use crate::exit::{Code, Failure, chain};

impl App {
    /// All publishers, the one that is built in first.
    pub(super) async fn publishers(&self) -> Result<Vec<Publisher>, Failure> {
        let own = openpact_embedded::publisher();
        let keys: Vec<_> = own.keys.iter().map(ToString::to_string).collect();
        let mut all = vec![Publisher {
            name: own.name,
            key: keys.join(" "),
            prefixes: own.prefixes,
            added_by: "this program".to_owned(),
            added: None,
            retired: None,
        }];
        for row in self.store.publishers().list().await.map_err(Failure::failed)? {
            let publisher::Row { name, key, prefixes, added_by, added, retired } = row;
            all.push(Publisher { name, key, prefixes, added_by, added: Some(added), retired });
        }
        Ok(all)
    }

    /// Trusts a key for components of certain names.
    pub(super) async fn add_publisher(&self, name: String, key: &str, prefixes: Vec<String>) -> Response {
        let key: PublicKey = key.parse().map_err(|error| Failure::new(Code::Usage, chain(&error)))?;
        if name == openpact_embedded::publisher().name {
            let message = format!("the publisher '{name}' is the program itself; choose another name");
            return Err(Failure::new(Code::Refused, message));
        }
        let is_word = |text: &str| {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
            !text.is_empty() && text.len() <= 64 && text.bytes().all(fits)
        };
        if !is_word(&name) {
            let message =
                format!("'{name}' is no name of a publisher: 1 to 64 of a-z, 0-9, '-', '.' and '_'");
            return Err(Failure::new(Code::Usage, message));
        }
        if let Some(wrong) = prefixes.iter().find(|prefix| *prefix != "*" && !is_word(prefix)) {
            let message = format!(
                "'{wrong}' is no beginning of a component's name: 1 to 64 of a-z, 0-9 and '-', or '*' for all names"
            );
            return Err(Failure::new(Code::Usage, message));
        }
        let names = prefixes.join(", ");
        let event =
            admin("publisher.add", &name).with("key", key.id().to_string()).with("names", names.clone());
        let row = publisher::Row {
            name: name.clone(),
            key: key.to_string(),
            prefixes,
            added_by: "admin".to_owned(),
            added: self.clock.now(),
            retired: None,
        };
        self.store.publishers().recording(event).add(row).await.map_err(Failure::failed)?;
        Ok(done(format!("the publisher '{name}' with the key {} may now publish: {names}", key.id())))
    }

    /// Trusts a publisher no longer.
    pub(super) async fn remove_publisher(&self, name: &str) -> Response {
        let publishers = self.store.publishers().recording(admin("publisher.remove", &name));
        if !publishers.remove(name, None).await.map_err(Failure::failed)? {
            let message = format!(
                "there is no publisher '{name}'; 'openpact publisher list' shows those that there are"
            );
            return Err(Failure::new(Code::Failed, message));
        }
        Ok(done(format!("the publisher '{name}' is trusted no longer")))
    }
}

/// Whom the rows of a publisher list trust.
///
/// # Errors
/// When a stored key is none.
pub(crate) fn trust(publishers: &[Publisher]) -> Result<packages::Trust, Failure> {
    let mut trust = packages::Trust::default();
    for publisher in publishers {
        let keys: Result<Vec<PublicKey>, _> = publisher.key.split(' ').map(str::parse).collect();
        let keys = keys.map_err(Failure::doing(format!("the key of the publisher '{}'", publisher.name)))?;
        let (name, prefixes) = (publisher.name.clone(), publisher.prefixes.clone());
        trust.publishers.push(packages::Publisher { name, keys, prefixes });
    }
    Ok(trust)
}

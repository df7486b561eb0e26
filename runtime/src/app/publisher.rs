//! Publishers: whose components may run here.

use openpact_model::id::Digest;
use openpact_packages as packages;
use openpact_packages::key::PublicKey;
use openpact_store::publisher;

use super::lifecycle::failure;
use super::revocation::with_stopped;
use super::{App, done};
use crate::control::lifecycle::Revocation;
use crate::control::{Publisher, Reply, Response};
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
            auto_update: true,
            added: None,
            retired: None,
        }];
        let auto = self.catalog.auto_updated().await.map_err(failure)?;
        for row in self.catalog.publishers().await.map_err(failure)? {
            let publisher::Row { name, key, prefixes, added_by, added, retired } = row;
            let auto_update = auto.contains(&name);
            all.push(Publisher { name, key, prefixes, auto_update, added_by, added: Some(added), retired });
        }
        Ok(all)
    }

    /// Trusts a key for components of certain names.
    pub(super) async fn add_publisher(&self, name: String, key: &str, prefixes: Vec<String>) -> Response {
        let key: PublicKey = key.parse().map_err(|error| Failure::new(Code::Usage, chain(&error)))?;
        let names = prefixes.join(", ");
        self.catalog.add_publisher(&name, key, prefixes).await.map_err(failure)?;
        let stopped = self.judge_anew().await?;
        Ok(with_stopped(
            format!("the publisher '{name}' with the key {} may now publish: {names}", key.id()),
            &stopped,
        ))
    }

    /// Trusts a publisher, or one of its keys, no longer. What only that key vouches for stops.
    pub(super) async fn remove_publisher(&self, name: &str, key: Option<&str>) -> Response {
        self.catalog.remove_publisher(name, key).await.map_err(failure)?;
        let stopped = self.judge_anew().await?;
        let what = key.map_or_else(String::new, |key| format!("the key {key} of "));
        Ok(with_stopped(format!("{what}the publisher '{name}' is trusted no longer"), &stopped))
    }

    /// Follows a statement of key rotation, once the admin has named the new key.
    pub(super) async fn rotate_publisher(&self, statement: &str, confirm: Option<&str>) -> Response {
        let verified = self.catalog.read_rotation(statement.as_bytes()).await.map_err(failure)?;
        let rotation = verified.rotation();
        let (publisher, old, new) = (&rotation.publisher, rotation.old.id().to_string(), rotation.new);
        let number = new.id().to_string();
        match confirm {
            None => Ok(Reply::Done {
                message: format!(
                    "the key {old} of '{publisher}' says that {new} (number {number}) takes its place; nothing is changed yet"
                ),
                warning: Some(format!(
                    "who stole the old key could say the same: ask the publisher another way, then confirm with --confirm {number}"
                )),
            }),
            Some(confirmed) if confirmed == number => {
                self.catalog.rotate(statement.as_bytes()).await.map_err(failure)?;
                Ok(done(format!(
                    "'{publisher}' signs with the key {number} from now on; what {old} signed before goes on running, and nothing new of it is taken"
                )))
            }
            Some(other) => {
                let message =
                    format!("the new key of this statement is {number}, not {other}; nothing was changed");
                Err(Failure::new(Code::Refused, message))
            }
        }
    }

    /// Says whether updates of a publisher that change nothing but code go live by themselves.
    pub(super) async fn set_publisher(&self, name: &str, auto_update: bool) -> Response {
        self.catalog.set_auto_update(name, auto_update).await.map_err(failure)?;
        let message = if auto_update {
            format!(
                "updates of '{name}' that change nothing but their code go live without your word from now on"
            )
        } else {
            format!("every update of '{name}' waits for your word")
        };
        Ok(done(message))
    }
}

/// Whom the rows of a publisher list trust for what comes in, without what is revoked.
///
/// # Errors
/// When a stored key is none.
pub(crate) fn trust(publishers: &[Publisher], revoked: &[Revocation]) -> Result<packages::Trust, Failure> {
    let mut trust = packages::Trust::default();
    for publisher in publishers.iter().filter(|publisher| publisher.retired.is_none()) {
        let keys: Result<Vec<PublicKey>, _> = publisher.key.split(' ').map(str::parse).collect();
        let keys = keys.map_err(Failure::doing(format!("the key of the publisher '{}'", publisher.name)))?;
        let (name, prefixes) = (publisher.name.clone(), publisher.prefixes.clone());
        trust.publishers.push(packages::Publisher { name, keys, prefixes });
    }
    for one in revoked {
        // What a publisher revoked counts for it alone; the difference is of no matter for what is only looked at.
        match (one.value.parse::<PublicKey>(), one.value.parse::<Digest>()) {
            (Ok(key), _) => drop(trust.revoked_keys.insert(key)),
            (_, Ok(digest)) => drop(trust.revoked_digests.insert(digest)),
            _ => {}
        }
    }
    Ok(trust)
}

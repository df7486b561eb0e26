//! The admin's words on versions.

use openpact_model::audit::Verdict;
use openpact_model::id::ComponentName;
use openpact_store::component::{Approval, Granted, Restart, Row, State, Version};
use serde_json::Value;

use crate::error::Error;
use crate::{Catalog, KEEP_VERSIONS, event, waiting};

impl Catalog {
    /// The version that waits, if it is `version`.
    ///
    /// # Errors
    /// Where the component is unknown or that version does not wait: what was looked at is what is approved.
    pub async fn waiting_version(&self, name: &ComponentName, version: &str) -> Result<Version, Error> {
        let row = self.find(name).await?;
        let missing = || Error::NoSuchVersion {
            name: name.clone(),
            version: version.to_owned(),
            state: "does not wait for an approval",
        };
        waiting(&row).filter(|waits| waits.version == version).cloned().ok_or_else(missing)
    }

    /// Makes a version that waits the one that runs, with what is granted along with it; one transaction. Whoever calls
    /// this has loaded the version and seen that it works here.
    ///
    /// # Errors
    /// Where it does not wait any more, or the store cannot be written; nothing has changed then.
    pub async fn approve(
        &self,
        name: &ComponentName,
        version: &Version,
        grants: Vec<Granted>,
        given: Option<Value>,
        by: &str,
    ) -> Result<(), Error> {
        let rules: Vec<_> = grants.iter().map(|grant| grant.rule.clone()).collect();
        let mut event =
            event("component.approve", name, &version.version, Some(version.digest)).with("grants", rules);
        by.clone_into(&mut event.actor);
        if let Some(given) = &given {
            event = event.with("given", given.clone());
        }
        let (name, version, by) = (name.clone(), version.version.clone(), by.to_owned());
        let approval = Approval { name: name.clone(), version, by, grants, given };
        self.store.components().recording(event).approve(approval).await?;
        self.prune(&name).await;
        Ok(())
    }

    /// The version to go back to: the one that is named, else the last that was approved before the one that runs.
    ///
    /// # Errors
    /// Where there is none that was approved here and is still there.
    pub async fn earlier(&self, name: &ComponentName, version: Option<&str>) -> Result<Version, Error> {
        let row = self.find(name).await?;
        let approved = row.versions.iter().filter(|one| one.state == State::Approved);
        let mut others = approved.filter(|one| Some(&one.version) != row.current.as_ref());
        match version {
            None => others
                .max_by_key(|one| one.approved)
                .cloned()
                .ok_or(Error::NothingBefore { name: name.clone() }),
            Some(version) => {
                others.find(|one| one.version == version).cloned().ok_or_else(|| Error::NoSuchVersion {
                    name: name.clone(),
                    version: version.to_owned(),
                    state: if row.current.as_deref() == Some(version) {
                        "runs already"
                    } else {
                        "was not approved here"
                    },
                })
            }
        }
    }

    /// Makes a version run that was approved before, with the key-value data that it left.
    ///
    /// # Errors
    /// Where it was not approved, or the store cannot be written; nothing has changed then.
    pub async fn go_back(&self, name: &ComponentName, version: &Version) -> Result<(), Error> {
        let event = event("component.rollback", name, &version.version, Some(version.digest));
        let restart = Restart { name: name.clone(), version: version.version.clone() };
        Ok(self.store.components().recording(event).restart(restart).await?)
    }

    /// Takes the version out that waits.
    ///
    /// # Errors
    /// Where it does not wait, or the store cannot be written.
    pub async fn turn_down(&self, name: &ComponentName, version: &str) -> Result<(), Error> {
        let waits = self.waiting_version(name, version).await?;
        let mut event = event("component.approve", name, version, Some(waits.digest));
        event.verdict = Verdict::Denied;
        self.store.components().recording(event).take_out(name, version).await?;
        self.drop_gone(&self.find(name).await?).await;
        Ok(())
    }

    /// Takes a component out with everything that it had. That its versions were here stays known, so that none comes
    /// back as something else; `forget` forgets that too.
    ///
    /// # Errors
    /// Where it is not installed, or the store cannot be written.
    pub async fn remove(&self, name: &ComponentName, forget: bool) -> Result<(), Error> {
        let mut row = self.find(name).await?;
        let event = event("component.remove", name, row.current.as_deref().unwrap_or("none"), None)
            .with("forget", forget);
        if !self.store.components().recording(event).remove(name, forget).await? {
            return Err(Error::Unknown { name: name.clone(), known: self.names_installed().await? });
        }
        for version in &mut row.versions {
            version.state = State::Gone;
        }
        self.drop_gone(&row).await;
        Ok(())
    }

    /// Changes what a component is given beside its grants.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn give(&self, name: &ComponentName, key: &str, given: &Value) -> Result<(), Error> {
        let event = openpact_model::audit::Event::new(
            "component.set",
            "admin",
            format!("component:{name}"),
            Verdict::Allowed,
        );
        let components =
            self.store.components().recording(event.with("key", key).with("given", given.clone()));
        Ok(components.give(name, given).await?)
    }

    async fn names_installed(&self) -> Result<String, Error> {
        let there = |row: &Row| row.versions.iter().any(|version| version.state != State::Gone);
        let names: Vec<_> =
            self.list().await?.iter().filter(|row| there(row)).map(|row| row.name.to_string()).collect();
        Ok(names.join(", "))
    }

    /// Keeps the code of the versions that were approved last, and no more. A failure leaves more than is needed.
    async fn prune(&self, name: &ComponentName) {
        let pruned = async {
            let row = self.find(name).await?;
            let mut old: Vec<_> = row.versions.iter().filter(|one| one.state == State::Approved).collect();
            old.retain(|one| Some(&one.version) != row.current.as_ref());
            old.sort_by_key(|one| std::cmp::Reverse(one.approved));
            for version in old.iter().skip(KEEP_VERSIONS) {
                self.store.components().take_out(name, &version.version).await?;
            }
            self.drop_gone(&self.find(name).await?).await;
            Ok::<_, Error>(())
        };
        if let Err(error) = pruned.await {
            tracing::warn!(component = %name, error = error.full(), "versions of long ago could not be taken away");
        }
    }
}

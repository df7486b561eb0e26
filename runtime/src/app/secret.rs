//! Secrets: stored and removed by the admin, and given to those whom the configuration names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use openpact_engine::builtin;
use openpact_model::id::ComponentName;
use openpact_model::mint::{Definition, Minted};
use openpact_model::principal::Principal;
use openpact_model::secret::{
    HostPattern, SecretEntry, SecretName, SecretSnapshot, SecretSource, SecretValue,
};
use openpact_store::secret::Kind as Stored;
use serde_json::Value;

use super::provider::Nudge;
use super::{App, admin, done};
use crate::config::Config;
use crate::config::components::Component as Stated;
use crate::config::engine::Kind;
use crate::control::{Hidden, Minting, Reply, Response, Secret, SecretKind};
use crate::exit::{Code, Failure};

/// The secret that `engine.key_file` is kept as.
const KEY_FILE: &str = "ENGINE_KEY_FILE";

/// The secret that holds the engine's key.
pub(super) fn engine_key(config: &Config) -> Option<SecretName> {
    let file = config.engine.key_file.is_some().then(|| KEY_FILE.parse().expect("this is a name"));
    config.engine.key.as_ref().map(|name| name.0.clone()).or(file)
}

/// Who may use which secret since the configuration says so.
pub(super) fn configured(
    config: &Config,
    given: BTreeMap<ComponentName, Stated>,
) -> BTreeMap<SecretName, Vec<Principal>> {
    let mut all: BTreeMap<SecretName, Vec<Principal>> = BTreeMap::new();
    if let Some(name) = engine_key(config).filter(|_| config.engine.kind() == Kind::Builtin) {
        all.entry(name).or_default().push(builtin::principal());
    }
    let mut components = super::component::defaults();
    for (name, given) in given {
        let default = components.remove(&name).unwrap_or_default();
        components.insert(name, given.over(default));
    }
    for (name, stated) in &config.components {
        let default = components.remove(name).unwrap_or_default();
        components.insert(name.clone(), stated.clone().over(default));
    }
    for (component, stated) in &components {
        for secret in stated.credentials.values() {
            let users = all.entry(secret.0.clone()).or_default();
            let principal = Principal::Component(component.clone());
            if !users.contains(&principal) {
                users.push(principal);
            }
        }
    }
    all
}

impl App {
    /// Who may use which secret since the configuration or an admin names it for a component.
    pub(super) fn configured_users(&self) -> BTreeMap<SecretName, Vec<Principal>> {
        configured(&self.config(), self.all_given())
    }

    /// All secrets, without their values.
    pub(super) async fn secrets(&self) -> Result<Vec<Secret>, Failure> {
        let mut configured = self.configured_users();
        let all = self.store.secret_vault().list().await.map_err(Failure::failed)?;
        let show = all.into_iter().map(|info| {
            let mut users = configured.remove(&info.name).unwrap_or_default();
            users.retain(|user| !info.principals.contains(user));
            Secret {
                configured: users,
                readable: info.readable,
                name: info.name,
                principals: info.principals,
                hosts: info.hosts,
                minting: minting(info.kind),
                created: info.created,
                updated: info.updated,
                last_used: info.last_used,
            }
        });
        Ok(show.collect())
    }

    /// Stores a secret.
    pub(super) async fn set_secret(&self, name: SecretName, value: Hidden, users: Users) -> Response {
        let Users { principals, hosts, kind } = users;
        if name.as_str() == KEY_FILE {
            let message = format!("'{KEY_FILE}' is what 'engine.key_file' is kept as; choose another name");
            return Err(Failure::new(Code::Usage, message));
        }
        let users: Vec<_> = principals.iter().map(ToString::to_string).collect();
        let mut event = admin("secret.set", &name);
        if !users.is_empty() {
            event = event.with("for", users.join(" "));
        }
        if !hosts.is_empty() {
            let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
            event = event.with("hosts", hosts.join(" "));
        }
        let entry = entry(&name, &value, kind)?;
        if let Some(minted) = &entry.minted {
            event =
                event.with("kind", minted.definition.kind()).with("endpoint", minted.definition.endpoint());
        }
        let entry = SecretEntry { principals: principals.clone(), hosts, ..entry };
        let vault = self.store.secret_vault().recording(event);
        let set = vault.set(name.clone(), entry).await.map_err(Failure::failed)?;
        let unused = principals.is_empty() && !self.configured_users().contains_key(&name);
        let unused = unused.then(|| {
            "nobody may use it yet: name it in the configuration (as 'engine.key', for example), or set it again with \
             --for component:NAME"
                .to_owned()
        });
        let warning: Vec<_> = set.warning.into_iter().chain(unused).collect();
        let warning = (!warning.is_empty()).then(|| warning.join("; "));
        self.secret_changed(&name).await?;
        let verb = if set.created { "stored" } else { "replaced" };
        Ok(Reply::Done { message: format!("the secret '{name}' is {verb}"), warning })
    }

    /// Removes a secret.
    pub(super) async fn remove_secret(&self, name: &SecretName) -> Response {
        let vault = self.store.secret_vault().recording(admin("secret.remove", name));
        if !vault.remove(name).await.map_err(Failure::failed)? {
            let message =
                format!("there is no secret '{name}'; 'openpact secret list' shows those that there are");
            return Err(Failure::new(Code::Failed, message));
        }
        self.secret_changed(name).await?;
        Ok(done(format!("the secret '{name}' is removed")))
    }

    /// Makes a new master key and encrypts everything anew. The store records it together with the change.
    pub(super) async fn rotate_key(&self) -> Response {
        let count = self.store.secret_vault().rotate().await.map_err(Failure::failed)?;
        let kept = self.secure().join("keys/master.key.replaced");
        let message = format!(
            "there is a new master key; {count} secrets and the seal of the audit log were made anew with it"
        );
        let warning = format!(
            "the key before is kept as {}: older backups need it. If it may be known to others, delete it and those \
             backups, and renew the secrets where they were issued. Components are compiled anew at the next start",
            kept.display()
        );
        Ok(Reply::Done { message, warning: Some(warning) })
    }

    /// Makes a new master key where the old one is lost. The store records it together with the change.
    pub(super) async fn start_secrets_over(&self) -> Response {
        if self.store.key_problem().is_none() {
            let message = "the master key is there and fits, so nothing was dropped; 'openpact secret remove' removes \
                           single secrets";
            return Err(Failure::new(Code::Refused, message));
        }
        let dropped = self.store.secret_vault().start_over().await.map_err(Failure::failed)?;
        self.refresh_providers(|_| Nudge::None).await?;
        let names: Vec<_> = dropped.iter().map(|info| info.name.as_str()).collect();
        let again = if names.is_empty() { "there were no secrets".to_owned() } else { names.join(", ") };
        Ok(done(format!(
            "there is a new master key; to be entered again with 'openpact secret set': {again}"
        )))
    }

    /// Keeps what `engine.key_file` holds as a secret, and forgets it when the configuration names no file any more.
    pub(super) async fn import_key_file(&self) -> Result<(), Failure> {
        let name: SecretName = KEY_FILE.parse().expect("this is a name");
        let vault = self.store.secret_vault();
        let config = self.config();
        let Some(path) = &config.engine.key_file else {
            let there = self.store.secrets().snapshot().entries.contains_key(&name);
            if there {
                let event = admin("secret.remove", &name).with("why", "engine.key_file is not set any more");
                vault.recording(event).remove(&name).await.map_err(Failure::failed)?;
            }
            return Ok(());
        };
        let read = read_secret(path)
            .map_err(|why| Failure::new(Code::Configuration, format!("'engine.key_file': {why}")))?;
        let snapshot = self.store.secrets().snapshot();
        let same = snapshot.entries.get(&name).is_some_and(|entry| entry.value.expose() == read.0.as_str());
        if same {
            return Ok(());
        }
        let value = SecretValue::new(read.0.to_string());
        let vault = vault.recording(admin("secret.set", &name).with("why", "engine.key_file"));
        vault.set(name, SecretEntry::new(value, Vec::new())).await.map_err(Failure::failed)?;
        Ok(())
    }
}

/// Who may use a secret, where it may go, and how its value is read.
pub(super) struct Users {
    pub(super) principals: Vec<Principal>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) kind: SecretKind,
}

/// What was given as a secret, read as its kind says.
fn entry(name: &SecretName, value: &Hidden, kind: SecretKind) -> Result<SecretEntry, Failure> {
    let (tag, option) = match kind {
        SecretKind::Plain => {
            return Ok(SecretEntry::new(SecretValue::new(value.0.to_string()), Vec::new()));
        }
        SecretKind::Oauth => ("oauth", "--oauth"),
        SecretKind::GithubApp => ("github-app", "--github-app"),
    };
    let wrong = |why: String| {
        let hint = "'openpact secret set --help' shows an example";
        Failure::new(Code::Usage, format!("{name} cannot be minted from what {option} names: {why}; {hint}"))
    };
    let read: Result<Value, _> = serde_json::from_str(&value.0);
    let Ok(Value::Object(mut members)) = read else {
        return Err(wrong("it is not a JSON object".to_owned()));
    };
    members.insert("kind".to_owned(), tag.into());
    let definition: Definition =
        serde_json::from_value(Value::Object(members)).map_err(|error| wrong(error.to_string()))?;
    openpact_egress::mint::ready(&definition).map_err(wrong)?;
    let main = definition.parts().next().cloned();
    let main = main.ok_or_else(|| wrong("it holds nothing secret".to_owned()))?;
    let minted = Some(Minted { definition, tokens: Vec::new() });
    Ok(SecretEntry { minted, ..SecretEntry::new(main, Vec::new()) })
}

fn minting(kind: Stored) -> Option<Minting> {
    let Stored::Minted { from, endpoint, last, renew, problem, .. } = kind else { return None };
    Some(Minting { from: from.to_owned(), endpoint, last, renew, problem })
}

/// Reads a secret from a file, without the line end behind it.
///
/// # Errors
/// One sentence, when it cannot be read or is no text.
pub(crate) fn read_secret(path: &std::path::Path) -> Result<Hidden, String> {
    let text = crate::file::read_text(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(Hidden::without_line_end(text))
}

/// The secrets of the store, with those whom the configuration names among their users.
pub(super) struct Configured {
    store: Arc<dyn SecretSource>,
    inner: Mutex<Inner>,
}

struct Inner {
    users: BTreeMap<SecretName, Vec<Principal>>,
    /// The store's snapshot that the other was made from.
    made: Option<(Arc<SecretSnapshot>, Arc<SecretSnapshot>)>,
}

impl Configured {
    pub(super) fn new(store: Arc<dyn SecretSource>, users: BTreeMap<SecretName, Vec<Principal>>) -> Self {
        Self { store, inner: Mutex::new(Inner { users, made: None }) }
    }

    /// From now on these are the users that the configuration names.
    pub(super) fn set_users(&self, users: BTreeMap<SecretName, Vec<Principal>>) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Inner { users, made: None };
    }
}

impl SecretSource for Configured {
    fn used(&self, name: &SecretName) {
        self.store.used(name);
    }

    fn snapshot(&self) -> Arc<SecretSnapshot> {
        let current = self.store.snapshot();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, snapshot)) = inner.made.as_ref()
            && Arc::ptr_eq(of, &current)
        {
            return Arc::clone(snapshot);
        }
        let mut snapshot = SecretSnapshot::clone(&current);
        for (name, users) in &inner.users {
            if let Some(entry) = snapshot.entries.get_mut(name) {
                entry.principals.extend(
                    users.iter().filter(|user| !entry.principals.contains(user)).cloned().collect::<Vec<_>>(),
                );
            }
        }
        let snapshot = Arc::new(snapshot);
        inner.made = Some((current, Arc::clone(&snapshot)));
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Arc<SecretSnapshot>);

    impl SecretSource for Fixed {
        fn snapshot(&self) -> Arc<SecretSnapshot> {
            Arc::clone(&self.0)
        }
    }

    #[test]
    fn the_configuration_adds_users_and_nothing_else() {
        let mut config = Config::default();
        config.engine.model = Some("x".to_owned());
        config.engine.key = Some(crate::config::secret::Name("KEY".parse().unwrap()));
        let entry =
            |value: &str| SecretEntry::new(SecretValue::new(value.to_owned()), vec![Principal::Runtime]);
        let entries = [("KEY".parse().unwrap(), entry("a")), ("OTHER".parse().unwrap(), entry("b"))].into();
        let source = Configured::new(
            Arc::new(Fixed(Arc::new(SecretSnapshot { generation: 7, entries }))),
            configured(&config, BTreeMap::new()),
        );
        let snapshot = source.snapshot();
        assert_eq!(snapshot.generation, 7);
        assert_eq!(
            snapshot.entries[&"KEY".parse().unwrap()].principals,
            [Principal::Runtime, builtin::principal()]
        );
        assert_eq!(snapshot.entries[&"OTHER".parse().unwrap()].principals, [Principal::Runtime]);
        assert!(Arc::ptr_eq(&snapshot, &source.snapshot()), "the same until something changes");
    }

    #[test]
    fn a_direct_engine_may_use_no_key() {
        let mut config = Config::default();
        config.engine.key = Some(crate::config::secret::Name("KEY".parse().unwrap()));
        assert!(!configured(&config, BTreeMap::new()).contains_key(&"KEY".parse().unwrap()));
    }
}

//! A component, its secret, and a place in memory where what is minted is kept.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use openpact_egress::credential::References;
use openpact_egress::{Config, Door, Egress, Error, Ports, empty};
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::mint::{Definition, MintStore, Minted, Token};
use openpact_model::port::PortError;
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretName, SecretSnapshot, SecretSource};
use tokio::sync::Notify;

use crate::world::{Log, Names, PROBE, Vault, placed, read, send};

/// A clock that is moved by hand.
pub(super) struct TestClock {
    start: Instant,
    seconds: AtomicI64,
}

impl TestClock {
    fn new() -> Self {
        Self { start: SystemClock.monotonic(), seconds: AtomicI64::new(0) }
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + self.seconds.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Instant {
        self.start + Duration::from_secs(self.seconds.load(Ordering::SeqCst).unsigned_abs())
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

/// Keeps what is minted in the vault.
pub(super) struct Store {
    vault: Arc<Counting>,
    broken: AtomicBool,
    problems: Mutex<Vec<String>>,
    kept: Notify,
}

impl Store {
    pub(super) fn break_it(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap().clone()
    }

    /// Waits until something was kept.
    pub(super) async fn kept(&self) {
        self.kept.notified().await;
    }
}

#[async_trait::async_trait]
impl MintStore for Store {
    async fn minted(
        &self,
        name: &SecretName,
        from: &Definition,
        renewed: Option<Definition>,
        token: Token,
    ) -> Result<bool, PortError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(PortError::message("the disk is full"));
        }
        let mut entry = self.vault.snapshot().entries[name].clone();
        let minted = entry.minted.as_mut().unwrap();
        if !minted.definition.is_same(from) {
            return Ok(false);
        }
        minted.definition = renewed.unwrap_or_else(|| from.clone());
        minted.tokens.push(token);
        entry.value = minted.definition.parts().next().unwrap().clone();
        self.vault.vault.put(name.as_str(), entry);
        self.kept.notify_one();
        Ok(true)
    }

    async fn mint_failed(&self, _: &SecretName, problem: String) -> Result<(), PortError> {
        self.problems.lock().unwrap().push(problem);
        Ok(())
    }
}

/// A vault that counts what is used.
struct Counting {
    vault: Vault,
    uses: AtomicUsize,
}

impl SecretSource for Counting {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        self.vault.snapshot()
    }

    fn used(&self, _: &SecretName) {
        self.uses.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) struct Place {
    pub(super) clock: Arc<TestClock>,
    pub(super) log: Arc<Log>,
    pub(super) store: Arc<Store>,
    vault: Arc<Counting>,
    egress: Egress,
}

impl Place {
    /// The secret API is minted from this definition, for the probe.
    pub(super) fn new(definition: &str) -> Self {
        let definition: Definition = serde_json::from_str(definition).unwrap();
        openpact_egress::mint::ready(&definition).unwrap();
        Self::with(entry(definition))
    }

    fn with(entry: SecretEntry) -> Self {
        let vault = Arc::new(Counting { vault: Vault::default(), uses: AtomicUsize::new(0) });
        vault.vault.put("API", entry);
        let (clock, log) = (Arc::new(TestClock::new()), Arc::new(Log::default()));
        let config =
            Config { lookup: Some(Names::new(|_, _| vec![[127, 0, 0, 1].into()])), ..Config::default() };
        let ports = Ports {
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            audit: log.clone(),
            secrets: vault.clone(),
        };
        let egress = config.build(ports).unwrap();
        let (broken, problems) = (AtomicBool::new(false), Mutex::default());
        let store = Arc::new(Store { vault: vault.clone(), broken, problems, kept: Notify::new() });
        egress.mint_with(store.clone());
        Self { clock, log, store, vault, egress }
    }

    /// Everything anew but what was kept.
    pub(super) fn restarted(&self) -> Self {
        Self::with(self.vault.snapshot().entries[&"API".parse().unwrap()].clone())
    }

    pub(super) fn redefine(&self, definition: &str) {
        self.vault.vault.put("API", entry(serde_json::from_str(definition).unwrap()));
    }

    pub(super) fn bind(&self, hosts: &[&str]) {
        let mut entry = self.vault.snapshot().entries[&"API".parse().unwrap()].clone();
        entry.hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        self.vault.vault.put("API", entry);
    }

    pub(super) fn refresh_token(&self) -> String {
        let entry = self.vault.snapshot().entries[&"API".parse().unwrap()].clone();
        entry.value.expose().to_owned()
    }

    pub(super) fn vault_uses(&self) -> usize {
        self.vault.uses.load(Ordering::SeqCst)
    }

    pub(super) fn door(&self, rule: &str) -> (Arc<Door>, References) {
        self.door_of(&[rule])
    }

    pub(super) fn door_of(&self, rules: &[&str]) -> (Arc<Door>, References) {
        let grants = rules.iter().map(|rule| placed(rule, "header Authorization: Bearer {}", "API"));
        let door = self.egress.door(PROBE.parse().unwrap(), grants.collect());
        let references = door.credentials();
        (door, references)
    }

    /// A door whose grant puts the credential into messages.
    pub(super) fn frame_door(&self, rule: &str) -> (Arc<Door>, Arc<References>) {
        let door = self.egress.door(PROBE.parse().unwrap(), vec![placed(rule, "frame /token", "API")]);
        let references = Arc::new(door.credentials());
        (door, references)
    }

    /// Asks the API with the credential, as a guest does.
    pub(super) async fn ask(&self, door: &Door, references: &References, url: &str) -> Result<String, Error> {
        let header = format!("Bearer {}", references.reference("token").unwrap());
        let sent = send(door, "GET", url, &[("authorization", &header)], empty(), references).await;
        let (_, body) = read(sent).await?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    /// The guest is told no more than that there is no credential, and the admin what to do.
    pub(super) async fn fails(&self, door: &Door, references: &References, url: &str, expected: &str) {
        let error = self.ask(door, references, url).await.unwrap_err();
        assert_eq!(error.to_string(), "denied: the credential 'token' is not available");
        let detail = error.admin().and_then(|admin| admin.detail.clone()).unwrap();
        assert!(detail.contains(expected), "{detail}");
        let all = format!("{detail}{}", serde_json::to_string(&self.log.events()).unwrap());
        for part in ["refresh-token", "client-secret-of", "access-token", "PRIVATE KEY"] {
            assert!(!all.contains(part), "{part} in {all}");
        }
    }
}

fn entry(definition: Definition) -> SecretEntry {
    let value = definition.parts().next().unwrap().clone();
    let minted = Some(Minted { definition, tokens: Vec::new() });
    SecretEntry { value, principals: vec![PROBE.parse().unwrap()], hosts: Vec::new(), minted }
}

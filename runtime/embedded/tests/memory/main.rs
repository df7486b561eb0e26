//! The token of the embedded Telegram adapter, against a platform that says it back: it is in no guest's memory, neither
//! of the receive loop nor of an instance that sends, and not after it was changed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod guest;
mod needle;
mod platform;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use openpact_egress::Grant;
use openpact_host::{Adapter, Compiler, Config, Deployment, Host, Ports};
use openpact_model::audit;
use openpact_model::chat::{
    Adapter as _, AdapterError, CommandSpec, Connection, DeliverError, Detail, Event, Inbox, Outbound, Piece,
    Stage, Target,
};
use openpact_model::clock::SystemClock;
use openpact_model::port::{AuditSink, KeyValue, KeyValueWrite, PortError};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretSource, SecretValue};
use openpact_packages::{Trust, verify};
use serde_json::{Map, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use guest::Guests;
use needle::Needles;
use platform::{DECOY, Platform, Polls};

const FIRST: &str = "123456789:AAfirst-Token_ofThisBot_0123456789abc";
const SECOND: &str = "123456789:BBsecond-Token_ofThisBot_zyxwvutsrqp";

/// One host for all tests, and where its guests are.
static HOST: LazyLock<(Host, Guests)> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/native");
    std::fs::create_dir_all(folder).unwrap();
    let ports =
        Ports { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), key_value: Arc::new(Nothing) };
    let host = Config::new(Compiler::InProcess, Some(folder.into()), [0; 32]).build(ports).unwrap();
    (host, Guests::of_new_host())
});

/// A store that keeps nothing.
struct Nothing;

#[async_trait]
impl KeyValue for Nothing {
    async fn get(&self, _: &Principal, _: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(None)
    }

    async fn put(
        &self,
        _: &Principal,
        _: &str,
        _: Option<Vec<u8>>,
        _: Option<Option<Vec<u8>>>,
        _: u64,
    ) -> Result<KeyValueWrite, PortError> {
        Ok(KeyValueWrite::Stored)
    }

    async fn keys(&self, _: &Principal, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, PortError> {
        Ok(vec![])
    }
}

/// An audit log that nobody reads.
struct NoAudit;

#[async_trait]
impl AuditSink for NoAudit {
    async fn record(&self, _: audit::Event) -> Result<(), PortError> {
        Ok(())
    }
}

/// The token, which can be changed.
struct Secrets(Mutex<(u64, &'static str)>);

impl Secrets {
    fn set(&self, value: &'static str) {
        let mut secret = self.0.lock().unwrap();
        *secret = (secret.0 + 1, value);
    }
}

impl SecretSource for Secrets {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        let (generation, value) = *self.0.lock().unwrap();
        let principals = vec!["component:telegram".parse().unwrap()];
        let entry = SecretEntry::new(SecretValue::new(value.into()), principals);
        Arc::new(SecretSnapshot { generation, entries: [("TELEGRAM_TOKEN".parse().unwrap(), entry)].into() })
    }
}

/// What the adapter told.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

#[async_trait]
impl Inbox for Recorder {
    async fn deliver(&self, _: &str, event: Event) -> Result<(), DeliverError> {
        self.0.lock().unwrap().push(format!("{event:?}"));
        Ok(())
    }

    async fn report(&self, _: &str, connection: Connection) -> Result<(), DeliverError> {
        self.0.lock().unwrap().push(format!("{connection:?}"));
        Ok(())
    }
}

/// The adapter with its receive loop running against the platform.
struct Scene {
    platform: Arc<Platform>,
    polls: Polls,
    secrets: Arc<Secrets>,
    adapter: Arc<Adapter>,
    told: Arc<Recorder>,
    stop: CancellationToken,
    run: JoinHandle<AdapterError>,
}

impl Scene {
    async fn start() -> Self {
        let (platform, address, polls) = Platform::start(&HOST.1, &[FIRST, SECOND]);
        let secrets = Arc::new(Secrets(Mutex::new((1, FIRST))));
        let source = Arc::clone(&secrets) as Arc<dyn SecretSource>;
        let adapter = tokio::task::spawn_blocking(move || load(&address, source)).await.unwrap();
        let (told, stop) = (Arc::new(Recorder::default()), CancellationToken::new());
        let (inbox, token, running) = (Arc::clone(&told), stop.clone(), Arc::clone(&adapter));
        let run = tokio::spawn(async move { running.run(inbox, token).await });
        Self { platform, polls, secrets, adapter, told, stop, run }
    }

    /// Uses every function that talks to the platform; gives what they told, in words.
    async fn talk(&self) -> Vec<String> {
        let target = Target { account: "1".into(), channel: "7".into(), thread: None, reply_to: None };
        let message = Outbound {
            pieces: vec![Piece::Markdown("*hello*".into())],
            buttons: vec![],
            detail: Detail::Simple,
            stage: Stage::Complete,
        };
        let part = self.adapter.render(&message).await.unwrap().remove(0);
        let command = CommandSpec { name: "help".into(), description: "Helps.".into(), options: vec![] };
        vec![
            format!("{:?}", self.adapter.typing(&target).await.unwrap_err()),
            format!("{:?}", self.adapter.send_part(&target, &part, "key").await.unwrap()),
            format!("{:?}", self.adapter.edit_part(&target, "5", &part).await.unwrap_err()),
            format!("{:?}", self.adapter.delete_part(&target, "5").await.unwrap_err()),
            format!("{:?}", self.adapter.register_commands(&[command]).await.unwrap_err()),
        ]
    }

    /// Ends the loop and judges what was found.
    async fn judge(self, words: Vec<String>) {
        self.platform.search("at the end");
        self.stop.cancel();
        let end = self.run.await.unwrap();
        assert_eq!(end, AdapterError::Stopped);
        let leaks = self.platform.leaks.lock().unwrap().clone();
        assert!(leaks.is_empty(), "{leaks:#?}");
        let undiscovered = self.platform.undiscovered();
        assert!(undiscovered.is_empty(), "the search does not find what is there: {undiscovered:?}");
        let mut answered = BTreeMap::new();
        for method in self.platform.answered.lock().unwrap().iter() {
            *answered.entry(method.clone()).or_insert(0) += 1;
        }
        for (method, least) in [
            ("getMe", 1),
            ("getUpdates", 3),
            ("sendMessage", 2),
            ("editMessageText", 2),
            ("sendChatAction", 1),
            ("deleteMessage", 1),
            ("setMyCommands", 1),
        ] {
            assert!(answered.get(method).is_some_and(|times| *times >= least), "{method}: {answered:?}");
        }
        let told = self.told.0.lock().unwrap().join("\n") + &words.join("\n");
        assert!(told.contains("[REDACTED:TELEGRAM_TOKEN]"), "the platform had the token: {told}");
        let needles = Needles::of_tokens(&[FIRST, SECOND]);
        assert!(needles.within(told.as_bytes()).is_empty(), "{told}");
    }
}

fn load(address: &str, secrets: Arc<dyn SecretSource>) -> Arc<Adapter> {
    let components = openpact_embedded::components();
    let telegram = components.iter().find(|component| component.name == "telegram").unwrap();
    let trust = Trust { publishers: vec![openpact_embedded::publisher()], ..Trust::default() };
    let package = Arc::new(verify(telegram.wasm.to_vec(), telegram.signature, &trust).unwrap());
    let ports = openpact_egress::Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        audit: Arc::new(NoAudit),
        secrets: Arc::clone(&secrets),
    };
    let rule = format!("POST http://{address}/*/* private=127.0.0.1/32 credential=token timeout=300");
    let grant = Grant {
        rule: rule.parse().unwrap(),
        placement: Some("segment bot{}".parse().unwrap()),
        secret: Some("TELEGRAM_TOKEN".parse().unwrap()),
    };
    let egress = openpact_egress::Config::default().build(ports).unwrap();
    let deployment = Deployment {
        door: Some(egress.door("component:telegram".parse().unwrap(), vec![grant])),
        secrets,
        kv_quota: 65536,
        settings: Map::from_iter([("base_url".to_owned(), json!(format!("http://{address}")))]),
        ..Deployment::default()
    };
    HOST.0.load_adapter(&package, deployment).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_said_back_is_in_no_byte_of_any_instance() {
    let mut scene = Scene::start().await;
    scene.polls.held().await;
    let words = scene.talk().await;
    scene.polls.release();
    scene.polls.held().await;
    assert_eq!(scene.platform.seen(), [FIRST.to_owned()].into());
    scene.judge(words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_old_token_nor_the_new_one_is_after_a_change() {
    let mut scene = Scene::start().await;
    scene.polls.held().await;
    // This poll went out with the old token. Its answer will say back the new one too, which sending has told.
    scene.secrets.set(SECOND);
    let words = scene.talk().await;
    assert_eq!(scene.platform.seen(), [FIRST.to_owned(), SECOND.to_owned()].into());
    scene.polls.release();
    scene.polls.held().await;
    scene.judge(words).await;
}

#[test]
fn a_decoy_is_no_token() {
    assert!(Needles::of_tokens(&[FIRST, SECOND]).within(DECOY.as_bytes()).is_empty());
}

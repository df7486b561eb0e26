//! What needs more than one process: the lock on the data directory, and death in the middle of writing. This test is
//! its own child.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "the child is a process of its own, which this test kills")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::SystemClock;
use openpact_model::id::{CallId, Digest, TurnId};
use openpact_model::port::AuditSink as _;
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretValue};
use openpact_store::audit::Filter;
use openpact_store::journal::Intent;
use openpact_store::{DataDirectory, Error, Store};

const HOLD: &str = "--child-holds";
const WRITE: &str = "--child-writes";
const ROTATE: &str = "--child-rotates";
const KILLS: usize = 25;
const WRITERS: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        [HOLD, path] => hold(Path::new(path)),
        [WRITE, path] => runtime.block_on(write(Path::new(path))),
        [ROTATE, path] => runtime.block_on(rotate(Path::new(path))),
        _ => {
            a_second_process_is_refused_until_the_first_is_dead();
            println!("test a_second_process_is_refused_until_the_first_is_dead ... ok");
            runtime.block_on(what_was_acknowledged_survives_a_kill_at_any_moment());
            println!("test what_was_acknowledged_survives_a_kill_at_any_moment ... ok");
            runtime.block_on(a_master_key_that_is_rotated_survives_a_kill_at_any_moment());
            println!("test a_master_key_that_is_rotated_survives_a_kill_at_any_moment ... ok");
        }
    }
}

fn child(mode: &str, path: &Path) -> Child {
    let this = std::env::current_exe().unwrap();
    Command::new(this).arg(mode).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn open(path: &Path) -> Store {
    let directory = DataDirectory::acquire(path).unwrap();
    Store::open(&directory, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

/// Holds the directory until its standard input ends.
fn hold(path: &Path) {
    let _directory = DataDirectory::acquire(path).unwrap();
    println!("held");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn a_second_process_is_refused_until_the_first_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = child(HOLD, folder.path());
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    match DataDirectory::acquire(folder.path()) {
        Err(Error::Held { pid, .. }) => assert_eq!(pid, Some(holder.id())),
        other => panic!("must be refused: {other:?}"),
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    DataDirectory::acquire(folder.path()).expect("the lock died with its holder");
}

fn subject(round: &str, writer: usize, number: usize) -> String {
    format!("{round}-{writer}-{number}")
}

fn intent(call: &str) -> Intent {
    Intent {
        call: CallId::from_stored(call),
        turn: TurnId::from_stored("turn"),
        session: None,
        tool: "tool".into(),
        principal: Principal::Runtime,
        digest: None,
        arguments_hash: Digest::of(b""),
    }
}

/// Writes until it is killed, and says what was acknowledged: `begun X` for an intent, `ended X` for the end of a call
/// with its audit entry.
async fn write(path: &Path) {
    let store = open(path);
    let round = std::process::id().to_string();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, round) = (store.clone(), round.clone());
        tasks.spawn(async move {
            for number in 0.. {
                let subject = subject(&round, writer, number);
                store.journal().intend(intent(&subject)).await.unwrap();
                println!("begun {subject}");
                store.record(Event::new("test", "test", &subject, Verdict::Allowed)).await.unwrap();
                store.journal().finish(&CallId::from_stored(&subject), "ok").await.unwrap();
                println!("ended {subject}");
            }
        });
    }
    tasks.join_all().await;
}

/// Rotates the master key until it is killed, and says when.
async fn rotate(path: &Path) {
    let store = open(path);
    loop {
        println!("rotating");
        store.secret_vault().rotate().await.unwrap();
    }
}

async fn a_master_key_that_is_rotated_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let value = |number: usize| format!("a secret value with the number {number}");
    let store = open(folder.path());
    for number in 0..3 {
        let entry = SecretEntry::new(SecretValue::new(value(number)), vec![Principal::Runtime]);
        store.secret_vault().set(format!("S{number}").parse().unwrap(), entry).await.unwrap();
    }
    let mut key = store.key("purpose");
    drop(store);
    let mut changed = 0;
    for kill in 0..KILLS {
        let mut rotating = child(ROTATE, folder.path());
        let mut lines = BufReader::new(rotating.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        // Between two syncs of a disk, at another point each time.
        std::thread::sleep(Duration::from_micros(u64::try_from(kill).unwrap() * 700));
        rotating.kill().unwrap();
        rotating.wait().unwrap();
        let store = open(folder.path());
        assert!(store.key_problem().is_none(), "kill {kill}: {:?}", store.key_problem());
        let snapshot = store.secrets().snapshot();
        for number in 0..3 {
            let entry = &snapshot.entries[&format!("S{number}").parse().unwrap()];
            assert_eq!(entry.value.expose(), value(number), "kill {kill}");
        }
        let chain = store.audit().verify().await.unwrap();
        assert_eq!((chain.broken, chain.sealed), (None, true), "kill {kill}");
        changed += usize::from(store.key("purpose") != key);
        key = store.key("purpose");
    }
    assert!(changed > 0, "the child did rotate");
}

async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (mut begun, mut ended, mut unknown) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for kill in 0..KILLS {
        let mut writer = child(WRITE, folder.path());
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // At another point of its work each time; what it still says after that was acknowledged too.
        let first: Vec<_> = lines.by_ref().take(1 + kill * 7).collect();
        writer.kill().unwrap();
        for line in first.into_iter().chain(lines) {
            match line.unwrap().split_once(' ') {
                Some(("begun", subject)) => drop(begun.insert(subject.to_owned())),
                Some(("ended", subject)) => drop(ended.insert(subject.to_owned())),
                other => panic!("the child said {other:?}"),
            }
        }
        writer.wait().unwrap();

        let store = open(folder.path());
        let chain = store.audit().verify().await.unwrap();
        assert_eq!((chain.broken, chain.sealed), (None, true), "kill {kill}");
        let log = store.audit().page(Filter { limit: u32::MAX, ..Filter::default() }).await.unwrap();
        let recorded: BTreeSet<_> = log.into_iter().map(|entry| entry.event.subject).collect();
        assert!(ended.is_subset(&recorded), "kill {kill} lost entries");
        for intent in store.journal().interrupted().await.unwrap() {
            let subject = intent.call.to_string();
            assert!(!ended.contains(&subject), "{subject} had ended");
            assert!(unknown.insert(subject), "told twice");
        }
        for subject in &begun {
            let outcome = store.journal().outcome(&CallId::from_stored(subject)).await.unwrap();
            let expected: &[&str] = if unknown.contains(subject) { &["unknown"] } else { &["ok"] };
            assert!(expected.contains(&outcome.as_deref().unwrap_or("lost")), "{subject}: {outcome:?}");
        }
    }
    assert!(ended.len() > KILLS, "the child did work: {}", ended.len());
    assert!(!unknown.is_empty(), "some call was cut off");
}

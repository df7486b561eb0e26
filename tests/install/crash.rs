//! SIGKILL at random instants of installing, approving, going back and removing: afterwards there is the state before or
//! the state after, never something between, and it works. `OPENPACT_KILLS` says how often; see `tests/kill-install.sh`.

use std::time::Duration;

use crate::stage::{Place, Publisher, requests};

/// Kills in the gate.
const KILLS: u64 = 25;

/// The longest that a command is left alone, in milliseconds: about as long as it takes.
const LONGEST: u64 = 400;

/// A sequence that looks random and is the same every time (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn a_kill_at_any_instant_leaves_the_state_before_or_the_state_after() {
    let kills = std::env::var("OPENPACT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let acme = Publisher::new("acme");
    let place = Place::with(&acme);
    let asks = requests("GET https://mail.example/send");
    let file = place.package("mail.wasm", &acme.mail("1.0.0", &asks));
    place.good(&["component", "install", &file, "--approve"]);
    let mut dice = Dice(0x5eed_cafe_f00d_0001);
    let (mut done, mut cut) = (0, 0);
    for round in 1..=kills {
        let before = state(&place);
        let file = place.package("next.wasm", &acme.mail(&format!("1.0.{round}"), &asks));
        let step = match dice.next(4) {
            0 => vec!["component", "rollback", "mail"],
            1 => vec!["component", "install", file.as_str()],
            _ => vec!["component", "install", file.as_str(), "--approve"],
        };
        let mut child = place.command(&step).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.next(LONGEST)));
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        let after = state(&place);
        if after == before {
            cut += 1;
        } else {
            done += 1;
        }
        println!("{round}: {step:?}, ended {ended}: {before:?} -> {after:?}");
        check(&place, &after);
    }
    println!("{kills} kills: {done} left the state after, {cut} the state before");
    place.good(&["audit", "verify"]);
}

/// The version that runs, the one that waits, and how many grants there are.
fn state(place: &Place) -> (String, Option<String>, usize) {
    let mail = place.component("mail").unwrap();
    let grants = place.json(&["component", "grants", "mail"]);
    let waiting = mail["waiting"].as_str().map(str::to_owned);
    (mail["version"].as_str().unwrap().to_owned(), waiting, grants["grants"].as_array().unwrap().len())
}

#[track_caller]
fn check(place: &Place, (version, waiting, grants): &(String, Option<String>, usize)) {
    let mail = place.component("mail").unwrap();
    assert_eq!(mail["state"], "ready", "{mail}");
    assert_eq!(*grants, 1);
    let ended = place.run(&[
        "component",
        "call",
        "mail",
        "get",
        "{\"scheme\":\"ftp\",\"authority\":\"\",\"path\":\"/\"}",
    ]);
    assert!(ended.out.contains("wall"), "the version that runs runs: {ended:?}");
    let folder = place.data().join("secure/components");
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["mail"], "nothing unfinished is left");
    for version in std::iter::once(version).chain(waiting) {
        assert!(folder.join("mail").join(version).join("component.wasm").is_file(), "{version} is there");
    }
}

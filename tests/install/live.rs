//! Changes while the service runs: they hold for the next call, and many at once lose nothing.

use std::thread;

use openpact_packages::revocation::{self, List};
use openpact_packages::{key::SecretKey, rotation};

use crate::stage::{Place, Publisher, Site, requests};

fn today() -> jiff::civil::Date {
    "2026-01-01".parse().unwrap()
}

#[test]
fn what_is_revoked_or_switched_off_stops_at_once() {
    let (acme, site) = (Publisher::new("acme"), Site::new());
    let place = Place::with(&acme);
    let _service = place.serve();
    let file = place.package("mail.wasm", &acme.mail("1.0.0", &requests("GET https://mail.example/send")));
    place.good(&["component", "install", &file, "--grant", &site.rule("/**")]);
    let call = site.get("/send");
    let works = || place.run(&["component", "call", "mail", "get", &call]).code == Some(0);
    assert!(works(), "without a restart");
    place.good(&["component", "disable", "mail"]);
    assert!(!works());
    place.good(&["component", "enable", "mail"]);
    assert!(works());

    // By hand, by digest, and back.
    let digest = place.component("mail").unwrap()["digest"].as_str().unwrap().to_owned();
    assert!(
        place.good(&["revocation", "add", &digest, "--reason", "stolen"]).contains("stopped at once: mail")
    );
    assert!(!works());
    place.good(&["revocation", "remove", &digest]);
    assert!(works());

    // By the publisher's own signed list; an older one changes nothing.
    let key = acme.key.public().unwrap();
    let parsed = digest.parse().unwrap();
    let list = |number, packages| List {
        publisher: "acme".into(),
        number,
        issued: today(),
        key,
        keys: [].into(),
        packages,
    };
    let text = revocation::make(&list(2, [(parsed, "backdoor".to_owned())].into()), &acme.key).unwrap();
    let path = place.path("list");
    std::fs::write(&path, &text).unwrap();
    let path = path.to_str().unwrap();
    assert!(place.good(&["revocation", "import", path]).contains("stopped at once: mail"));
    assert!(!works());
    place.fails(&["revocation", "import", path], 4, &["2"]);
    std::fs::write(path, &text[..text.len() - 10]).unwrap();
    place.fails(&["revocation", "import", path], 4, &[""]);
    place.fails(&["revocation", "remove", &digest], 2, &["publisher"]);
    assert!(place.good(&["revocation", "list"]).contains("backdoor"));
    assert!(!works());
    assert_eq!(site.asked().len(), 3);
    place.good(&["audit", "verify"]);
}

#[test]
fn a_key_is_rotated_by_its_owner_and_the_admin_and_a_revoked_one_runs_nothing() {
    let acme = Publisher::new("acme");
    let place = Place::with(&acme);
    let _service = place.serve();
    let asks = requests("GET https://mail.example/send");
    let file = place.package("mail.wasm", &acme.mail("1.0.0", &asks));
    place.good(&["component", "install", &file, "--approve"]);
    let next = Publisher { name: "acme", key: SecretKey::generate().unwrap() };
    let new = next.key.public().unwrap();
    let statement = rotation::make("acme", 1, today(), &acme.key, &new).unwrap();
    let path = place.path("rotation");
    std::fs::write(&path, statement).unwrap();
    let path = path.to_str().unwrap();
    let number = new.id().to_string();
    assert!(place.good(&["publisher", "rotate", path]).contains("nothing is changed yet"));
    let update = place.package("next.wasm", &next.mail("1.0.1", &asks));
    place.fails(&["component", "install", &update], 4, &["key"]);
    place.fails(&["publisher", "rotate", path, "--confirm", "0000000000000000"], 4, &["nothing was changed"]);
    place.good(&["publisher", "rotate", path, "--confirm", &number]);
    place.fails(&["publisher", "rotate", path, "--confirm", &number], 4, &[""]);
    assert_eq!(place.component("mail").unwrap()["state"], "running", "what was approved goes on running");
    let late = place.package("late.wasm", &acme.mail("1.0.5", &asks));
    place.fails(&["component", "install", &late], 4, &["'acme' replaced"]);
    place.good(&["component", "install", &update, "--approve"]);
    assert_eq!(place.component("mail").unwrap()["version"], "1.0.1");
    assert!(
        place.good(&["revocation", "add", &number, "--reason", "stolen"]).contains("stopped at once: mail")
    );
    assert_eq!(place.component("mail").unwrap()["state"], "failed");
    place.fails(&["component", "rollback", "mail", "1.0.1"], 4, &["runs already"]);
    // The version before was signed by the key that still counts.
    place.good(&["component", "rollback", "mail"]);
    assert_eq!(place.component("mail").unwrap()["state"], "running");
    place.good(&["publisher", "remove", "acme"]);
    assert_eq!(place.component("mail").unwrap()["state"], "failed");
}

#[test]
fn many_changes_at_once_lose_nothing() {
    const EACH: usize = 5;
    let (acme, site) = (Publisher::new("acme"), Site::new());
    let place = Place::with(&acme);
    let _service = place.serve();
    let asks = requests("GET https://mail.example/send");
    let file = place.package("mail.wasm", &acme.mail("1.0.0", &asks));
    place.good(&["component", "install", &file, "--grant", &site.rule("/send")]);
    let files: Vec<_> = (1..=EACH)
        .map(|number| place.package(&format!("{number}.wasm"), &acme.mail(&format!("1.0.{number}"), &asks)))
        .collect();
    let call = site.get("/send");
    thread::scope(|scope| {
        for lane in 0..2 {
            let (place, site) = (&place, &site);
            scope.spawn(move || {
                for number in 0..EACH {
                    place.good(&["component", "grant", "mail", &site.rule(&format!("/{lane}/{number}"))]);
                }
            });
        }
        // Two at a time: whichever comes second finds that a higher one is there, and says so.
        for half in files.chunks(EACH.div_ceil(2)) {
            let place = &place;
            scope.spawn(move || {
                for file in half {
                    let ended = place.run(&["component", "install", file, "--approve"]);
                    assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
                }
            });
        }
        let (place, call) = (&place, &call);
        scope.spawn(move || {
            for _ in 0..2 * EACH {
                place.good(&["component", "call", "mail", "get", call]);
            }
        });
    });
    let grants = place.json(&["component", "grants", "mail"]);
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1 + 2 * EACH, "{grants}");
    assert_eq!(place.component("mail").unwrap()["version"], format!("1.0.{EACH}"));
    assert_eq!(site.asked().len(), 2 * EACH, "every call was answered, whichever version it met");
    place.good(&["audit", "verify"]);
}

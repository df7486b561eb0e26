//! A hub full of trojans: packages that nobody signed, that a stranger signed, that carry another's name, or that were
//! changed on the way. Each is refused with its reason and changes nothing.

use std::fs;

use openpact_packages::{pack, sign};
use openpact_test_guests as guests;

use crate::install::stage::{ASKS, Place, Publisher, requests, tool};

#[test]
fn packages_that_are_not_what_they_say_are_refused() {
    let acme = Publisher::new("acme");
    let place = Place::with_mail(&acme);
    let _service = place.serve();
    let good = acme.mail("1.1.0", &requests(ASKS));
    let evil = Publisher::new("acme");
    // The same names, another key: the clone.
    place.refuses(&evil.mail("1.1.0", &requests(ASKS)), &["key"]);
    // The very bytes, with a signature of somebody else's key.
    place.refuses(&(good.0.clone(), sign(&good.0, &evil.key).unwrap()), &["key"]);
    // Signed by one, altered by another.
    let mut altered = good.clone();
    let middle = altered.0.len() / 2;
    altered.0[middle] ^= 1;
    place.refuses(&altered, &["altered"]);
    let mut longer = good.clone();
    longer.0.extend(b"more");
    place.refuses(&longer, &["follow the end"]);
    let mut shorter = good.clone();
    shorter.0.truncate(middle);
    place.refuses(&shorter, &["missing"]);
    // The signature of another file.
    let other = acme.mail("1.2.0", &requests(ASKS));
    place.refuses(&(good.0.clone(), other.1), &["not"]);
    // A name that the publisher may not use.
    let renamed = acme.component("workspace2", "1.1.0", "", guests::ECHO, &["echo"]);
    place.refuses(&renamed, &["workspace2"]);
    // What is good in all of this gets in.
    let file = place.package("good.wasm", &good);
    place.good(&["component", "install", &file, "--approve"]);
    assert_eq!(place.component("mail").unwrap()["version"], "1.1.0");
    place.good(&["audit", "verify"]);
}

#[test]
fn names_that_look_like_those_of_the_program_are_refused() {
    let (acme, stranger) = (Publisher::new("acme"), Publisher::new("openpact"));
    let place = Place::with(&acme);
    let _service = place.serve();
    let names = ["workspaces", "w0rkspace", "work-space", "web-fetch", "rnemory", "telegrarn"];
    for name in names {
        let install = |publisher: &Publisher, words: &str| {
            let trojan = publisher.component(name, "1.0.0", "", guests::ECHO, &["echo"]);
            let file = place.package("trojan.wasm", &trojan);
            place.fails(&["component", "install", &file, "--approve"], 4, &[words]);
        };
        install(&stranger, "belongs to no pinned publisher");
        install(&acme, name);
    }
    assert_eq!(place.audited("component.install", "denied"), 2 * names.len(), "each is on record");
    assert!(names.iter().all(|name| place.component(name).is_none()));
    // The same code under a name that its publisher may use.
    let file = place.package("mail.wasm", &acme.component("mail", "1.0.0", "", guests::ECHO, &["echo"]));
    place.good(&["component", "install", &file, "--approve"]);
    assert!(place.good(&["component", "call", "mail", "echo", "{\"text\":\"it runs\"}"]).contains("it runs"));
    // With letters of another alphabet there is no such name.
    let manifest = "name = \"w\u{043e}rkspace\"\nversion = \"1.0.0\"\npublisher = \"acme\"\ndescription = \"\"\n\
                    license = \"MIT\"\nkind = \"tool\"\n";
    assert!(pack(guests::ECHO, manifest, vec![tool("echo")]).is_err());
}

#[test]
fn the_names_of_the_program_are_nobody_elses() {
    let place = Place::new();
    let evil = Publisher::new("evil");
    let key = evil.key.public().unwrap().to_string();
    place.good(&["publisher", "add", "evil", &key, "--prefix", "*"]);
    let before = place.component("workspace").unwrap();
    let file = place.package("w.wasm", &evil.component("workspace", "99.0.0", "", guests::ECHO, &["echo"]));
    place.fails(&["component", "install", &file, "--approve"], 4, &["comes with the program"]);
    assert_eq!(place.component("workspace").unwrap(), before);
    assert_eq!(place.audited("component.install", "denied"), 1);
    place.fails(&["publisher", "add", "embedded", &key, "--prefix", "*"], 4, &["the program itself"]);
    // A tool that has the name of another component's tool.
    let file =
        place.package("c.wasm", &evil.component("work", "1.0.0", "", guests::ECHO, &["work_space", "echo"]));
    place.good(&["component", "install", &file, "--approve"]);
    let file =
        place.package("d.wasm", &evil.component("work-space", "1.0.0", "", guests::ECHO, &["work_space"]));
    place.run(&["component", "install", &file, "--approve"]);
    let tools = place.json(&["component", "list"]);
    assert!(tools.to_string().contains("work_space"));
}

#[test]
fn components_of_other_ecosystems_are_told_what_they_are() {
    let (place, acme) = (Place::new(), Publisher::new("acme"));
    place.pin(&acme);
    let alien = wat::parse_str(
        "(component (core module (func)) (instance $e) (export \"wasi:cli/run@0.2.0\" (instance $e)))",
    );
    let alien = alien.unwrap();
    // It cannot even be packed as one of ours; signed as it is, it is refused.
    assert!(pack(&alien, "name = \"mail\"", vec![tool("x")]).is_err());
    let signature = sign(&alien, &acme.key).unwrap();
    let file = place.package("alien.wasm", &(alien, signature));
    place.fails(&["component", "install", &file], 4, &["wasi:cli"]);
    fs::write(place.path("text.wasm"), "no component").unwrap();
    fs::write(place.path("text.wasm.minisig"), "no signature").unwrap();
    let text = place.path("text.wasm");
    place.fails(&["component", "install", text.to_str().unwrap()], 4, &["signature"]);
    fs::remove_file(place.path("text.wasm.minisig")).unwrap();
    place.fails(&["component", "install", text.to_str().unwrap()], 4, &["is not signed"]);
    assert_eq!(place.audited("component.install", "denied"), 3);
}

#[test]
fn a_package_that_is_swapped_on_disk_does_not_run() {
    let acme = Publisher::new("acme");
    let place = Place::with_mail(&acme);
    let kept = place.data().join("secure/components/mail/1.0.0");
    // Another package of the same publisher, properly signed: not the one that was approved.
    let (bytes, signature) = acme.mail("1.0.0", &requests("* https://evil.example/**"));
    fs::write(kept.join("component.wasm"), bytes).unwrap();
    fs::write(kept.join("component.wasm.minisig"), signature).unwrap();
    let mail = place.component("mail").unwrap();
    assert_eq!(mail["state"], "failed");
    assert!(mail["why"].as_str().unwrap().contains("not the one that was taken in"), "{mail}");
    place.fails(&["component", "call", "mail", "get", "{}"], 1, &["does not run"]);
    fs::write(kept.join("component.wasm"), "torn").unwrap();
    assert_eq!(place.component("mail").unwrap()["state"], "failed");
    assert!(place.audited("component.load", "denied") > 0);
}

//! The one folder whose packages need no signature, for machines on which components are made; and how a component is
//! told to have fared.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use openpact_test_guests as guests;

use crate::stage::{Place, Publisher, Site, requests};

/// A place whose configuration names a folder.
fn workshop() -> (Place, PathBuf) {
    let place = Place::new();
    let folder = place.path("unsigned");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    place.configure(&format!("development:\n  unsigned: {}\n", folder.display()));
    (place, folder)
}

#[test]
fn a_package_in_the_folder_runs_as_it_was_built_last_and_everybody_is_told() {
    let ((place, folder), site, author) = (workshop(), Site::new(), Publisher::new("me"));
    let asks = requests("GET https://mail.example/send");
    fs::write(folder.join("mail.wasm"), author.mail("1.0.0", &asks).0).unwrap();
    fs::write(
        folder.join("workspace.wasm"),
        author.component("workspace", "9.0.0", &asks, guests::FETCH, &["get"]).0,
    )
    .unwrap();
    fs::write(folder.join("noise.wasm"), "not a component").unwrap();
    let mail = place.component("mail").unwrap();
    assert_eq!((&mail["unsigned"], &mail["version"]), (&true.into(), &"1.0.0".into()));
    assert_ne!(place.component("workspace").unwrap()["version"], "9.0.0");
    for told in
        ["UNSIGNED", "unsigned code runs here", "noise.wasm is left out", "'workspace' is not run from there"]
    {
        let status = place.good(&["status"]);
        assert!(status.contains(told), "{told}: {status}");
    }

    // It has nothing that was not granted, as if it were signed.
    let call = ["component", "call", "mail", "get", &site.get("/a")];
    place.run(&call);
    assert_eq!(site.asked().len(), 0);
    place.good(&["component", "grant", "mail", &site.rule("/a")]);
    place.good(&call);
    assert_eq!(site.asked().len(), 1);

    let service = place.serve();
    fs::write(folder.join("mail.wasm"), author.mail("1.0.1", &asks).0).unwrap();
    place.good(&["component", "update", "mail"]);
    assert_eq!(place.component("mail").unwrap()["version"], "1.0.1");
    place.good(&call);
    // What is taken away is away: here at the next judgement, which any change of trust brings.
    fs::remove_file(folder.join("mail.wasm")).unwrap();
    place.pin(&Publisher::new("acme"));
    assert_eq!(place.component("mail"), None);
    drop(service);
    let log = fs::read_to_string(place.path("service.log")).unwrap();
    assert!(log.contains("nobody signed this component"), "{log}");
    let loaded = place.json(&["audit", "show", "--kind", "component.load", "--limit", "1000"]);
    assert!(loaded.to_string().contains("\"unsigned\":true"), "{loaded}");
}

#[test]
fn a_signed_component_is_never_replaced_by_an_unsigned_one_and_nobody_else_writes_there() {
    let ((place, folder), acme) = (workshop(), Publisher::new("acme"));
    place.pin(&acme);
    let asks = requests("GET https://mail.example/send");
    let file = place.package("mail.wasm", &acme.mail("1.0.0", &asks));
    place.good(&["component", "install", &file, "--approve"]);
    fs::write(folder.join("mail.wasm"), acme.mail("2.0.0", &asks).0).unwrap();
    let mail = place.component("mail").unwrap();
    assert_eq!((&mail["unsigned"], &mail["version"]), (&false.into(), &"1.0.0".into()));

    place.good(&["component", "remove", "mail"]);
    assert_eq!(place.component("mail").unwrap()["version"], "2.0.0");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(place.component("mail"), None);
    assert!(place.good(&["status"]).contains("everybody can write to it"));
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let digest = place.component("mail").unwrap()["digest"].as_str().unwrap().to_owned();
    place.good(&["revocation", "add", &digest]);
    assert_eq!(place.component("mail"), None, "what is revoked does not run, whoever did not sign it");

    place.configure("");
    assert!(!place.good(&["status"]).contains("unsigned"));
    place.configure("development:\n  unsigned: here\n");
    place.fails(&["status"], 3, &["development.unsigned", "absolute path"]);
}

/// Whoever may write files would otherwise choose what runs, with all that was granted to that name.
#[test]
fn nothing_runs_from_where_a_component_can_write() {
    let (place, author) = (Place::new(), Publisher::new("me"));
    let package = author.mail("1.0.0", &requests("GET https://mail.example/send")).0;
    let own = place.data().join("ai-data/workspace/plugins");
    let (shared, good) = (place.path("shared"), place.path("good"));
    for folder in [&own, &shared, &good] {
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let mount =
        "components:\n  workspace:\n    mounts:\n      workspace: { access: read-write, quota: 1MiB, path: ";
    let name = |folder: &PathBuf, mounted: &PathBuf| {
        place.configure(&format!(
            "development:\n  unsigned: {}\n{mount}{} }}\n",
            folder.display(),
            mounted.display()
        ));
    };
    for folder in [&own, &shared] {
        fs::write(folder.join("mail.wasm"), &package).unwrap();
        name(folder, &shared);
        assert_eq!(place.component("mail"), None, "{folder:?}");
        assert!(place.good(&["status"]).contains("components can write below"));
    }
    // Nor by a link that leads there, nor a file that everybody can write to.
    std::os::unix::fs::symlink(shared.join("mail.wasm"), good.join("mail.wasm")).unwrap();
    name(&good, &shared);
    assert_eq!(place.component("mail"), None);
    fs::remove_file(good.join("mail.wasm")).unwrap();
    fs::write(good.join("mail.wasm"), &package).unwrap();
    fs::set_permissions(good.join("mail.wasm"), Permissions::from_mode(0o646)).unwrap();
    assert_eq!(place.component("mail"), None);
    fs::set_permissions(good.join("mail.wasm"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.component("mail").unwrap()["version"], "1.0.0");
}

#[test]
fn the_limits_that_a_component_met_are_told() {
    let acme = Publisher::new("acme");
    let place = Place::with(&acme);
    let file = place.package("mail.wasm", &acme.component("mail", "1.0.0", "", guests::SPIN, &["forever"]));
    place.good(&["component", "install", &file, "--approve"]);
    place.good(&["component", "set", "mail", "limits.cpu", "200ms"]);
    let service = place.serve();
    for _ in 0..2 {
        place.run(&["component", "call", "mail", "forever"]);
    }
    let health = &place.component("mail").unwrap()["health"];
    assert_eq!((&health["calls"], &health["failed"]), (&2.into(), &2.into()), "{health}");
    assert_eq!((&health["limits"][0]["limit"], &health["limits"][0]["times"]), (&"cpu".into(), &2.into()));
    let status = place.good(&["component", "status", "mail"]);
    assert!(status.contains("limits met  cpu 200 ms (2 times, last "), "{status}");
    assert!(place.good(&["status"]).contains("mail: met a limit: cpu 200 ms"));
    drop(service);
}

//! A component with one folder wants the files beside it: by links that lie there, by a name that is now a folder and now
//! a link while it reads, by moving things out, by paths that lead up. And it wants a host that it was not granted: by a
//! redirect of the one that it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use openpact_test_guests::ESCAPE;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

use crate::install::stage::{Place, Publisher, Service, Site, answer, requests};

const SECRET: &str = "what nobody may read";
const INSIDE: &str = "what the guest may read";
const TOOLS: [&str; 8] = ["read", "write", "list", "rename", "hard_link", "symlink", "raw_open", "race"];

/// A place where the component has the folder `notes`, and the files around it.
struct Folder {
    place: Place,
    _service: Service,
    inside: PathBuf,
    secret: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let acme = Publisher::new("acme");
        let place = Place::with(&acme);
        let asks = "[[requests.files]]\nmount = \"notes\"\naccess = \"read-write\"\nreason = \"notes\"\n";
        let file = place.package("files.wasm", &acme.component("mail-files", "1.0.0", asks, ESCAPE, &TOOLS));
        place.good(&["component", "install", &file, "--approve"]);
        let inside = place.data().join("ai-data/notes");
        let secret = place.data().join("ai-data/SECRET.md");
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("file"), INSIDE).unwrap();
        fs::write(&secret, SECRET).unwrap();
        place.good(&["component", "set", "mail-files", "mounts.notes.path", "notes"]);
        let service = place.serve();
        Self { place, _service: service, inside, secret }
    }

    /// What a tool gives, or `None` where it gets nowhere.
    fn call(&self, tool: &str, arguments: &Value) -> Option<String> {
        let ended = self.place.run(&["component", "call", "mail-files", tool, &arguments.to_string()]);
        assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET), "{tool} {arguments}: {ended:?}");
        (ended.code == Some(0)).then_some(ended.out)
    }

    /// Nothing outside was changed, and each call is on record.
    fn end(self, calls: usize) {
        assert_eq!(fs::read_to_string(&self.secret).unwrap(), SECRET);
        let beside = fs::read_dir(self.inside.parent().unwrap()).unwrap();
        let beside: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!beside.iter().any(|name| name == "taken" || name == "planted"), "{beside:?}");
        assert_eq!(self.place.records("tool.call").len(), calls);
        self.place.good(&["audit", "verify"]);
    }
}

#[test]
fn links_and_paths_lead_nowhere() {
    let folder = Folder::new();
    let absolute = folder.secret.to_str().unwrap();
    symlink(absolute, folder.inside.join("link")).unwrap();
    symlink("..", folder.inside.join("up")).unwrap();
    fs::hard_link(absolute, folder.inside.join("hard")).unwrap();
    let read = |path: &str| ("read", json!({"path": path}));
    let attempts = [
        read("/notes/link"),
        read("/notes/hard"),
        read("/notes/up/SECRET.md"),
        read("/notes/../SECRET.md"),
        read(absolute),
        read("/proc/self/environ"),
        ("write", json!({"path": "/notes/link"})),
        ("write", json!({"path": "/notes/../planted"})),
        ("list", json!({"path": "/notes/.."})),
        ("rename", json!({"path": "/notes/file", "to": "/notes/../taken"})),
        ("rename", json!({"path": "/notes/up/SECRET.md", "to": "/notes/taken"})),
        ("hard_link", json!({"path": "/notes/../SECRET.md", "to": "/notes/made"})),
        ("symlink", json!({"path": "made", "to": "../SECRET.md"})),
        ("raw_open", json!({"path": "link"})),
        ("raw_open", json!({"path": "../SECRET.md"})),
    ];
    for (tool, arguments) in &attempts {
        assert_eq!(folder.call(tool, arguments), None, "{tool} {arguments}");
    }
    let told = folder.call("read", &json!({"path": "/notes/file"})).unwrap();
    assert!(told.contains(INSIDE), "{told}");
    folder.end(attempts.len() + 1);
}

#[test]
fn a_folder_that_becomes_a_link_while_it_is_read_is_not_followed() {
    let folder = Folder::new();
    let (current, other) = (folder.inside.join("current"), folder.inside.join("other"));
    fs::create_dir(&current).unwrap();
    fs::write(current.join("SECRET.md"), INSIDE).unwrap();
    symlink("..", &other).unwrap();
    let over = AtomicBool::new(false);
    let (seen, times) = std::thread::scope(|scope| {
        // One name, now a folder and now a link to the outside, and never absent.
        let swapper = scope.spawn(|| {
            let mut times = 0_u32;
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &current, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                times += 1;
            }
            times
        });
        let race = json!({"path": "/notes/current/SECRET.md", "to": "/notes/current/planted", "times": 2000});
        let seen = folder.call("race", &race);
        over.store(true, Ordering::Relaxed);
        (seen.unwrap(), swapper.join().unwrap())
    });
    assert!(times > 10, "nothing was raced");
    assert!(seen.contains(INSIDE), "the folder was read in between: {seen}");
    folder.end(1);
}

#[test]
fn a_folder_that_is_changed_for_a_link_under_a_running_program_opens_nothing() {
    let folder = Folder::new();
    let read = json!({"path": "/notes/SECRET.md"});
    fs::write(folder.inside.join("SECRET.md"), INSIDE).unwrap();
    assert!(folder.call("read", &read).unwrap().contains(INSIDE));
    fs::rename(&folder.inside, folder.inside.with_file_name("moved")).unwrap();
    for target in ["..", "../../secure", folder.secret.parent().unwrap().to_str().unwrap()] {
        symlink(target, &folder.inside).unwrap();
        assert_eq!(folder.call("read", &read), None, "{target}");
        assert_eq!(folder.call("list", &json!({"path": "/notes"})), None, "{target}");
        fs::remove_file(&folder.inside).unwrap();
    }
    folder.end(7);
}

#[test]
fn a_redirect_leads_to_no_host_that_was_not_granted() {
    let (acme, inner) = (Publisher::new("acme"), Site::new());
    let place = Place::with(&acme);
    let target = format!("location: http://{}/admin\r\n", inner.address);
    let outer = Site::answering(move |_| answer("302 Found", &target, ""));
    let asks = requests(&format!("GET http://{}/**", outer.address));
    let file = place.package("mail.wasm", &acme.mail("1.0.0", &asks));
    place.good(&["component", "install", &file, "--grant", &outer.rule("/**")]);
    let call = outer.get("/start");
    assert_ne!(place.run(&["component", "call", "mail", "get", &call]).code, Some(0));
    assert_eq!((outer.asked().len(), inner.asked()), (1, Vec::new()));
    assert!(place.audited("egress.request", "denied") > 0);
    // With a rule for where it leads it is followed.
    place.good(&["component", "grant", "mail", &inner.rule("/admin")]);
    assert!(place.good(&["component", "call", "mail", "get", &call]).contains("200"));
    assert_eq!(inner.asked(), ["GET /admin HTTP/1.1"]);
    place.good(&["audit", "verify"]);
}

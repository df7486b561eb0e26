//! Guests that try to leave their folder. No byte outside is read or written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openpact_host::{Access, Component, Deployment, FileRule, Mount, Scope};
use openpact_model::port::ToolProvider as _;
use openpact_model::role::Role;
use openpact_model::tool::ToolFailure;
use openpact_test_guests::ESCAPE;
use rustix::fs::CWD;
use serde_json::{Value, json};

use crate::fixture::{call_as, generous, load, text, with_limits, workspace};

const SECRET: &str = "what nobody may read";
const INSIDE: &str = "what the guest may read";

/// A folder `inside` that is mounted, a folder `outside` that is not, and every kind of way between them that somebody
/// may have planted.
struct Place {
    folder: tempfile::TempDir,
    component: Arc<Component>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
        fs::create_dir_all(inside.join("folder/below")).unwrap();
        fs::create_dir_all(outside.join("empty")).unwrap();
        fs::write(inside.join("file"), INSIDE).unwrap();
        fs::write(inside.join("folder/file"), INSIDE).unwrap();
        fs::write(outside.join("secret"), SECRET).unwrap();
        fs::hard_link(outside.join("secret"), inside.join("hard")).unwrap();
        symlink(outside.join("secret"), inside.join("link")).unwrap();
        symlink("../outside/secret", inside.join("relative")).unwrap();
        symlink(&outside, inside.join("way")).unwrap();
        symlink("..", inside.join("up")).unwrap();
        symlink("/", inside.join("root")).unwrap();
        symlink("loop", inside.join("loop")).unwrap();
        symlink(outside.join("new"), inside.join("dangling")).unwrap();
        symlink("file", inside.join("harmless")).unwrap();
        symlink("../..", inside.join("folder/up")).unwrap();
        symlink("/proc/self/cwd", inside.join("magic")).unwrap();
        rustix::fs::mkfifoat(CWD, inside.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        let deployment = Deployment { mounts: vec![workspace(&inside, 1 << 20)], ..with_limits(generous()) };
        Self { folder, component: load("escape", ESCAPE, deployment) }
    }

    fn inside(&self) -> PathBuf {
        self.folder.path().join("inside")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Everything about what lies outside: names, kinds, contents, times, links.
    fn fingerprint(&self) -> BTreeMap<PathBuf, String> {
        fingerprint(&self.outside())
    }

    fn names_outside(&self) -> Vec<String> {
        let outside = self.outside();
        let names = self.fingerprint().into_keys();
        names.map(|path| path.strip_prefix(&outside).unwrap().to_str().unwrap().to_owned()).collect()
    }

    async fn try_it(&self, tool: &str, arguments: Value) -> Result<String, ToolFailure> {
        text(&self.component, &format!("escape_{tool}"), arguments).await
    }
}

fn fingerprint(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        let content = if about.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
        let times = (about.mtime(), about.mtime_nsec());
        let facts =
            format!("{:?} {content} {times:?} {} {:o}", about.file_type(), about.nlink(), about.mode());
        if about.is_dir() {
            found.extend(fingerprint(&path));
        }
        found.insert(path, facts);
    }
    found
}

/// Paths that lead outside, as a program writes them.
fn ways_out(place: &Place) -> Vec<String> {
    let absolute = place.outside().join("secret").to_str().unwrap().to_owned();
    let relative = [
        "../outside/secret",
        "./../outside/secret",
        "folder/../../outside/secret",
        "folder/below/../../../outside/secret",
        "way/secret",
        "./way/secret",
        "way//secret",
        "way/./secret",
        "way/../outside/secret",
        "up/outside/secret",
        "folder/up/outside/secret",
        "link",
        "relative",
        "hard",
        "link/",
        "link/.",
        "way/secret/",
        "loop",
        "loop/secret",
        "root/etc/passwd",
        "root",
        "up",
        "way",
        "magic/secret",
        "dangling",
        "pipe",
        "..",
        "../outside",
        "../",
        "way/",
        "way/..",
        "file/../../outside/secret",
        "harmless",
        "...",
        "..\u{2215}outside",
        "%2e%2e/outside/secret",
        "folder\\..\\..\\outside",
    ];
    let mut ways: Vec<String> = relative.iter().map(|path| format!("/workspace/{path}")).collect();
    ways.push(absolute);
    ways.extend(
        ["/etc/passwd", "/", "/workspace/../../etc/passwd", "../etc/passwd", "/workspace2/x"]
            .map(str::to_owned),
    );
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_outside() {
    let place = Place::new();
    let before = place.fingerprint();
    for path in ways_out(&place) {
        for tool in ["read", "append", "truncate", "touch", "list", "write", "make_folder"] {
            let came_of_it = place.try_it(tool, json!({"path": path})).await;
            // Names that only look like a way out are ordinary new names inside.
            let ordinary = ["...", "..\u{2215}outside", "%2e%2e/outside/secret", "folder\\..\\..\\outside"];
            let inside = path.strip_prefix("/workspace/").is_some_and(|path| ordinary.contains(&path));
            // The standard library tidies these up to the mount itself.
            let mount = ["/workspace/up", "/workspace/way/.."].contains(&path.as_str()) && tool == "list";
            if !inside && !mount {
                assert!(came_of_it.is_err(), "{tool} {path}: {came_of_it:?}");
            }
            if let Ok(read) = &came_of_it {
                assert!(!read.contains(SECRET) && !read.contains("outside"), "{tool} {path}: {read}");
            }
            assert_eq!(place.fingerprint(), before, "{tool} {path} changed something outside");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_can_be_removed_or_moved() {
    let ways = ways_out(&Place::new()).len();
    for (number, attempt) in (0..ways).flat_map(|number| (0..5).map(move |attempt| (number, attempt))) {
        // A new place each time: names inside may well go, and what they showed must stay.
        let place = Place::new();
        let path = ways_out(&place).swap_remove(number);
        let (tool, arguments) = match attempt {
            0 => ("remove", json!({"path": path})),
            1 => ("remove_folder", json!({"path": path})),
            2 => ("rename", json!({"path": path, "to": "/workspace/taken"})),
            3 => ("rename", json!({"path": "/workspace/file", "to": path})),
            _ => ("rename", json!({"path": "/workspace/folder", "to": path})),
        };
        let names = place.names_outside();
        let came_of_it = place.try_it(tool, arguments).await;
        assert_eq!(place.names_outside(), names, "{tool} {path}: {came_of_it:?}");
        let secret = fs::read_to_string(place.outside().join("secret")).unwrap();
        assert_eq!(secret, SECRET, "{tool} {path}: {came_of_it:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_interface_is_no_wider() {
    let place = Place::new();
    let before = place.fingerprint();
    let absolute = place.outside().join("secret").to_str().unwrap().to_owned();
    let mut paths: Vec<String> = [
        "../outside/secret",
        "..",
        "../",
        "folder/../../outside/secret",
        "way/secret",
        "link",
        "relative",
        "hard",
        "up",
        "root/etc/passwd",
        "link/",
        "way/",
        "file/",
        "file/.",
        "pipe",
        "loop",
        "dangling",
        "magic",
        "a\0b",
        "",
        "/",
        "/etc/passwd",
        "\0",
        "file\0",
        "../outside/secret\0",
        "harmless",
    ]
    .map(str::to_owned)
    .into();
    paths.push(absolute);
    paths.push("x".repeat(256));
    paths.push("x/".repeat(3000));
    for path in paths {
        for options in [json!({}), json!({"write": true}), json!({"write": true, "create": true})] {
            let mut arguments = options.clone();
            arguments["path"] = path.clone().into();
            let came_of_it = place.try_it("raw_open", arguments).await;
            assert!(came_of_it.is_err(), "{path:?} {options}: {came_of_it:?}");
        }
        let stat = place.try_it("raw_stat_follow", json!({"path": path})).await;
        assert!(stat.is_err() || path == "hard" || path == "pipe", "{path:?}: {stat:?}");
        assert!(place.try_it("read_link", json!({"path": path})).await.is_err(), "{path:?}");
        assert_eq!(place.fingerprint(), before, "{path:?}");
    }
    assert!(
        place.try_it("raw_open", json!({"path": "file"})).await.unwrap().contains(INSIDE),
        "the guest can read"
    );
    assert_eq!(
        place.try_it("raw_stat_follow", json!({"path": "file"})).await.unwrap(),
        "DescriptorType::RegularFile 23"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_can_be_made() {
    let place = Place::new();
    for (tool, path, to) in [
        ("symlink", "made", "../outside/secret"),
        ("symlink", "made", "file"),
        ("hard_link", "/workspace/file", "/workspace/made"),
        ("hard_link", "/workspace/link", "/workspace/made"),
        ("hard_link", "/workspace/../outside/secret", "/workspace/made"),
    ] {
        assert!(place.try_it(tool, json!({"path": path, "to": to})).await.is_err(), "{tool} {path} {to}");
        assert!(fs::symlink_metadata(place.inside().join("made")).is_err(), "{tool} {path} {to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_work_goes_on_beside_the_traps() {
    let place = Place::new();
    let path = |path: &str| json!({"path": path});
    assert_eq!(place.try_it("read", path("/workspace/folder/file")).await.as_deref(), Ok(INSIDE));
    assert_eq!(place.try_it("write", path("/workspace/folder/new")).await.as_deref(), Ok("done"));
    assert_eq!(place.try_it("list", path("/workspace/folder")).await.as_deref(), Ok("below file new up"));
    assert_eq!(place.try_it("stat", path("/workspace/link")).await.unwrap().split(' ').next(), Some("link"));
    let to = json!({"path": "/workspace/folder/new", "to": "/workspace/moved"});
    assert_eq!(place.try_it("rename", to).await.as_deref(), Ok("done"));
    assert_eq!(fs::read_to_string(place.inside().join("moved")).unwrap(), "written by a guest");
    assert_eq!(place.try_it("remove", path("/workspace/moved")).await.as_deref(), Ok("done"));
    assert_eq!(place.try_it("remove_folder", path("/workspace/folder/below")).await.as_deref(), Ok("done"));
    // A link can be taken away; what it shows stays.
    assert_eq!(place.try_it("remove", path("/workspace/link")).await.as_deref(), Ok("done"));
    assert_eq!(fs::read_to_string(place.outside().join("secret")).unwrap(), SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_slash_behind_it_is_no_folder() {
    let place = Place::new();
    for tool in ["read", "list", "append", "truncate", "write", "remove", "remove_folder"] {
        for path in ["/workspace/file/", "/workspace/file/."] {
            let came_of_it = place.try_it(tool, json!({"path": path})).await;
            assert!(came_of_it.is_err(), "{tool} {path}: {came_of_it:?}");
        }
    }
    assert_eq!(fs::read_to_string(place.inside().join("file")).unwrap(), INSIDE);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_becomes_a_link_while_it_is_walked_is_not_followed() {
    let place = Place::new();
    let (inside, outside) = (place.inside(), place.outside());
    fs::create_dir(inside.join("current")).unwrap();
    fs::write(inside.join("current/secret"), INSIDE).unwrap();
    symlink(&outside, inside.join("other")).unwrap();
    let before = place.fingerprint();
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let swapper = std::thread::spawn(move || {
        let mut times = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            // One name, now a folder and now a link to the outside, and never absent.
            let (one, other) = (inside.join("current"), inside.join("other"));
            rustix::fs::renameat_with(CWD, one, CWD, other, rustix::fs::RenameFlags::EXCHANGE).unwrap();
            times += 1;
        }
        times
    });
    let arguments =
        json!({"path": "/workspace/current/secret", "to": "/workspace/current/planted", "times": 3000});
    let seen = place.try_it("race", arguments).await.unwrap();
    over.store(true, Ordering::Relaxed);
    assert!(swapper.join().unwrap() > 10, "nothing was raced");
    assert!(!seen.contains(SECRET), "{seen}");
    assert_eq!(place.fingerprint(), before);
}

/// A component that sees three files at the top of a folder, each from a role upwards.
fn context(folder: &Path) -> Arc<Component> {
    fs::create_dir(folder.join("workspace")).unwrap();
    fs::write(folder.join("SOUL.md"), "soul").unwrap();
    fs::write(folder.join("MEMORY.md"), "memory").unwrap();
    fs::write(folder.join("other"), SECRET).unwrap();
    let rule = |name: &str, read, write| FileRule { name: name.into(), read, write };
    let rules = vec![
        rule("SOUL.md", Role::Member, Role::Owner),
        rule("USER.md", Role::Owner, Role::Owner),
        rule("MEMORY.md", Role::Member, Role::Member),
    ];
    let mount = Mount {
        name: "context".into(),
        path: folder.into(),
        access: Access::ReadWrite,
        quota: 100_000,
        scope: Scope::Files(rules),
    };
    load("escape", ESCAPE, Deployment { mounts: vec![mount], ..with_limits(generous()) })
}

async fn as_role(component: &Component, role: Role, tool: &str, arguments: Value) -> Result<String, String> {
    let output = component.call(call_as(role, &format!("escape_{tool}"), arguments)).await;
    output.map(|output| output.as_text()).map_err(|failure| failure.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn single_files_are_seen_by_role_and_everything_else_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let component = context(folder.path());
    let path = |name: &str| json!({"path": format!("/context/{name}")});
    let list = |role| as_role(&component, role, "list", json!({"path": "/context"}));
    assert_eq!(list(Role::Guest).await.as_deref(), Ok(""));
    assert_eq!(list(Role::Member).await.as_deref(), Ok("MEMORY.md SOUL.md"));
    assert_eq!(as_role(&component, Role::Owner, "write", path("USER.md")).await.as_deref(), Ok("done"));
    assert_eq!(list(Role::Owner).await.as_deref(), Ok("MEMORY.md SOUL.md USER.md"));
    let refused = |role, tool, name, why: &'static str| {
        let done = as_role(&component, role, tool, path(name));
        async move { assert_eq!(done.await, Err(why.to_owned()), "{role} {tool} {name}") }
    };
    refused(Role::Guest, "read", "MEMORY.md", "NotFound").await;
    refused(Role::Member, "read", "USER.md", "NotFound").await;
    refused(Role::Member, "stat", "USER.md", "NotFound").await;
    refused(Role::Member, "write", "SOUL.md", "PermissionDenied").await;
    refused(Role::Member, "remove", "SOUL.md", "PermissionDenied").await;
    refused(Role::Member, "append", "SOUL.md.tmp", "PermissionDenied").await;
    for tool in ["read", "write", "append", "truncate", "stat", "remove", "make_folder", "list"] {
        for name in
            ["other", "workspace", "SOUL.md2", "soul.md", "SOUL.md.tmp.tmp", "SOUL.md/x", "workspace/x"]
        {
            refused(Role::Owner, tool, name, "NotFound").await;
        }
    }
    assert_eq!(as_role(&component, Role::Member, "read", path("SOUL.md")).await.as_deref(), Ok("soul"));
    assert_eq!(fs::read_to_string(folder.path().join("other")).unwrap(), SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_can_be_written_by_renaming() {
    let folder = tempfile::tempdir().unwrap();
    let component = context(folder.path());
    let rename = |role, from: &str, to: &str| {
        let arguments = json!({"path": format!("/context/{from}"), "to": format!("/context/{to}")});
        let component = Arc::clone(&component);
        async move { as_role(&component, role, "rename", arguments).await }
    };
    let draft = json!({"path": "/context/MEMORY.md.tmp"});
    assert_eq!(as_role(&component, Role::Member, "write", draft).await.as_deref(), Ok("done"));
    assert_eq!(rename(Role::Member, "MEMORY.md.tmp", "SOUL.md").await, Err("PermissionDenied".into()));
    assert_eq!(rename(Role::Member, "MEMORY.md.tmp", "other").await, Err("NotFound".into()));
    assert_eq!(rename(Role::Member, "other", "MEMORY.md").await, Err("NotFound".into()));
    assert_eq!(rename(Role::Member, "MEMORY.md.tmp", "MEMORY.md").await.as_deref(), Ok("done"));
    assert_eq!(fs::read_to_string(folder.path().join("MEMORY.md")).unwrap(), "written by a guest");
    assert_eq!(fs::read_to_string(folder.path().join("SOUL.md")).unwrap(), "soul");
}

//! A data directory that an earlier version wrote opens, is migrated after a copy was made, and goes on working.
//!
//! The directories in `tests/upgrade` were written by the programs of those versions; the databases are kept as SQL.
//! The master key in them has never protected anything but the made-up secret beside it.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

struct Place(tempfile::TempDir);

impl Place {
    /// The data directory that the version of that number wrote.
    fn of_version(number: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/upgrade").join(number);
        let secure = place.data().join("secure");
        fs::create_dir_all(secure.join("keys")).unwrap();
        for folder in [&place.data(), &secure, &secure.join("keys")] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::copy(kept.join("master.key"), secure.join("keys/master.key")).unwrap();
        fs::set_permissions(secure.join("keys/master.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let database = rusqlite::Connection::open(secure.join("openpact.db")).unwrap();
        database.execute_batch(&fs::read_to_string(kept.join("openpact.sql")).unwrap()).unwrap();
        fs::set_permissions(secure.join("openpact.db"), fs::Permissions::from_mode(0o600)).unwrap();
        copy(&kept.join("ai-data"), &place.data().join("ai-data"));
        place
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{arguments:?}: {out}\n{err}");
        out.into_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--json"]].concat(), "")).unwrap()
    }

    fn version(&self, file: &str) -> i64 {
        let database = rusqlite::Connection::open(self.data().join("secure").join(file)).unwrap();
        database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn the_first_version_is_taken_over_whole() {
    let place = Place::of_version("0001");
    assert_eq!(place.version("openpact.db"), 1);

    let chain = place.json(&["audit", "verify"]);
    assert!(chain["entries"].as_u64().unwrap() >= 10, "{chain}");
    assert_eq!(chain["broken"], Value::Null);
    assert_eq!(chain["sealed"], true, "the seal fits the key: {chain}");
    assert!(place.version("openpact.db") > 1, "the database was migrated");
    assert_eq!(place.version("openpact.version-1.db"), 1, "a copy was made before");

    let secrets = place.json(&["secret", "list"])["secrets"].take();
    assert_eq!(
        (&secrets[0]["name"], &secrets[0]["readable"]),
        (&"FIRST_TOKEN".into(), &true.into()),
        "{secrets}"
    );
    let grants = place.json(&["grant", "list"]).to_string();
    assert!(grants.contains("GET https://example.com/first/**"), "{grants}");

    let said = place.run(&["chat"], "/sessions\n!workspace_read {\"path\":\"notes/first.md\"}\n");
    assert!(said.contains("The first conversation"), "{said}");
    assert!(said.contains("written by the first version"), "{said}");
    assert_eq!(place.json(&["audit", "verify"])["broken"], Value::Null, "the chain goes on");
}

//! The program on a data directory of its own, as tests of chat start it and look at it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Program {
    /// One that does not run yet.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), child: None }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn configure(&self, text: &str) {
        let secure = self.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), text).unwrap();
    }

    pub(crate) fn keep_secret(&self, name: &str, value: &str) {
        let file = self.folder.path().join("secret");
        fs::write(&file, value).unwrap();
        self.good(&["secret", "set", name, "--file", file.to_str().unwrap()]);
        fs::remove_file(file).unwrap();
    }

    /// Starts it; it is not waited for.
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = self.command(&["start", "--log-level", "debug"]);
        self.child = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Everything that it wrote.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(fs::read(self.log_file()).unwrap()).unwrap()
    }

    /// The end of that, for a test that failed.
    pub(crate) fn last_log(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("hyper_util")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The program with nothing of our environment but what it needs.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).env("TZ", "UTC");
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command beside it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that succeeds; gives what it printed.
    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The audit records of that kind about that actor, oldest first.
    pub(crate) fn audit(&self, kind: &str, actor: &str) -> Vec<Value> {
        let shown =
            self.good(&["audit", "show", "--json", "--limit", "1000", "--kind", kind, "--actor", actor]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let entries = shown["entries"].as_array().expect("audit show --json gives entries");
        entries.iter().map(|entry| entry["event"].clone()).collect()
    }

    /// Ends it as systemd does.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "it ended with {status}:\n{}", self.last_log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

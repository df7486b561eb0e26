//! The program at a terminal: a person's keys go in, what they see comes out.
#![expect(
    clippy::disallowed_methods,
    reason = "starting the program, and giving up on it, is what these tests do"
)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use openpact_scripted_model::{Script, Server};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long something may stay away before the test gives up; far more than it ever takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// The program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
    folder: tempfile::TempDir,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    fn start_in(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let mut options = OpenOptions::new();
        let slave = options
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name)
            .unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // A session of its own whose terminal this is, so that Ctrl-C becomes a signal.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_openpact")]).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").current_dir(folder.path());
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        drop(slave);
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails when the last program on the terminal is gone.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, shown, seen: String::new(), folder }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(process, signal).unwrap();
    }

    /// Waits until `text` is shown; gives what was shown up to its end, and forgets that.
    #[track_caller]
    fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.shown.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("'{text}' never came ({why}); there was:\n{}", self.seen),
            }
        }
    }

    /// Waits for the end; gives the exit code and what was shown since the last look.
    fn end(mut self) -> (Option<i32>, String) {
        loop {
            match self.shown.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it never ended; there was:\n{}", self.seen),
            }
        }
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A data directory whose configuration names this model.
fn configured(model: &Server, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let secure = folder.path().join("data/secure");
    fs::create_dir_all(&secure).unwrap();
    let url = model.base_url();
    let config =
        format!("engine:\n  base_url: {url}\n  model: scripted\n  private: [\"127.0.0.1/32\"]\n{more}");
    fs::write(secure.join("config.yaml"), config).unwrap();
    folder
}

#[test]
fn the_greeting_says_what_works_and_how_to_get_further() {
    let mut terminal = Terminal::start(&["chat"]);
    let greeting = terminal.expect("> ");
    for expected in
        ["OpenPact", "direct", "no model is configured", "!tools", "openpact secret set", "/help", "Ctrl-D"]
    {
        assert!(greeting.contains(expected), "'{expected}' is missing in {greeting}");
    }
    terminal.press("!workspace_write {\"path\":\"a.md\",\"content\":\"hi\"}\r");
    terminal.expect("Wrote 2 bytes");
    assert_eq!(fs::read_to_string(terminal.folder.path().join("data/ai-data/workspace/a.md")).unwrap(), "hi");
    terminal.expect("> ");
    terminal.press("\u{3}");
    terminal.expect("Ctrl-D leaves");
    terminal.expect("> ");
    terminal.press("\u{4}");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn an_answer_streams_with_its_tools_and_ctrl_c_stops_it() {
    let script = r#"
        [[exchange]]
        say = [
            { text = "I look." },
            { call = { id = "c1", name = "workspace_list", arguments = '{}' } },
        ]
        [[exchange]]
        say = [{ text = "There is" }, "hang"]
        [[exchange]]
        say = [{ text = "Back again." }]
    "#;
    let model = Server::start(Script::from_toml(script).unwrap()).unwrap();
    let mut terminal = Terminal::start_in(configured(&model, ""), &["chat"]);
    assert!(terminal.expect("> ").contains("scripted at http://127.0.0.1"));
    terminal.press("what is there?\r");
    terminal.expect("I look.");
    terminal.expect("✓ workspace_list {}");
    terminal.expect("There is");
    terminal.press("\u{3}");
    terminal.expect("Stopping.");
    terminal.expect("> ");
    terminal.press("and now?\r");
    terminal.expect("Back again.");
    terminal.expect("> ");
    terminal.press("/exit\r");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn the_first_signal_waits_for_the_answer_and_the_second_does_not() {
    let script = Script::from_toml("[[exchange]]\nsay = [{ text = \"Wait\" }, \"hang\"]").unwrap();
    let model = Server::start(script).unwrap();
    let folder = configured(&model, "limits:\n  shutdown: 1h\n");
    let mut terminal = Terminal::start_in(folder, &["chat"]);
    terminal.expect("> ");
    terminal.press("hello\r");
    terminal.expect("Wait");
    terminal.signal(Signal::TERM);
    terminal.expect("a second signal ends at once");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.end().0, Some(130));
}

#[test]
fn a_signal_at_the_prompt_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::start(&["chat"]);
    let before = tcgetattr(&terminal.keys).unwrap();
    terminal.expect("> ");
    terminal.press("half a li");
    terminal.expect("li");
    assert!(
        !tcgetattr(&terminal.keys).unwrap().local_modes.contains(LocalModes::ICANON),
        "a line is being edited"
    );
    terminal.signal(Signal::TERM);
    let keys = terminal.keys.try_clone().unwrap();
    assert_eq!(terminal.child.wait().unwrap().code(), Some(130));
    let after = tcgetattr(&keys).unwrap();
    assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
}

#[test]
fn a_secret_is_asked_for_without_being_shown() {
    let mut terminal = Terminal::start(&["secret", "set", "MODEL_KEY"]);
    terminal.expect("value of MODEL_KEY: ");
    terminal.press("sk-typed-0123456789abcdef\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("is stored") && !shown.contains("sk-typed"), "{shown}");
}

#[test]
fn a_passphrase_is_asked_for_twice_and_has_to_be_the_same() {
    let mut terminal = Terminal::start(&["key", "generate"]);
    terminal.expect("passphrase for the new key: ");
    terminal.press("one\r");
    terminal.expect("the same again: ");
    terminal.press("two\r");
    let folder = terminal.folder.path().join("openpact.key");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("differ") && !folder.exists(), "{shown}");
}

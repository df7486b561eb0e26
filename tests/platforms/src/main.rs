//! What the program takes over all platforms at once, through its own binary and the real adapters, against the fakes:
//! memory of each adapter, processor at rest, and how fast messages in many chats are answered beside few.
//!
//!   measure-platforms BINARY [MESSAGES]
//!
//! Prints figures and asserts nothing but that every message was answered once. `tests/measure-platforms.sh` runs it.
#![expect(clippy::print_stdout, reason = "printing is what it does")]
#![expect(clippy::disallowed_methods, reason = "starting the program is what it does")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openpact_test_platforms::Platform;

/// Messages in a round; the second argument makes them fewer.
const MESSAGES: u32 = 10_000;

/// Chats of the round that the one with a chat for each message is compared with, over all platforms.
const FEW: u32 = 30;

/// How long the program is watched at rest.
const REST: Duration = Duration::from_secs(30);

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(30);

struct Scene {
    platforms: Vec<Box<dyn Platform>>,
    folder: tempfile::TempDir,
    binary: PathBuf,
}

struct Running(Child);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().expect("the first argument is the program"));
    let messages = arguments.next().map_or(MESSAGES, |text| text.parse().expect("a number"));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{}; {cores} processors; {messages} messages a round", binary.display());
    let scene = Scene::new(binary);
    scene.memory_of_adapters();
    let running = scene.start(scene.platforms.len());
    scene.at_rest(&running);
    scene.many_against_few(&running, messages);
}

impl Scene {
    fn new(binary: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let scene = Self { platforms: openpact_test_platforms::all(), folder, binary };
        fs::create_dir_all(scene.data().join("secure")).expect("a folder can be made");
        scene.configure(0);
        for (name, value) in scene.platforms.iter().flat_map(|platform| platform.secrets()) {
            let file = scene.folder.path().join("secret");
            fs::write(&file, value).expect("it can be written");
            let mut set = scene.command();
            let set = set.args(["secret", "set", name, "--file"]).arg(&file).output();
            assert!(set.expect("it can be started").status.success(), "the secret {name} is stored");
        }
        scene
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().env("OPENPACT_DATA", self.data()).stdin(Stdio::null());
        command
    }

    /// Everybody is a guest; so many of the platforms are connected.
    fn configure(&self, connected: usize) {
        let mut text = "mcp: { enabled: false }\nhealth: { enabled: false }\nchat:\n".to_owned();
        let wide = "{ burst: 1000000, per_minute: 1000000 }";
        let line = format!("  rate: {{ person: {wide}, guest: {wide}, channel: {wide} }}\n  providers:\n");
        text.push_str(&line);
        for (index, platform) in self.platforms.iter().enumerate() {
            let (name, is_on) = (platform.name(), index < connected);
            let pace = "pace: { per_second: 100000, per_channel: 1ms }";
            writeln!(text, "    {name}: {{ enabled: {is_on}, default: guest, {pace} }}")
                .expect("writing to a String cannot fail");
        }
        text.push_str("components:\n");
        text.extend(self.platforms.iter().map(|platform| platform.component()));
        fs::write(self.data().join("secure/config.yaml"), text).expect("it can be written");
    }

    fn start(&self, connected: usize) -> Running {
        self.configure(connected);
        let log = File::create(self.folder.path().join("log")).expect("it can be made");
        let before: Vec<u64> = self.platforms.iter().map(|platform| platform.connections()).collect();
        let mut start = self.command();
        let start = start.arg("start").stdout(log.try_clone().expect("it is open")).stderr(log).spawn();
        let running = Running(start.expect("it can be started"));
        for (platform, before) in self.platforms.iter().zip(before).take(connected) {
            let is_there = || (platform.connections() > before && platform.is_connected()).then_some(());
            openpact_test_platforms::wait(PATIENCE, is_there).expect("it connects");
        }
        running
    }

    /// The program with no adapter connected, then with one, two, three; each start has the native code on disk.
    fn memory_of_adapters(&self) {
        drop(self.start(self.platforms.len()));
        println!("\nmemory at rest, with the adapters connected one after the other:");
        let mut before: Option<u64> = None;
        for connected in 0..=self.platforms.len() {
            let running = self.start(connected);
            std::thread::sleep(Duration::from_secs(5));
            let (anonymous, all) = (running.memory("RssAnon"), running.memory("VmRSS"));
            let what = connected.checked_sub(1).map_or("none", |last| self.platforms[last].name());
            let more = before.map_or(String::new(), |before| {
                format!(", {} more of its own", mebibytes(anonymous.saturating_sub(before)))
            });
            println!("  + {what:<9} {} of its own, {} resident{more}", mebibytes(anonymous), mebibytes(all));
            before = Some(anonymous);
        }
    }

    fn at_rest(&self, running: &Running) {
        std::thread::sleep(Duration::from_secs(5));
        let before = running.processor();
        std::thread::sleep(REST);
        let used = running.processor().saturating_sub(before);
        let share = used.as_secs_f64() / REST.as_secs_f64() * 100.0;
        println!(
            "\nat rest with {} adapters connected: {share:.2} % of one processor over {} s",
            self.platforms.len(),
            REST.as_secs()
        );
    }

    fn many_against_few(&self, running: &Running, messages: u32) {
        // Channels and sessions are made in a first round, which is no round of either.
        self.round(FEW, FEW);
        let before = running.memory("RssAnon");
        self.round(messages, messages);
        let after = running.memory("RssAnon");
        println!(
            "\n{FEW} chats against {messages} over {} platforms, all in flight at once:",
            self.platforms.len()
        );
        let (mut few, mut many) = ((Duration::ZERO, Duration::ZERO), (Duration::ZERO, Duration::ZERO));
        for round in 1..=3 {
            for (chats, spent) in [(FEW, &mut few), (messages, &mut many)] {
                let processor = running.processor();
                let wall = self.round(chats, messages);
                let processor = running.processor().saturating_sub(processor);
                println!("  round {round}, {chats} chats: {}", each(wall, processor, messages));
                spent.0 += wall;
                spent.1 += processor;
            }
        }
        println!(
            "  wall time, {messages} chats against {FEW}: {:.2}x",
            many.0.as_secs_f64() / few.0.as_secs_f64()
        );
        println!(
            "  processor, {messages} chats against {FEW}: {:.2}x",
            many.1.as_secs_f64() / few.1.as_secs_f64()
        );
        println!(
            "  memory of its own: {} before the first {messages} chats, {} after them",
            mebibytes(before),
            mebibytes(after)
        );
    }

    /// Says so many messages over so many chats, over the platforms in turn, and waits until all are answered.
    fn round(&self, chats: u32, messages: u32) -> Duration {
        let count = || self.platforms.iter().map(|platform| platform.total()).sum::<u64>();
        let before = count();
        let start = Instant::now();
        for number in 0..messages {
            let chat = number % chats;
            let platform = &self.platforms[chat as usize % self.platforms.len()];
            // The few are other people than the many.
            let person = if chats == FEW { 100_000 + chat } else { 1 + chat };
            platform.say(&platform.direct(person), person, "hello");
        }
        let all = before + u64::from(messages);
        let is_done = || (count() >= all).then_some(());
        if openpact_test_platforms::wait(PATIENCE, is_done).is_none() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            panic!("{} of {messages} answers are missing\n{log}", all - count());
        }
        let wall = start.elapsed();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(count(), all, "each message is answered once");
        wall
    }
}

impl Running {
    fn file(&self, name: &str) -> String {
        let path = Path::new("/proc").join(self.0.id().to_string()).join(name);
        fs::read_to_string(path).expect("the program runs")
    }

    /// Bytes, by the name in `status`.
    fn memory(&self, name: &str) -> u64 {
        let status = self.file("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.expect("Linux says so") * 1024
    }

    /// Processor time in user and kernel until now, of its threads and not of its helpers.
    fn processor(&self) -> Duration {
        let stat = self.file("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

fn each(wall: Duration, processor: Duration, messages: u32) -> String {
    let rate = f64::from(messages) / wall.as_secs_f64();
    let (wall, processor) = (wall.as_secs_f64() * 1e3, processor.as_secs_f64() * 1e3);
    let count = f64::from(messages);
    format!(
        "{rate:.0} answers/s; per message {:.3} ms of wall time, {:.3} ms of processor",
        wall / count,
        processor / count
    )
}

fn mebibytes(bytes: u64) -> String {
    let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    format!("{:.1} MiB", f64::from(kibibytes) / 1024.0)
}

//! The program's side: starts the helper, looks after it, and takes what it made.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use openpact_model::clock::Clock;
use openpact_model::id::Digest;
use openpact_model::text::one_line;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::protocol::{Answer, Order};
use super::{Bound, Bounds};
use crate::ledger::lock;

/// What the helper's threads have as a stack, bytes. The compiler goes as deep as the component is nested.
const STACK: u64 = 8 << 20;
/// Threads of a helper at most: each takes address space.
const MAX_THREADS: usize = 4;
/// What is kept of the helper's standard error, bytes.
const MAX_SAID: u64 = 64 * 1024;
/// The longest text of the helper in an error, characters.
const MAX_WORDS: usize = 300;

/// How often a helper that gave no answer is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How to start the helper process, and what it may take.
#[derive(Debug, Clone)]
pub struct Helper {
    /// A program that calls [`crate::serve_compiler`] when it is started with `arguments`, built together with this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What compiling one component may take.
    pub bounds: Bounds,
}

impl Helper {
    /// This very program, even where its file was replaced meanwhile, with `argument`.
    pub fn this_program(argument: &str) -> Self {
        let (program, arguments) = ("/proc/self/exe".into(), vec![argument.into()]);
        Self { program, arguments, bounds: Bounds::for_this_machine() }
    }
}

/// Why there is no native code.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The compiler said no.
    Refused(String),
    /// A bound was met.
    At(Bound),
    /// The helper itself does not work.
    Lost(String),
}

impl Helper {
    /// The native code of `wasm` for the engine of this fingerprint.
    pub(super) fn compile(&self, wasm: &[u8], engine: Digest, clock: &dyn Clock) -> Result<Vec<u8>, Stopped> {
        let helper = self.start().map_err(|error| {
            Stopped::Lost(format!("{} cannot be started: {error}", self.program.display()))
        })?;
        let end = self.attend(helper, wasm, clock).map_err(|error| {
            Stopped::Lost(format!("this machine has no thread for looking after it: {error}"))
        })?;
        match end.answer {
            Some(Ok(Answer::Native(made_for, native))) if made_for == engine => Ok(native),
            Some(Ok(Answer::Native(..))) => Err(Stopped::Lost("it is another version of the program".into())),
            Some(Ok(Answer::Refused(why))) => Err(Stopped::Refused(one_line(&why, MAX_WORDS))),
            Some(Ok(Answer::OutOfMemory)) => Err(Stopped::At(Bound::Memory(self.bounds.memory))),
            Some(Err(_)) => Err(Stopped::At(Bound::Native(self.bounds.native))),
            None if end.late => Err(Stopped::At(Bound::Wall(self.bounds.wall))),
            None => Err(self.explain(end.status, &end.said)),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts the program's own helper process"
    )]
    fn start(&self) -> io::Result<Group> {
        let threads = processors().min(MAX_THREADS).to_string();
        Command::new(&self.program)
            .arg0("openpact")
            .args(&self.arguments)
            .env_clear()
            // Its whole environment: bounds on what its threads take.
            .env("RAYON_NUM_THREADS", &threads)
            .env("MALLOC_ARENA_MAX", &threads)
            .env("RUST_MIN_STACK", STACK.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Of its own, so that it can be killed with whatever it starts.
            .process_group(0)
            .spawn()
            .map(|helper| Group { helper, ended: None })
    }

    /// Gives the helper its work and waits for its end, which is after the longest time that it may take at the latest.
    ///
    /// # Errors
    /// When there is no thread that could do so.
    fn attend(&self, helper: Group, wasm: &[u8], clock: &dyn Clock) -> io::Result<End> {
        let order = Order { memory: self.bounds.memory, cpu: self.bounds.cpu };
        let (sender, answered) = sync_channel(1);
        let until = clock.monotonic() + self.bounds.wall;
        thread::scope(|scope| {
            // In here, so that it is gone before its threads are waited for, an early end of this included.
            let mut helper = helper;
            let pipes =
                (helper.helper.stdin.take(), helper.helper.stdout.take(), helper.helper.stderr.take());
            let (Some(mut input), Some(mut output), Some(errors)) = pipes else {
                unreachable!("all three were asked for");
            };
            let thread = || thread::Builder::new().name("compiler".into());
            // Each ends when the helper does, at the latest when it is killed. One that does not take its work, or says
            // no more, has failed in a way that its end tells.
            thread().spawn_scoped(scope, move || {
                drop(order.write(wasm, &mut input).and_then(|()| input.flush()));
            })?;
            let said = thread().spawn_scoped(scope, move || {
                let mut said = Vec::new();
                drop(errors.take(MAX_SAID).read_to_end(&mut said));
                String::from_utf8_lossy(&said).into_owned()
            })?;
            thread().spawn_scoped(scope, move || {
                sender.send(Answer::read(&mut output, self.bounds.native).ok()).ok()
            })?;
            let answer = answered.recv_timeout(self.bounds.wall).ok().flatten();
            // Without an answer its own end tells why, if it comes in time.
            let late = answer.is_none() && !helper.ends_until(until, clock);
            let status = helper.end();
            Ok(End { answer, late, status, said: said.join().unwrap_or_default() })
        })
    }

    /// What the end of a helper without an answer means.
    fn explain(&self, status: Option<ExitStatus>, said: &str) -> Stopped {
        let signal = status.and_then(|status| status.signal());
        let ended_by = |wanted: Signal| signal == Some(wanted.as_raw());
        if ended_by(Signal::XCPU) {
            return Stopped::At(Bound::Cpu(self.bounds.cpu));
        }
        if said.contains("has overflowed its stack") || ended_by(Signal::SEGV) {
            return Stopped::At(Bound::Stack(STACK));
        }
        if said.contains("memory allocation of") {
            return Stopped::At(Bound::Memory(self.bounds.memory));
        }
        if ended_by(Signal::KILL) {
            return Stopped::Lost(
                "the system killed it, as it does where this machine has no memory left".into(),
            );
        }
        let how = status.map_or_else(|| "an unknown end".to_owned(), |status| status.to_string());
        Stopped::Lost(format!("{how}: {}", one_line(said.trim(), MAX_WORDS)))
    }
}

/// How a helper ended.
struct End {
    /// `Some(Err)`: longer than it may be.
    answer: Option<Result<Answer, u64>>,
    late: bool,
    status: Option<ExitStatus>,
    said: String,
}

/// A helper with whatever it starts, which ends with this.
struct Group {
    helper: Child,
    /// Set once it was collected: its number may be another's since then.
    ended: Option<ExitStatus>,
}

impl Group {
    /// Whether the helper itself ends before then. It is still to be collected, so that its number stays its own.
    fn ends_until(&self, until: Instant, clock: &dyn Clock) -> bool {
        let Some(helper) = self.number() else { return false };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            // An error is that it has been collected, which is an end as well.
            if !matches!(waitid(WaitId::Pid(helper), options), Ok(None)) {
                return true;
            }
            if clock.monotonic() >= until {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    /// Kills what still runs of it, and tells how the helper ended.
    fn end(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            if let Some(group) = self.number() {
                // That it is gone already is as good.
                let _ = kill_process_group(group, Signal::KILL);
            }
            self.ended = self.helper.wait().ok();
        }
        self.ended
    }

    fn number(&self) -> Option<Pid> {
        i32::try_from(self.helper.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Places for helpers that run at once.
pub(super) struct Places {
    free: Mutex<usize>,
    one_more: Condvar,
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self { free: Mutex::new(places), one_more: Condvar::new() }
    }

    /// Waits for a place. Whoever has one ends within the bounds of a helper.
    pub(super) fn take(&self) -> Place<'_> {
        let free = self.one_more.wait_while(lock(&self.free), |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Place(self)
    }
}

/// A place, until it is dropped.
pub(super) struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.one_more.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use openpact_model::clock::SystemClock;

    use super::*;

    #[test]
    fn an_end_without_an_answer_is_told_by_its_reason() {
        let helper = Helper { bounds: Bounds::default(), ..Helper::this_program("x") };
        let explain = |signal: Signal, said: &str| {
            let status = ExitStatus::from_raw(signal.as_raw());
            match helper.explain(Some(status), said) {
                Stopped::At(bound) => bound.to_string(),
                Stopped::Lost(why) | Stopped::Refused(why) => why,
            }
        };
        assert_eq!(explain(Signal::XCPU, ""), "60 s of processor time");
        assert_eq!(explain(Signal::ABORT, "memory allocation of 9 bytes failed"), "2048 MiB of memory");
        let overflow = "thread 'main' has overflowed its stack\nfatal runtime error: stack overflow";
        assert_eq!(explain(Signal::ABORT, overflow), "8 MiB of stack");
        assert!(explain(Signal::KILL, "").contains("no memory left"));
        assert!(explain(Signal::ABORT, "a\u{1b}[2Jb").ends_with("a\\u{1b}[2Jb"), "escaped");
    }

    fn shell(script: &str, wall: Duration) -> Helper {
        let arguments = ["-c", script].map(Into::into).into();
        Helper { program: "/bin/sh".into(), arguments, bounds: Bounds { wall, ..Bounds::default() } }
    }

    fn stopped(helper: &Helper) -> Stopped {
        helper.compile(b"wasm", Digest::of(b"engine"), &SystemClock).unwrap_err()
    }

    #[test]
    fn a_helper_that_closes_its_output_has_no_more_time_than_another() {
        let wall = Duration::from_millis(300);
        let late = stopped(&shell("exec >&-; sleep 1000", wall));
        assert!(matches!(late, Stopped::At(Bound::Wall(time)) if time == wall), "{late:?}");
        // One that ends, and leaves something behind that holds its pipes.
        let gone = stopped(&shell("exec >&-; sleep 1000 & echo why >&2; exit 3", Duration::from_mins(10)));
        assert!(matches!(&gone, Stopped::Lost(why) if why.ends_with("exit status: 3: why")), "{gone:?}");
    }

    #[test]
    fn a_helper_that_nobody_looks_after_is_killed_with_all_that_it_started() {
        let mut group = shell("sleep 1000 & echo $!; wait", Duration::ZERO).start().unwrap();
        let mut line = String::new();
        BufReader::new(group.helper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut errors = group.helper.stderr.take().unwrap();
        drop(group);
        // The end of what both hold, and nothing else does.
        assert_eq!(errors.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(line.trim().parse::<u32>().is_ok(), "{line}");
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let Stopped::Lost(why) =
            stopped(&Helper { program: "/proc/self/nothing".into(), ..shell("", Duration::ZERO) })
        else {
            panic!("it is not there");
        };
        assert!(why.starts_with("/proc/self/nothing cannot be started: "), "{why}");
    }

    #[test]
    fn no_more_helpers_than_places_run_at_once() {
        let places = Places::new(1);
        let first = places.take();
        thread::scope(|scope| {
            let second = scope.spawn(|| drop(places.take()));
            assert_eq!(*lock(&places.free), 0);
            drop(first);
            second.join().unwrap();
        });
        assert_eq!(*lock(&places.free), 1);
    }
}

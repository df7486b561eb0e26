//! The program's side: starts the helper, looks after it, and takes what it made.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use openpact_model::id::Digest;
use openpact_model::text::one_line;
use rustix::process::{Pid, Signal, kill_process_group};

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
        Self { program, arguments, bounds: Bounds::default() }
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
    pub(super) fn compile(&self, wasm: &[u8], engine: Digest) -> Result<Vec<u8>, Stopped> {
        let child = self.start().map_err(|error| Stopped::Lost(format!("it cannot be started: {error}")))?;
        let end = self.attend(child, wasm);
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
    fn start(&self) -> io::Result<Child> {
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
    }

    /// Gives the helper its work and waits for its end, which is after the longest time that it may take at the latest.
    fn attend(&self, mut child: Child, wasm: &[u8]) -> End {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(mut output), Some(errors)) = pipes else {
            unreachable!("all three were asked for");
        };
        let order = Order { memory: self.bounds.memory, cpu: self.bounds.cpu };
        let (sender, answered) = sync_channel(1);
        thread::scope(|scope| {
            // Each ends when the helper does, at the latest when it is killed. One that does not take its work, or says
            // no more, has failed in a way that its end tells.
            scope.spawn(move || drop(order.write(wasm, &mut input).and_then(|()| input.flush())));
            let said = scope.spawn(move || {
                let mut said = Vec::new();
                drop(errors.take(MAX_SAID).read_to_end(&mut said));
                String::from_utf8_lossy(&said).into_owned()
            });
            scope.spawn(move || sender.send(Answer::read(&mut output, self.bounds.native).ok()));
            let answer = answered.recv_timeout(self.bounds.wall);
            let late = matches!(answer, Err(RecvTimeoutError::Timeout));
            let answer = answer.ok().flatten();
            let status = end(&mut child, late || answer.is_some());
            End { answer, late, status, said: said.join().unwrap_or_default() }
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

/// Waits for the helper's end; kills it and all that it started first where nothing more is wanted of it.
fn end(child: &mut Child, kill: bool) -> Option<ExitStatus> {
    if kill && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It has not been waited for, so its number cannot be another's; that it is gone already is as good.
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().ok()
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Places for helpers that run at once.
pub(super) struct Places {
    free: Mutex<usize>,
    one_more: Condvar,
}

impl Places {
    pub(super) fn for_this_machine() -> Self {
        Self { free: Mutex::new(processors()), one_more: Condvar::new() }
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
    use super::*;

    #[test]
    fn an_end_without_an_answer_is_told_by_its_reason() {
        let helper = Helper::this_program("x");
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

    #[test]
    fn no_more_helpers_than_places_run_at_once() {
        let places = Places { free: Mutex::new(1), one_more: Condvar::new() };
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

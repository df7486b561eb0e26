//! The helper's side: takes everything off itself that it does not need, and compiles one component.

use std::io;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use wasmtime::Engine;

use super::protocol::{self, Answer, Order};
use crate::engine;

/// The longest text of a refusal, bytes.
const MAX_REFUSAL: usize = 4096;
/// The folder of the descriptors that are open.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Does the work of the helper process: one component from standard input, its native code to standard output. To be
/// called before the program does anything else.
pub fn serve() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    alone()?;
    let mut input = io::stdin().lock();
    let (order, length) = Order::read(&mut input)?;
    bounded(order)?;
    let wasm = protocol::bytes(&mut input, length)?;
    // Not an answer: that there is no compiler is no fault of the component.
    let engine = engine::for_compiling()
        .map_err(|error| io::Error::other(format!("there is no compiler on this machine: {error:#}")))?;
    answer(&engine, &wasm).write(&mut io::stdout().lock())
}

fn answer(engine: &Engine, wasm: &[u8]) -> Answer {
    match engine.precompile_component(wasm) {
        Ok(native) => Answer::Native(engine::fingerprint(engine), native),
        Err(error) if error.is::<wasmtime::OutOfMemory>() => Answer::OutOfMemory,
        Err(error) => {
            let mut why = format!("{error:#}");
            why.truncate(why.floor_char_boundary(MAX_REFUSAL));
            Answer::Refused(why)
        }
    }
}

/// No way to more rights, no life beyond the parent's, no files, no core dump, and first in line when memory is short.
fn alone() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    close_all_but_standard()?;
    // Where the system does not let it, it is no worse than the parent.
    drop(std::fs::write("/proc/self/oom_score_adj", "1000"));
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, 0, 0)
}

fn bounded(order: Order) -> io::Result<()> {
    limit(Resource::As, order.memory, order.memory)?;
    let seconds = order.cpu.as_secs().max(1);
    // At the first the system sends a signal that tells the reason, at the second one that does not.
    limit(Resource::Cpu, seconds, seconds.saturating_add(1))
}

fn limit(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?)
}

/// Whoever started the program may have left descriptors open in it that were meant to be passed on.
fn close_all_but_standard() -> io::Result<()> {
    let names = std::fs::read_dir(DESCRIPTORS)
        .map_err(|error| io::Error::other(format!("{DESCRIPTORS} cannot be read: {error}")))?;
    let open = names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let open: Vec<_> = open.filter(|descriptor| *descriptor > 2).collect();
    for descriptor in open {
        // The folder that was just read is among them, and closed already.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

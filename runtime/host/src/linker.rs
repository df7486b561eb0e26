//! Puts the imports together, once for each engine and world.
//!
//! Every interface of WASI that a toolchain may link is there, so that a program starts; what would reach outside has
//! nothing behind it. Files, errors and our own interfaces are implemented in this crate.

use openpact_bindings::v0_1_0::chat::openpact::chat;
use openpact_bindings::v0_1_0::openpact::host;
use wasmtime::Engine;
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::error::Error;
use crate::state::State;

/// A linker with everything that a tool component may import.
pub(crate) fn build(engine: &Engine) -> Result<Linker<State>, Error> {
    let mut linker = Linker::new(engine);
    link(&mut linker).map_err(Error::Link)?;
    Ok(linker)
}

/// A linker with everything that an adapter may import: the same, and the inbox.
pub(crate) fn build_for_adapters(engine: &Engine) -> Result<Linker<State>, Error> {
    let mut linker = build(engine)?;
    link_chat(&mut linker).map_err(Error::Link)?;
    Ok(linker)
}

fn link_chat(l: &mut Linker<State>) -> wasmtime::Result<()> {
    chat::types::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    chat::events::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    chat::rendering::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    chat::inbox::add_to_linker::<State, HasSelf<State>>(l, |state| state)
}

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    own(linker)?;
    inert(linker)?;
    no_network(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// What this crate implements.
fn own(l: &mut Linker<State>) -> wasmtime::Result<()> {
    host::log::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    host::settings::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    host::kv::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    host::credentials::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    host::progress::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    host::websocket::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    filesystem::preopens::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    filesystem::types::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    io::error::add_to_linker::<State, HasSelf<State>>(l, |state| state)
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Clocks, randomness, streams, and a command line with nothing in it.
fn inert(l: &mut Linker<State>) -> wasmtime::Result<()> {
    io::poll::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)
}

/// Sockets, all refused: programs that link them without need must start.
fn no_network(l: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<State, WasiSockets>(l, &options, State::sockets)?;
    sockets::instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Compiler;
    use crate::config::Config;

    #[test]
    fn only_adapters_have_an_inbox() {
        let engine = crate::engine::build(&Config::new(Compiler::InProcess, None, [0; 32])).unwrap();
        let inbox = "openpact:chat/inbox@0.1.0";
        let has = |linker: &Linker<State>| {
            linker
                .clone()
                .instance(inbox)
                .and_then(|mut it| it.func_wrap("report", |_, (): ()| Ok(())))
                .is_err()
        };
        assert!(has(&build_for_adapters(&engine).unwrap()), "it is there already");
        assert!(!has(&build(&engine).unwrap()));
    }
}

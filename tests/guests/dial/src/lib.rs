//! Opens WebSocket connections, and does with them what it should and what it must not.
#![cfg(target_family = "wasm")]

use openpact_guest_kit::memory::occurrences;
use openpact_guest_kit::websocket::{CloseReason, Error, Message, Socket};
use openpact_guest_kit::{Answer, Value, credentials, json, poll};
use wasip2::clocks::monotonic_clock;

openpact_guest_kit::tools! {
    "open" => open,
    "talk" => talk,
    "listen" => listen,
    "leave" => leave,
    "hoard" => hoard,
    "flood" => flood,
    "ready" => ready,
    "close" => close,
    "reflection" => reflection,
}

fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

fn connect(arguments: &Value) -> Result<Socket, String> {
    let headers: Vec<_> = arguments["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), filled(value.as_str().unwrap_or_default())))
        .collect();
    Socket::connect(&filled(text(arguments, "url")), &headers).map_err(words)
}

/// A text with the reference of its credential where it says `{ref}`, and the halves of it at `{start}` and `{end}`.
fn filled(text: &str) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let reference = credentials::reference("token").unwrap_or_else(|error| format!("{error:?}"));
    let (start, end) = reference.split_at(reference.len() / 2);
    text.replace("{ref}", &reference).replace("{start}", start).replace("{end}", end)
}

fn words(error: Error) -> String {
    format!("{error:?}")
}

/// Whether there is a connection, or why not.
fn open(arguments: &Value) -> Answer {
    connect(arguments).map(|_| "open".to_owned())
}

/// Sends each of `say`, and tells what was answered to each.
fn talk(arguments: &Value) -> Answer {
    let socket = connect(arguments)?;
    let mut heard = Vec::new();
    for message in arguments["say"].as_array().into_iter().flatten() {
        let message = match message.as_str() {
            Some(text) => Message::Text(filled(text)),
            None => Message::Binary(filled(text(message, "bytes")).into_bytes()),
        };
        let answer = match socket.send(&message) {
            Ok(()) => socket.receive(30_000),
            Err(error) => Err(error),
        };
        heard.push(match answer {
            Ok(Some(Message::Text(text))) => text,
            other => format!("{other:?}"),
        });
    }
    socket.close(None).map_err(words)?;
    Ok(json!(heard).to_string())
}

/// Waits for a message for as long as it may, and tells how that ended.
fn listen(arguments: &Value) -> Answer {
    let socket = connect(arguments)?;
    let wait = arguments["ms"].as_u64().and_then(|wait| u32::try_from(wait).ok()).unwrap_or(u32::MAX);
    Ok(format!("{:?}", socket.receive(wait)))
}

/// Opens a connection and forgets it.
fn leave(arguments: &Value) -> Answer {
    std::mem::forget(connect(arguments)?);
    Ok("left".to_owned())
}

/// Keeps every connection that it gets, and tells how many there were and why there was no other.
fn hoard(arguments: &Value) -> Answer {
    let mut kept = Vec::new();
    loop {
        match connect(arguments) {
            Ok(socket) => kept.push(socket),
            Err(why) => return Ok(format!("{} {why}", kept.len())),
        }
    }
}

/// Sends for ever to somebody who takes nothing.
fn flood(arguments: &Value) -> Answer {
    let socket = connect(arguments)?;
    let message = Message::Binary(vec![7; 1 << 20]);
    loop {
        socket.send(&message).map_err(words)?;
    }
}

/// Waits for a connection and for a clock at once, and tells which was ready: first without a message, then with one.
fn ready(arguments: &Value) -> Answer {
    let socket = connect(arguments)?;
    let wait = |time: u64| {
        let (message, clock) = (socket.subscribe(), monotonic_clock::subscribe_duration(time));
        // The clock is of other bindings, so it is looked at by turns.
        loop {
            if message.ready() {
                return "message";
            }
            if clock.ready() {
                return "clock";
            }
        }
    };
    let before = wait(1_000_000);
    socket.send(&Message::Text("hello".to_owned())).map_err(words)?;
    poll::poll(&[&socket.subscribe()]);
    let after = wait(u64::MAX / 2);
    let received = socket.receive(0);
    Ok(format!("{before} {after} {received:?}"))
}

/// Closes with a code and a reason, and tells what comes of using the connection afterwards.
fn close(arguments: &Value) -> Answer {
    let socket = connect(arguments)?;
    let code = arguments["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
    let reason = CloseReason { code, reason: text(arguments, "reason").to_owned() };
    let closed = socket.close(Some(&reason));
    let after = (socket.send(&Message::Text("x".to_owned())), socket.receive(0), socket.close(None));
    Ok(format!("{closed:?} {after:?}"))
}

/// Sends its credential to a server that says it back, and looks for the value in all of its own memory afterwards.
/// Gives how often the value and how often the control were found, and what was heard.
fn reflection(arguments: &Value) -> Answer {
    let heard = talk(arguments)?;
    let found = occurrences(text(arguments, "value_reversed"));
    let control = occurrences(text(arguments, "control_reversed"));
    Ok(format!("{found} {control} {heard}"))
}

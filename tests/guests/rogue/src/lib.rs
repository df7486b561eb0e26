//! An adapter that does what it must not. What its loop does is said by its setting `mode`, and what its other
//! functions do by their arguments.
#![cfg(target_family = "wasm")]

use std::time::Duration;

use openpact_guest_adapter_kit::bindings::export_adapter;
use openpact_guest_adapter_kit::http;
use openpact_guest_adapter_kit::{
    AdapterError, AdapterInfo, CommandSpec, Guest, InteractionId, MessageId, Outbound, Part, Piece,
    SendError, Sent, Target, connected, credentials, inbox, info, kv, log, message, setting, settings, tell,
    websocket,
};

struct Rogue;

/// The account that it reports.
const ACCOUNT: &str = "rogue-bot";

impl Guest for Rogue {
    fn describe() -> AdapterInfo {
        info("rogue")
    }

    fn run() -> Result<(), AdapterError> {
        let mode = setting("mode");
        tell("started");
        match mode.as_str() {
            "spin" => spin(),
            "ask" => loop {
                std::hint::black_box(settings::get("mode"));
            },
            "hoard" => hoard(),
            "grow" => grow(),
            "trap" => trap_after_events(),
            "exit" => std::process::exit(3),
            "return" => Ok(()),
            "sleep" => {
                std::thread::sleep(Duration::from_hours(1000));
                Ok(())
            }
            "deliver" => {
                connected(ACCOUNT).expect("the account is free");
                let delivered = inbox::deliver(&message(ACCOUNT, "1", "one".to_owned()));
                Err(AdapterError::Protocol(format!("{delivered:?}")))
            }
            "forge" => forge(),
            "accounts" => accounts(),
            "chatter" => chatter(),
            "weeks" => weeks(),
            "words" => Err(AdapterError::Credential("\u{1b}[2Jgone\n".repeat(10_000))),
            "requests" => requests(),
            "gateway" => gateway(),
            "connections" => connections(),
            "farewell" => farewell(),
            mode => panic!("no mode '{mode}'"),
        }
    }

    fn render(message: Outbound) -> Vec<Part> {
        let Some(Piece::Markdown(text)) = message.pieces.first() else { return Vec::new() };
        let body = match text.as_str() {
            "settings" => format!("{:?}", settings::get("mode")),
            "kv" => format!("{:?}", kv::get("a")),
            "kv-set" => format!("{:?}", kv::set("a", b"b")),
            "kv-keys" => format!("{:?}", kv::list_keys("", None, 1)),
            "credentials" => format!("{:?}", credentials::reference("token")),
            "inbox" => format!("{:?}", connected(ACCOUNT)),
            "deliver" => format!("{:?}", inbox::deliver(&message_of_nobody())),
            "http" => format!("{:?}", http::get(&"127.0.0.1:9", "/", "")),
            "websocket" => format!("{:?}", websocket::Socket::connect("ws://127.0.0.1:9/", &[]).is_ok()),
            "dice" => dice(),
            "spin" => return spin().map(|()| Vec::new()).unwrap_or_default(),
            "many" => return vec![part(""); 1001],
            "huge" => "x".repeat(9 << 20),
            text => text.to_owned(),
        };
        vec![part(&body)]
    }

    fn send_part(target: Target, _: Part, _: String) -> Result<Sent, SendError> {
        let id = match target.channel.as_str() {
            "trap" => panic!("no parachute"),
            "inbox" => format!("{:?}", connected(ACCOUNT)),
            "no-id" => String::new(),
            "spin" => return spin().map(|()| unreachable!()).map_err(|_| SendError::Denied),
            "sleep" => {
                std::thread::sleep(Duration::from_hours(1000));
                String::new()
            }
            "http" => {
                let failure = http::get(&setting("authority"), "/", "").map(drop);
                return Err(SendError::Unavailable(format!("{failure:?}")));
            }
            channel => channel.to_owned(),
        };
        Ok(Sent { id, pause: Some(u32::MAX), moved_to: None })
    }

    fn edit_part(_: Target, _: MessageId, _: Part) -> Result<(), SendError> {
        Err(SendError::Refused("\u{1b}[2J".to_owned()))
    }

    fn delete_part(_: Target, _: MessageId) -> Result<(), SendError> {
        Err(SendError::Denied)
    }

    fn typing(_: Target) -> Result<(), SendError> {
        spin().map_err(|_| SendError::Denied)
    }

    fn answer_interaction(_: InteractionId, _: Outbound) -> Result<(), SendError> {
        std::process::exit(4)
    }

    fn fetch_attachment(id: String, _: u64) -> Result<Vec<u8>, SendError> {
        Ok(vec![1; id.parse().unwrap_or_default()])
    }

    fn register_commands(_: Vec<CommandSpec>) -> Result<(), AdapterError> {
        panic!("no commands")
    }
}

fn part(text: &str) -> Part {
    Part { body: text.to_owned(), plain: text.to_owned(), files: Vec::new() }
}

fn message_of_nobody() -> openpact_guest_adapter_kit::InboundEvent {
    message(ACCOUNT, "1", "one".to_owned())
}

/// Uses the processor for ever.
fn spin() -> Result<(), AdapterError> {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Makes handles and never lets go of them.
fn hoard() -> Result<(), AdapterError> {
    loop {
        std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX));
    }
}

/// Takes memory and never gives it back.
fn grow() -> Result<(), AdapterError> {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&kept);
    }
}

/// Breaks in the midst of its work.
fn trap_after_events() -> Result<(), AdapterError> {
    connected(ACCOUNT).expect("the account is free");
    for number in 0..3 {
        let event = message(ACCOUNT, &number.to_string(), "hello".to_owned());
        inbox::deliver(&event).expect("it is a good event");
    }
    panic!("no parachute");
}

/// Delivers what is not its own, and what does not fit; tells what it is told.
fn forge() -> Result<(), AdapterError> {
    let deliver = |event| match inbox::deliver(&event) {
        Ok(()) => tell("taken"),
        Err(error) => tell(&format!("{error:?}")),
    };
    deliver(message(ACCOUNT, "1", "before it is reported".to_owned()));
    connected(ACCOUNT).expect("the account is free");
    deliver(message("somebody-else", "2", "a foreign account".to_owned()));
    deliver(message("", "3", "no account".to_owned()));
    deliver(message(ACCOUNT, "4", "x".repeat(256 * 1024 + 1)));
    deliver(message(ACCOUNT, "", "no id".to_owned()));
    match connected("taken-by-another") {
        Ok(()) => tell("another's account"),
        Err(error) => tell(&format!("{error:?}")),
    }
    deliver(message("taken-by-another", "5", "an account that was refused".to_owned()));
    deliver(message(ACCOUNT, "6", "x".repeat(256 * 1024)));
    Err(AdapterError::Unavailable("done".to_owned()))
}

/// Reports accounts until it is told that they are too many.
fn accounts() -> Result<(), AdapterError> {
    for number in 0..1000 {
        if let Err(error) = connected(&format!("account-{number}")) {
            return Err(AdapterError::Protocol(format!("{number}: {error:?}")));
        }
    }
    Ok(())
}

/// Writes without end, in every way.
fn chatter() -> Result<(), AdapterError> {
    for number in 0..200 {
        log::log(log::Level::Warn, &format!("{number} {}", "x".repeat(4000)));
        println!("{number} {}", "y".repeat(4000));
    }
    Err(AdapterError::Unavailable("done".to_owned()))
}

/// As much of everything as a loop does in weeks, with few handles and little memory at a time.
fn weeks() -> Result<(), AdapterError> {
    connected(ACCOUNT).expect("the account is free");
    for number in 0..1000_u32 {
        let text = "x".repeat(6144);
        log::log(log::Level::Info, &text);
        kv::set("offset", number.to_string().as_bytes()).expect("there is room for a number");
        std::hint::black_box(kv::get("offset")).expect("the store works");
        std::hint::black_box(settings::get("mode"));
        std::hint::black_box(credentials::reference("token")).expect("it is granted");
        // Reports have a rate, with a few at once.
        if number.is_multiple_of(100) {
            connected(ACCOUNT).expect("the account is its own");
        }
        wasip2::clocks::monotonic_clock::subscribe_duration(1).block();
        inbox::deliver(&message(ACCOUNT, &number.to_string(), text)).expect("it is a good event");
    }
    Err(AdapterError::Unavailable("done".to_owned()))
}

/// More requests than a call may make.
fn requests() -> Result<(), AdapterError> {
    let authority = setting("authority");
    for number in 0..510 {
        if let Err(failure) = http::get(&authority, "/", "") {
            return Err(AdapterError::Protocol(format!("{number}: {failure:?}")));
        }
    }
    Err(AdapterError::Unavailable("done".to_owned()))
}

/// Says who it is, as a platform's gateway asks, and tells everything that it hears until the connection ends.
fn gateway() -> Result<(), AdapterError> {
    let address = format!("ws://{}/gateway", setting("authority"));
    let lost = |error: websocket::Error| AdapterError::Unavailable(format!("{error:?}"));
    let socket = websocket::Socket::connect(&address, &[]).map_err(lost)?;
    let token = credentials::reference("token").expect("it is granted");
    let identify = format!("{{\"op\":2,\"d\":{{\"token\":\"{token}\"}}}}");
    socket.send(&websocket::Message::Text(identify)).map_err(lost)?;
    loop {
        match socket.receive(u32::MAX).map_err(lost)? {
            Some(websocket::Message::Text(text)) => tell(&text),
            Some(websocket::Message::Binary(bytes)) => tell(&format!("{bytes:?}")),
            Some(websocket::Message::Closed(reason)) => tell(&format!("{reason:?}")),
            None => tell("nothing"),
        }
    }
}

/// Waits in every way for what never comes, and says how each wait ended.
fn farewell() -> Result<(), AdapterError> {
    connected(ACCOUNT).expect("the account is free");
    let authority = setting("authority");
    let address = format!("ws://{authority}/greedy");
    let socket = websocket::Socket::connect(&address, &[]).expect("it is granted");
    tell("waiting");
    tell(&format!("received {:?}", socket.receive(u32::MAX)));
    tell(&format!("asked {:?}", http::get(&authority, "/", "")));
    tell(&format!("connected {:?}", websocket::Socket::connect(&address, &[]).map(drop)));
    tell(&format!("delivered {:?}", inbox::deliver(&message(ACCOUNT, "1", "one".to_owned()))));
    tell(&format!("kept {:?}", kv::set("in hand", b"")));
    std::thread::sleep(Duration::from_hours(1000));
    Ok(())
}

/// Makes one connection after another without end.
fn connections() -> Result<(), AdapterError> {
    let address = format!("ws://{}/", setting("authority"));
    for _ in 0..515 {
        if websocket::Socket::connect(&address, &[]).is_ok() {
            return Err(AdapterError::Protocol("it was let in".to_owned()));
        }
    }
    Err(AdapterError::Unavailable("done".to_owned()))
}

/// What differs between two instances: random numbers and the time.
fn dice() -> String {
    let random = wasip2::random::random::get_random_u64();
    let insecure = wasip2::random::insecure::get_insecure_random_u64();
    let seed = wasip2::random::insecure_seed::insecure_seed();
    let wall = wasip2::clocks::wall_clock::now().seconds;
    let now = wasip2::clocks::monotonic_clock::now();
    format!("{random} {insecure} {seed:?} {wall} {now}")
}

export_adapter!(Rogue with_types_in openpact_guest_adapter_kit::bindings);

//! A hostile Bot API: it says the token of a request back in every form, and looks into the guests' memories while they
//! hold its answers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::guest::Guests;
use crate::needle::{Needles, forms, unicode};

/// A text that is no secret, of the form of a token, said back in the same places: the search finds it.
pub(crate) const DECOY: &str = "987654321:DDe-coyDecoyDecoy_DecoyDecoyDecoyDec";

/// Where the raw escapes of JSON are put.
const RAW: &str = "@raw@";

/// How often a marker is looked for, 10 ms apart, before it counts as missing.
const LOOKS: usize = 3000;

/// Numbers the answers of all platforms, so that each has a marker of its own.
static ANSWERS: AtomicUsize = AtomicUsize::new(0);

/// What a server and its test share.
pub(crate) struct Platform {
    guests: &'static Guests,
    tokens: Needles,
    decoy: Needles,
    /// The bot's number.
    id: u16,
    /// The tokens that arrived.
    seen: Mutex<BTreeSet<String>>,
    /// What must not have been there.
    pub(crate) leaks: Mutex<BTreeSet<String>>,
    /// The forms of the decoy that were found.
    decoys: Mutex<BTreeSet<String>>,
    /// The methods whose answers were looked for in a memory, and found.
    pub(crate) answered: Mutex<Vec<String>>,
    polls: AtomicUsize,
    update: AtomicI32,
    held: UnboundedSender<()>,
    release: Mutex<Receiver<()>>,
}

/// Holds polls: one in five waits until the test lets it go on.
pub(crate) struct Polls {
    held: UnboundedReceiver<()>,
    release: Sender<()>,
}

impl Polls {
    /// Waits until the next poll is held.
    pub(crate) async fn held(&mut self) {
        self.held.recv().await.expect("the loop polls on");
    }

    pub(crate) fn release(&self) {
        self.release.send(()).unwrap();
    }
}

/// An answer: status, media type, body.
struct Answer(u16, &'static str, String);

impl Platform {
    /// Starts a server; gives its address.
    pub(crate) fn start(guests: &'static Guests, tokens: &[&str]) -> (Arc<Self>, String, Polls) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((held, holds), (release, released)) = (unbounded_channel(), channel());
        let platform = Arc::new(Self {
            guests,
            tokens: Needles::of_tokens(tokens),
            decoy: Needles::of_decoy(DECOY),
            id: address.port(),
            seen: Mutex::default(),
            leaks: Mutex::default(),
            decoys: Mutex::default(),
            answered: Mutex::default(),
            polls: AtomicUsize::new(0),
            update: AtomicI32::new(1),
            held,
            release: Mutex::new(released),
        });
        let server = Arc::clone(&platform);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = Arc::clone(&server);
                // A connection that breaks off belongs to a loop that was stopped.
                std::thread::spawn(move || drop(server.serve(&stream.unwrap())));
            }
        });
        (platform, address.to_string(), Polls { held: holds, release })
    }

    /// The tokens that arrived.
    pub(crate) fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The forms of the decoy that were never found in any memory.
    pub(crate) fn undiscovered(&self) -> BTreeSet<String> {
        let found = self.decoys.lock().unwrap();
        self.decoy.names().into_iter().filter(|name| !found.contains(*name)).map(str::to_owned).collect()
    }

    /// Looks into all memories.
    pub(crate) fn search(&self, when: &str) {
        let leaks = self.guests.search(&self.tokens).into_iter().map(|name| format!("{when}: {name}"));
        self.leaks.lock().unwrap().extend(leaks);
        let decoys = self.guests.search(&self.decoy).into_iter().map(str::to_owned);
        self.decoys.lock().unwrap().extend(decoys);
    }

    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let (path, body) = request(stream)?;
        let mut segments = path.split(['/', '?']).skip(1);
        let token = segments.next().unwrap_or_default().strip_prefix("bot").unwrap_or_default();
        self.seen.lock().unwrap().insert(token.replace("%3A", ":"));
        let method = segments.next().unwrap_or_default();
        // What the answer before this request has become.
        self.search(&format!("before {method}"));
        let poll = (method == "getUpdates").then(|| self.polls.fetch_add(1, Ordering::SeqCst) % 5);
        if poll == Some(2) {
            return write!(
                stream,
                "HTTP/1.1 307 X\r\nlocation: {path}?echo={}\r\n{}content-length: 0\r\nconnection: close\r\n\r\n",
                DECOY.replace(':', "%3A"),
                self.headers()
            );
        }
        if poll == Some(4) {
            let _ = self.held.send(());
            let _ = self.release.lock().unwrap().recv();
        }
        let marker = format!("marker-{:08}-of-an-answer", ANSWERS.fetch_add(1, Ordering::SeqCst));
        let Answer(status, media_type, body) = self.answer(method, poll, &body, &marker);
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\n{}transfer-encoding: chunked\r\n\
             connection: close\r\n\r\n",
            self.headers()
        )?;
        // In pieces, so that every form is cut somewhere.
        for piece in body.as_bytes().chunks(29) {
            write!(stream, "{:x}\r\n", piece.len())?;
            stream.write_all(piece)?;
            write!(stream, "\r\n")?;
            stream.flush()?;
        }
        // The guest has it, and waits for the end.
        let needle = Needles::of_text(&marker);
        let mut looks = 0;
        while self.guests.search(&needle).is_empty() {
            looks += 1;
            if looks == LOOKS {
                self.leaks.lock().unwrap().insert(format!("no guest ever held the answer to {method}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.search(&format!("after {method}"));
        self.answered.lock().unwrap().push(method.to_owned());
        write!(stream, "0\r\n\r\n")
    }

    /// What is said back: every token that ever arrived, and the decoy.
    fn spoken(&self) -> Vec<String> {
        self.seen().into_iter().chain([DECOY.to_owned()]).collect()
    }

    fn headers(&self) -> String {
        let mut headers = String::new();
        for token in self.spoken() {
            for (number, (_, form)) in forms(&token).into_iter().enumerate() {
                write!(headers, "x-echo-{number}: {form}\r\nset-cookie: token={form}; Path=/\r\n")
                    .expect("writing to a String cannot fail");
            }
            write!(
                headers,
                "location: http://127.0.0.1:1/bot{token}/getMe\r\nwww-authenticate: Bot {token}\r\n"
            )
            .expect("writing to a String cannot fail");
        }
        headers
    }

    fn text(&self) -> String {
        let spoken = self.spoken();
        let forms = spoken.iter().flat_map(|token| forms(token)).map(|(_, form)| form);
        forms.collect::<Vec<_>>().join(" ") + " " + RAW
    }

    fn answer(&self, method: &str, poll: Option<usize>, body: &Value, marker: &str) -> Answer {
        let has_markup = body.get("parse_mode").is_some();
        match (method, poll) {
            ("getMe", _) => {
                let bot = json!({"id": self.id, "is_bot": true, "first_name": self.text(), "username": "a_bot",
                    "can_join_groups": true, "can_read_all_group_messages": false,
                    "supports_inline_queries": false, "can_connect_to_business": false,
                    "has_main_web_app": false});
                self.json(200, json!({"ok": true, "result": bot}), marker)
            }
            ("getUpdates", Some(0)) | ("setMyCommands", _) => self.page(502, marker),
            ("getUpdates", Some(1)) => {
                let parameters = json!({"retry_after": 0});
                self.refusal(429, "Too Many Requests: retry after 0", &parameters, marker)
            }
            ("getUpdates", _) => self.json(200, json!({"ok": true, "result": self.updates()}), marker),
            ("sendMessage" | "editMessageText", _) if has_markup => {
                self.refusal(400, "Bad Request: can't parse entities", &Value::Null, marker)
            }
            ("sendMessage", _) => {
                let sent = json!({"message_id": 5, "date": 0, "text": self.text(), "chat": {"id": 7}});
                self.json(200, json!({"ok": true, "result": sent}), marker)
            }
            ("deleteMessage", _) => self.page(200, marker),
            _ => self.refusal(403, "Forbidden", &Value::Null, marker),
        }
    }

    fn updates(&self) -> Value {
        let id = self.update.fetch_add(1, Ordering::SeqCst);
        let person = json!({"id": 7, "is_bot": false, "first_name": self.text(), "username": "person"});
        let chat = json!({"id": 7, "type": "private", "first_name": self.text()});
        json!([{"update_id": id, "message": {"message_id": id, "date": 1, "from": person, "chat": chat,
            "text": self.text()}, "unknown": self.text()}])
    }

    fn refusal(&self, code: u16, words: &str, parameters: &Value, marker: &str) -> Answer {
        // The first words are all that is repeated to people.
        let spoken = self.spoken().join(" ");
        let description = format!("{words}: {spoken} {}", self.text());
        let answer =
            json!({"ok": false, "error_code": code, "description": description, "parameters": parameters});
        self.json(code, answer, marker)
    }

    fn json(&self, status: u16, mut answer: Value, marker: &str) -> Answer {
        for token in self.spoken() {
            answer[&token] = json!({"echo": self.text()});
        }
        answer["zz_marker"] = marker.into();
        let raw: Vec<_> = self.spoken().iter().map(|token| unicode(token)).collect();
        Answer(status, "application/json", answer.to_string().replace(RAW, &raw.join(" ")) + "\n")
    }

    fn page(&self, status: u16, marker: &str) -> Answer {
        let links: Vec<_> =
            self.spoken().iter().map(|token| format!("<a href=\"/bot{token}/x\">{token}</a>")).collect();
        let links = links.concat();
        let raw: Vec<_> = self.spoken().iter().map(|token| unicode(token)).collect();
        let text = self.text().replace(RAW, &raw.join(" "));
        let page = format!("<!doctype html><html>{links}<p>{text}</p><!-- {marker} --></html>\n");
        Answer(status, "text/html", page)
    }
}

/// The path of a request, and its body.
fn request(stream: &TcpStream) -> std::io::Result<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let header = |name: &str| {
        let value = lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        value.map(|(_, value)| value.trim().to_owned())
    };
    let mut body = Vec::new();
    if let Some(length) = header("content-length").and_then(|length| length.parse().ok()) {
        reader.take(length).read_to_end(&mut body)?;
    } else if header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut piece = vec![0; size + 2];
            reader.read_exact(&mut piece)?;
            body.extend_from_slice(&piece[..size]);
            if size == 0 {
                break;
            }
        }
    }
    Ok((path.to_owned(), serde_json::from_slice(&body).unwrap_or_default()))
}

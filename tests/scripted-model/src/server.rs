//! The server: one thread with its own runtime, so that tests with and without one can use it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::chunk::{self, Step};
use crate::request::{self, Recorded, refusal};
use crate::script::{Answer, Exchange, Form, Order, Reply, Script};

/// A running server. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

struct State {
    script: Script,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How many times each exchange was used.
    used: Vec<u32>,
    requests: Vec<Recorded>,
    mismatches: Vec<String>,
}

type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

impl Server {
    /// Starts a server on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port or no thread is to be had.
    pub fn start(script: Script) -> io::Result<Self> {
        Self::start_on(script, 0)
    }

    /// Starts a server on this port of the loopback address.
    ///
    /// # Errors
    /// When the port or a thread is not to be had.
    pub fn start_on(script: Script, port: u16) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let seen = Seen { used: vec![0; script.exchanges.len()], ..Seen::default() };
        let state = Arc::new(State { script, seen: Mutex::new(seen) });
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("scripted-model".to_owned()).spawn({
            let (state, stop) = (state.clone(), stop.clone());
            move || {
                runtime.block_on(stop.run_until_cancelled(serve(listener, state)));
            }
        })?;
        Ok(Self { address, state, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client is given as the base of the API.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request that came in, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.seen().requests.clone()
    }

    /// What was asked and did not fit the script, in order.
    pub fn mismatches(&self) -> Vec<String> {
        self.state.seen().mismatches.clone()
    }

    /// How many exchanges have not been used as often as the script says; those without end need one use.
    pub fn left(&self) -> usize {
        let seen = self.state.seen();
        let exchanges = self.state.script.exchanges.iter().zip(&seen.used);
        exchanges.filter(|(exchange, used)| **used < exchange.times.max(1)).count()
    }

    /// Panics unless every request fitted and the whole script was used.
    ///
    /// # Panics
    /// When a request did not fit, or some of the script is left.
    pub fn assert_finished(&self) {
        assert_eq!(self.mismatches(), Vec::<String>::new(), "requests that did not fit the script");
        assert_eq!(self.left(), 0, "exchanges of the script that were not used");
    }

    /// Waits until the thread ends, which it does when the process does.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exchange that answers, counted as used; or why there is none.
    fn next(&self, request: &Recorded, body: &Value) -> Result<Exchange, String> {
        let mut seen = self.seen();
        let mut why = "the script is over".to_owned();
        for (index, exchange) in self.script.exchanges.iter().enumerate() {
            if exchange.times != 0 && seen.used[index] >= exchange.times {
                continue;
            }
            match exchange.expect.difference(request, body) {
                None => {
                    seen.used[index] += 1;
                    return Ok(exchange.clone());
                }
                Some(difference) => why = format!("exchange {}: {difference}", index + 1),
            }
            // An exchange without end lets later ones have their turn.
            if self.script.order == Order::Strict && exchange.times != 0 {
                break;
            }
        }
        seen.mismatches.push(why.clone());
        Err(why)
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("the listener was set to non-blocking");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptors left, most likely: others are freed soon.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(state.clone(), request));
            // The other side may leave whenever it likes, and some scripts break the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Recorded {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: 0,
    };
    let response = route(&state, &parts.method, &request);
    state.seen().requests.push(Recorded { status: response.status().as_u16(), ..request });
    Ok(response)
}

fn route(state: &State, method: &Method, request: &Recorded) -> Response<Body> {
    if let Some(key) = &state.script.key
        && request.bearer() != Some(key)
    {
        return json_response(refusal(
            401,
            "invalid_request_error",
            "invalid_api_key",
            "Incorrect API key provided.",
        ));
    }
    match (method, request.path.as_str()) {
        (&Method::GET, "/v1/models") => models(&state.script),
        (&Method::POST, "/v1/chat/completions") => complete(state, request),
        _ => {
            let message = format!("Unknown request URL: {method} {}", request.path);
            json_response(refusal(404, "invalid_request_error", "unknown_url", &message))
        }
    }
}

fn models(script: &Script) -> Response<Body> {
    let scripted = ["scripted".to_owned()];
    let names = if script.models.is_empty() { &scripted[..] } else { &script.models[..] };
    let model = |name: &String| {
        let mut model = json!({"id": name, "object": "model", "created": 0, "owned_by": "script"});
        if let Some(takes) = script.images {
            let inputs: &[&str] = if takes { &["text", "image"] } else { &["text"] };
            model["architecture"] = json!({ "input_modalities": inputs });
        }
        model
    };
    let list: Vec<Value> = names.iter().map(model).collect();
    json_response((200, json!({"object": "list", "data": list})))
}

fn complete(state: &State, request: &Recorded) -> Response<Body> {
    let Ok(body) = serde_json::from_str::<Value>(&request.body) else {
        let message = "We could not parse the JSON body of your request.";
        return json_response(refusal(400, "invalid_request_error", "invalid_json", message));
    };
    if let Err(refused) = request::check(&body, &state.script.models) {
        state.seen().mismatches.push(format!("the service would refuse: {}", refused.1));
        return json_response(refused);
    }
    let exchange = match state.next(request, &body) {
        Ok(exchange) => exchange,
        Err(why) => return json_response(refusal(422, "script_error", "not_in_script", &why)),
    };
    let key = request.bearer().unwrap_or_default();
    let model = body["model"].as_str().unwrap_or_default();
    match &exchange.answer {
        Answer::Reply(reply) => fixed(reply, key),
        Answer::Say(says) if body["stream"] == true && !exchange.form.whole => {
            let steps = chunk::stream(says, model, key, &exchange.form);
            let pieces = pieces(steps, &exchange.form);
            respond(200, &exchange.form.content_type, write(pieces))
        }
        Answer::Say(says) => match chunk::whole(says, model, key) {
            Some(whole) => json_response((200, whole)),
            None => respond(200, "application/json", write(vec![Piece::Bytes(Bytes::from("{")), Piece::Cut])),
        },
    }
}

fn fixed(reply: &Reply, key: &str) -> Response<Body> {
    let body = Bytes::from(reply.body.replace("{key}", key));
    let mut response = respond(reply.status, &reply.content_type, write(vec![Piece::Bytes(body)]));
    for (name, value) in &reply.headers {
        let name: http::HeaderName = name.parse().expect("a script names valid headers");
        response.headers_mut().insert(name, value.parse().expect("a script has valid header values"));
    }
    response
}

fn json_response((status, body): (u16, Value)) -> Response<Body> {
    respond(status, "application/json", write(vec![Piece::Bytes(Bytes::from(body.to_string()))]))
}

fn respond(status: u16, content_type: &str, body: Body) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-request-id", "req_scripted")
        .body(body)
        .expect("a script has valid statuses and content types")
}

/// What goes to the connection.
enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    Cut,
    Hang,
}

fn pieces(steps: Vec<Step>, form: &Form) -> Vec<Piece> {
    let end = if form.crlf { "\r\n" } else { "\n" };
    let space = if form.space { " " } else { "" };
    let comment = if form.comments { format!(": still here{end}{end}") } else { String::new() };
    let last = steps.len().saturating_sub(1);
    let mut pieces = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        let text = match step {
            Step::Event(data) => {
                let blank = if index < last || form.last_blank { end } else { "" };
                format!("{comment}data:{space}{data}{end}{blank}")
            }
            Step::Bytes(bytes) => bytes,
            Step::Pause(milliseconds) => {
                pieces.push(Piece::Pause(Duration::from_millis(milliseconds)));
                continue;
            }
            Step::Cut => {
                pieces.push(Piece::Cut);
                continue;
            }
            Step::Hang => {
                pieces.push(Piece::Hang);
                continue;
            }
        };
        for part in text.as_bytes().chunks(form.split.unwrap_or(usize::MAX).max(1)) {
            pieces.push(Piece::Bytes(Bytes::copy_from_slice(part)));
            if form.drip > 0 {
                pieces.push(Piece::Pause(Duration::from_millis(form.drip)));
            }
        }
    }
    pieces
}

fn write(pieces: Vec<Piece>) -> Body {
    let stream = futures::stream::iter(pieces).filter_map(|piece| async move {
        match piece {
            Piece::Bytes(bytes) => Some(Ok(Frame::data(bytes))),
            Piece::Pause(time) => {
                tokio::time::sleep(time).await;
                None
            }
            // What was said so far has to reach the wire before the connection breaks.
            Piece::Cut => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(Err(io::Error::other("the script breaks the connection")))
            }
            Piece::Hang => std::future::pending().await,
        }
    });
    StreamBody::new(stream.boxed())
}

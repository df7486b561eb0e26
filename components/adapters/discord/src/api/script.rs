//! A script in the place of the API.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde_json::json;

use super::*;

/// Answers in order; keeps what it was asked.
pub(crate) struct Script {
    base: Url,
    answers: RefCell<VecDeque<Result<Answer, Failure>>>,
    /// What was asked.
    pub(crate) asked: RefCell<Vec<Call>>,
    /// What was fetched.
    pub(crate) fetched: RefCell<Vec<Url>>,
}

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<Answer, Failure>>) -> Self {
        let base = Url::parse("https://discord.com/api/v10").expect("an address");
        let answers = RefCell::new(answers.into_iter().collect());
        Self { base, answers, asked: RefCell::default(), fetched: RefCell::default() }
    }

    pub(crate) fn at(mut self, base: &str) -> Self {
        self.base = Url::parse(base).expect("an address");
        self
    }

    fn next(&self) -> Result<Answer, Failure> {
        self.answers.borrow_mut().pop_front().expect("an answer for every call")
    }

    /// Each call as `METHOD path`, with `?` and the values behind the path where there are any.
    pub(crate) fn lines(&self) -> Vec<String> {
        let query = |call: &Call| {
            let pairs: Vec<_> = call.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
        };
        let line = |call: &Call| format!("{} {}{}", call.method, call.path.join("/"), query(call));
        self.asked.borrow().iter().map(line).collect()
    }

    /// The JSON of a call.
    pub(crate) fn body(&self, index: usize) -> Value {
        match &self.asked.borrow()[index].content {
            Content::Nothing => Value::Null,
            Content::Json(value) | Content::Form(value, _) => value.clone(),
        }
    }
}

impl Exchange for Script {
    fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        self.asked.borrow_mut().push(call.clone());
        self.next()
    }

    fn fetch(&self, url: &Url, limit: u64) -> Result<Option<Answer>, Failure> {
        self.fetched.borrow_mut().push(url.clone());
        self.next().map(|answer| (answer.body.len() as u64 <= limit).then_some(answer))
    }

    fn base(&self) -> &Url {
        &self.base
    }
}

impl Exchange for &Script {
    fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        (*self).exchange(call)
    }

    fn fetch(&self, url: &Url, limit: u64) -> Result<Option<Answer>, Failure> {
        (*self).fetch(url, limit)
    }

    fn base(&self) -> &Url {
        (*self).base()
    }
}

/// An answer with this JSON.
#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
pub(crate) fn ok(value: &Value) -> Result<Answer, Failure> {
    Ok(Answer { status: 200, headers: vec![], body: value.to_string().into_bytes() })
}

/// An answer without a body.
#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
pub(crate) fn done() -> Result<Answer, Failure> {
    Ok(Answer { status: 204, ..Answer::default() })
}

/// An answer that is an error of Discord's.
#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
pub(crate) fn refused(status: u16, code: u64) -> Result<Answer, Failure> {
    let body = json!({ "code": code, "message": "no" }).to_string().into_bytes();
    Ok(Answer { status, headers: vec![], body })
}

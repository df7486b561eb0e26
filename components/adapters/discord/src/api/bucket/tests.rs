//! What is asked while a bucket is empty, and what is not.

use reqwest::Method;
use serde_json::json;

use super::super::script::{Script, done, ok};
use super::super::{Reply, call as plainly};
use super::*;

fn edit(channel: &str, message: &str) -> Call {
    Call::new(Method::PATCH, &["channels", channel, "messages", message])
}

fn answer_in(call: &Call) -> Call {
    let path: Vec<_> = call.path.iter().map(String::as_str).collect();
    Call::new(call.method.clone(), &path).anonymous()
}

fn call(script: &Script, call: &Call) -> Result<Reply, Failure> {
    plainly(&Mindful(script), call)
}

/// An answer that empties its bucket for so many seconds.
fn last(seconds: &str) -> Result<Answer, Failure> {
    let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-after", seconds)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Ok(Answer { headers, ..ok(&json!({}))? })
}

#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
fn refused(global: bool) -> Result<Answer, Failure> {
    let body = json!({ "message": "wait", "retry_after": 60.0, "global": global }).to_string().into_bytes();
    Ok(Answer { status: 429, body, ..Answer::default() })
}

/// Whether Discord was asked, and else how long to wait and whether for everything.
#[track_caller]
fn check(asked: &Call, expected: Option<bool>) {
    let api = Script::new([done()]);
    let got = call(&api, asked);
    let wait = match &got {
        Ok(_) => None,
        Err(Failure::Limited(limit)) => {
            assert!((1..=60_000).contains(&limit.retry_after), "{limit:?}");
            Some(limit.global)
        }
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!((wait, api.lines().len()), (expected, usize::from(expected.is_none())), "{asked:?}");
}

#[test]
fn what_a_bucket_has_no_room_for_is_not_asked() {
    check(&edit("9", "1"), None);
    call(&Script::new([last("60")]), &edit("9", "1")).expect("the last one");
    check(&edit("9", "1"), Some(false));
    check(&edit("9", "2"), Some(false));
    for other in [
        edit("10", "1"),
        Call::new(Method::DELETE, &["channels", "9", "messages", "1"]),
        Call::new(Method::POST, &["channels", "9", "messages"]),
        Call::new(Method::POST, &["channels", "9", "typing"]),
    ] {
        check(&other, None);
    }
    // The end of the span.
    kv::set(KEY, json!({ name(&edit("9", "1")): Span { from: 0, until: now() } }).to_string().as_bytes())
        .expect("stored");
    check(&edit("9", "1"), None);
}

#[test]
fn a_refusal_is_kept_for_its_bucket_or_for_everything() {
    let refuse = |global| call(&Script::new([refused(global)]), &edit("9", "1")).expect_err("a refusal");
    refuse(false);
    check(&edit("9", "2"), Some(false));
    check(&edit("10", "2"), None);
    refuse(false);
    kv::delete(KEY).expect("there is a store");
    refuse(true);
    check(&edit("10", "2"), Some(true));
    // What has a token of its own takes from no other's (Receiving and Responding).
    check(&answer_in(&edit("10", "2")), None);
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait() {
    let ahead = Span { from: now() + 3_600_000, until: now() + 3_660_000 };
    kv::set(KEY, json!({ name(&edit("9", "1")): ahead }).to_string().as_bytes()).expect("stored");
    check(&edit("9", "1"), None);
    kv::set(KEY, b"what another version kept").expect("stored");
    check(&edit("9", "1"), None);
}

#[test]
fn only_so_many_are_kept_and_no_token_is() {
    let token = "aW50ZXJhY3Rpb246ODQ1NTU0Mjk2NjI5MDY5ODU0";
    let followed = Call::new(Method::POST, &["webhooks", "8", token]).anonymous();
    call(&Script::new([last("1")]), &followed).expect("sent");
    check(&followed, Some(false));
    assert!(!String::from_utf8(kv::get(KEY).expect("a store").expect("kept")).expect("text").contains(token));
    for channel in 1..=MOST {
        call(&Script::new([last("60")]), &edit(&channel.to_string(), "1")).expect("the last one");
    }
    assert_eq!(read().map(|buckets| buckets.len()), Some(MOST));
    check(&followed, None);
    check(&edit("1", "1"), Some(false));
}

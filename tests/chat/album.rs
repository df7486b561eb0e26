//! Albums, which Telegram gives as one message for each picture: one question, and one answer that saw all of it.

use openpact_fake_telegram::{Chat, Sent};
use serde_json::{Value, json};

use super::reach::POINT;
use super::stage::{ANYTHING, Stage};

/// An answer for whoever sees so many images with this text.
fn sees(text: &str, images: usize, answer: &str) -> Value {
    json!({"times": 0, "expect": {"last-contains": [text], "images": images}, "say": [{"text": answer}]})
}

fn script() -> Vec<Value> {
    vec![
        // The question before the change is in the conversation with its images.
        sees("how many are now there", 4, "Two, now."),
        sees("how many are there", 3, "Three."),
        sees("how many come apart", 3, "Three in two pieces."),
        sees("who is late", 2, "Two."),
        sees("how many do we see", 2, "We see two."),
    ]
}

#[test]
fn an_album_is_one_question() {
    let stage = Stage::start(script(), "", "");
    let chat = stage.owner_chat();
    assert_eq!(whole(&stage, &chat).text, "Three.");
    // Images of before are in the conversation for a while.
    let begin_anew = || stage.ask(&chat, &stage.owner, "/new");
    begin_anew();
    let two = stage.answer(&chat, || {
        chat.album(&stage.owner, "how many come apart?", &[POINT; 3]).send_in_two(1);
    });
    assert_eq!(two.text, "Three in two pieces.");
    assert_eq!(stage.asked("how many come apart").len(), 1);
    begin_anew();
    what_comes_too_late_is_a_question_of_its_own(&stage, &chat);
    begin_anew();
    a_caption_that_is_changed_is_asked_again(&stage, &chat);
    in_a_group_the_caption_says_whether_it_is_for_the_bot(&stage);
    stage.end();
}

fn whole(stage: &Stage, chat: &Chat) -> Sent {
    let mut asked = vec![];
    let said = stage.answer(chat, || {
        asked = chat.album(&stage.owner, "how many are there?", &[POINT; 3]).send();
    });
    assert_eq!(said.reply_to, Some(asked[0].message_id));
    assert_eq!(stage.asked("how many are there").len(), 1);
    said
}

fn what_comes_too_late_is_a_question_of_its_own(stage: &Stage, chat: &Chat) {
    let before = chat.sent().len();
    let mut album = chat.album(&stage.owner, "who is late?", &[POINT; 3]);
    album.send_some(2);
    assert_eq!(stage.nth(chat, before).text, "Two.");
    let late = album.send();
    let said = stage.nth(chat, before + 1);
    assert_eq!((said.text.as_str(), said.reply_to), (ANYTHING, Some(late[0].message_id)));
}

fn a_caption_that_is_changed_is_asked_again(stage: &Stage, chat: &Chat) {
    let before = chat.sent().len();
    let album = chat.album(&stage.owner, "a caption with a mistake", &[POINT; 2]).send();
    assert_eq!(stage.nth(chat, before).text, ANYTHING);
    chat.edit(album[0].message_id, "how many are now there?");
    assert_eq!(stage.nth(chat, before + 1).text, "Two, now.");
}

fn in_a_group_the_caption_says_whether_it_is_for_the_bot(stage: &Stage) {
    let group = stage.bot.supergroup(-100_500, "Friends");
    group.album(&stage.owner, "what nobody asked the bot", &[POINT; 2]).send();
    let caption = format!("@{} how many do we see?", stage.bot.username());
    group.album(&stage.owner, &caption, &[POINT; 2]).send();
    assert_eq!(stage.nth(&group, 0).text, "We see two.");
    stage.ask(&group, &stage.owner, &format!("@{} and now?", stage.bot.username()));
    assert_eq!(group.sent().len(), 2);
    assert!(stage.asked("what nobody asked").is_empty());
}

//! Marks that are kept in the store of the test's thread.

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// A time so many seconds after a moment that is not long ago.
fn at(seconds: u64) -> Stamp {
    Stamp::now().before(Duration::from_secs(7_200 - seconds))
}

#[test]
fn only_what_slack_does_not_send_again_is_done_with() {
    let mut marks = Marks::default();
    assert!(marks.heard("C1", at(3_000)));
    assert!(!marks.heard("C1", at(3_600)));
    // Out of order: never back.
    assert!(!marks.heard("C1", at(3_100)));
    assert_eq!(marks.after("C1"), None);
    assert_eq!(marks.fall_behind(), ["C1"]);
    let after = marks.after("C1").expect("behind");
    assert!(after > at(3_600 - 601) && after < at(3_600 - 599), "{after}");
}

#[test]
fn who_is_behind_stays_so_while_others_go_on() {
    let mut marks = Marks::default();
    marks.heard("C1", at(1_000));
    marks.heard("C2", at(1_010));
    marks.fall_behind();
    let before = marks.after("C1");
    marks.caught_up("C2");
    marks.heard("C1", at(5_000));
    marks.heard("C2", at(5_001));
    assert_eq!((marks.after("C1"), marks.after("C2")), (before, None));
    // Furthest behind first; else where something was said last.
    assert_eq!(marks.fall_behind(), ["C1", "C2"]);
    marks.caught_up("C1");
    assert_eq!(marks.fall_behind(), ["C2", "C1"]);
    marks.advance("C1", at(4_990));
    marks.advance("C1", at(4_980));
    assert_eq!(marks.after("C1").map(|after| after > at(4_985)), Some(true));
    marks.forget("C1");
    assert_eq!((marks.after("C1"), marks.fall_behind()), (None, vec!["C2".to_owned()]));
}

#[test]
fn what_is_older_than_a_day_is_not_read() {
    let mut marks = Marks::default();
    marks.heard("C1", Stamp::now().before(3 * DAY));
    marks.fall_behind();
    let after = marks.after("C1").expect("behind");
    assert!(after >= Stamp::now().before(DAY + Duration::from_secs(5)) && after <= Stamp::now().before(DAY));
}

#[test]
fn a_conversation_that_was_not_known_is_behind_but_the_first_one() {
    let mut marks = Marks::default();
    marks.heard("C1", at(1_000));
    assert_eq!(marks.after("C1"), None, "before the first message nothing can have been missed");
    marks.heard("C2", at(2_000));
    assert!(marks.after("C2").expect("behind") < at(1_000 - 599));
}

#[test]
fn conversations_and_threads_are_bounded() {
    let mut marks = Marks::default();
    for number in 0..=CONVERSATIONS as u64 {
        marks.heard(&format!("C{number}"), at(number + 1));
    }
    assert_eq!((marks.known.len(), marks.known.contains_key("C0")), (CONVERSATIONS, false));
    assert!(marks.known.contains_key("C1"));
    for number in 0..=THREADS as u64 {
        marks.spoke("C1", at(number), at(number));
    }
    assert_eq!(marks.threads("C1").len(), THREADS);
    assert!(!marks.threads("C1").iter().any(|(_, last)| *last <= at(0)));
    // All of it is far smaller than the room that there is.
    marks.fall_behind();
    assert!(json!(marks).to_string().len() < 100_000);
}

#[test]
fn a_thread_is_told_at_once_where_no_history_tells_of_it() {
    let mut marks = Marks::default();
    marks.heard("C1", at(2_000));
    assert!(!marks.spoke("C1", at(1_500), at(1_990)));
    let root = at(1_000);
    assert!(marks.spoke("C1", root, at(1_991)));
    assert!(!marks.spoke("C1", root, at(1_992)), "once");
    marks.spoke("C1", at(900), Stamp::now().before(2 * DAY));
    assert_eq!(marks.threads("C1").len(), 2, "nothing was said in the third for long");
}

#[test]
fn it_is_kept_for_each_account() {
    let mut marks = Marks::load("U1", []);
    marks.heard("C1", at(1_000));
    marks.spoke("C1", at(900), at(1_000));
    assert_eq!(marks.begin_trial("C1", at(900)), 1);
    marks.save("U1");
    let mut again = Marks::load("U1", []);
    assert_eq!(again, marks);
    assert_eq!(Marks::load("U2", []), Marks::default());
    // A trial that was begun and did not come to its end counts.
    let first = again.trial.clone().expect("a trial").first;
    assert_eq!(again.begin_trial("C1", first), 2);
    assert_eq!(again.begin_trial("C2", first), 1);
    again.end_trial();
    assert_eq!(again.begin_trial("C2", first), 1);
    thread::keep("missed/U1", b"nonsense");
    assert_eq!(Marks::load("U1", []), Marks::default());
}

#[test]
fn what_the_settings_name_counts_from_then_on() {
    let (old, new) = ("C1".to_owned(), "C2".to_owned());
    let marks = Marks::load("U1", [&old]);
    let since = marks.named["C1"];
    let again = Marks::load("U1", [&old, &new]);
    assert_eq!(again.named["C1"], since);
    assert!(again.was_named("C1", Stamp::now()) && !again.was_named("C1", since));
    assert!(!again.was_named("C2", since) && !again.was_named("C3", Stamp::now()));
    assert!(Marks::load("U1", []).named.is_empty());
}

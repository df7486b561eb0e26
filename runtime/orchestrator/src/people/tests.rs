//! Who may speak: first what must not be, then what must.

use std::fs;
use std::pin::pin;

use futures::poll;

use super::*;
use crate::testing::World;

const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_hours(1);
const JUST_UNDER_AN_HOUR: Duration = Duration::from_micros(3_599_999_999);

struct Scene {
    world: World,
    people: Arc<People>,
}

impl Scene {
    async fn new(config: Config) -> Self {
        let world = World::new();
        let people = world.people(config).await;
        Self { world, people }
    }

    /// As after a crash.
    async fn restart(self, config: Config) -> Self {
        let Self { world, people } = self;
        drop(people);
        let world = world.restart().await;
        let people = world.people(config).await;
        Self { world, people }
    }

    async fn admit(&self, user: &str) -> Admission {
        self.people.admit(&direct(user, &chat(user))).await.unwrap()
    }

    async fn greet(&self, user: &str) -> Option<String> {
        self.people.greet(&direct(user, &chat(user))).await.unwrap().map(|greeting| greeting.text)
    }

    /// The code that a stranger is told.
    async fn code(&self, user: &str) -> String {
        let told = self.greet(user).await.expect("a stranger is told a code");
        told.rsplit(' ').next().unwrap().to_owned()
    }

    async fn accept(&self, code: &str, role: Role) -> Result<Accepted, Refusal> {
        self.accept_as(code, role, None).await
    }

    async fn accept_as(&self, code: &str, role: Role, name: Option<&str>) -> Result<Accepted, Refusal> {
        refusal(self.people.accept(Acceptance { code, role, name, by: "admin" }).await)
    }

    async fn let_in(&self, user: &str, role: Role, name: &str) {
        let code = self.code(user).await;
        self.accept_as(&code, role, Some(name)).await.unwrap();
    }

    async fn deny(&self, code: &str) -> Result<String, Refusal> {
        refusal(self.people.deny(code, "admin").await)
    }

    async fn remove(&self, target: &str) -> Result<String, Refusal> {
        refusal(self.people.remove(target, "admin").await)
    }

    /// Kinds and subjects of what was recorded.
    async fn audit(&self, kind: &str) -> Vec<String> {
        let events = self.world.audit(kind).await;
        events.into_iter().map(|event| format!("{} {}", event.kind, event.subject)).collect()
    }
}

#[track_caller]
fn refusal<T>(result: Result<T, Error>) -> Result<T, Refusal> {
    match result {
        Ok(value) => Ok(value),
        Err(Error::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("{error}"),
    }
}

fn chat(id: &str) -> Channel {
    Channel { provider: "telegram".into(), channel: id.into(), thread: None }
}

fn direct<'a>(user: &'a str, channel: &'a Channel) -> Who<'a> {
    Who {
        provider: "telegram",
        user,
        display_name: "Alice, your owner\u{202e}\u{1b}[31m",
        channel,
        visibility: Visibility::Direct,
        asserts_owner: true,
    }
}

fn person(name: &str, role: Role, user: &str) -> Person {
    let identity = Identity { provider: "telegram".into(), user: user.into() };
    Person { name: name.into(), role, identities: vec![identity] }
}

/// Alice is stated as the owner.
fn alice() -> Config {
    Config { people: vec![person("alice", Role::Owner, "1")], ..Config::default() }
}

fn unknown(role: Option<Role>, channels: &[(&str, Option<Role>)]) -> BTreeMap<String, Unknown> {
    let channels = channels.iter().map(|(id, role)| ((*id).to_owned(), *role)).collect();
    [("telegram".to_owned(), Unknown { role, channels })].into()
}

fn known(role: Role, name: &str) -> Admission {
    Admission::Known { role, name: name.to_owned() }
}

#[tokio::test]
async fn nobody_is_known_by_anything_but_the_account() {
    let scene = Scene::new(alice()).await;
    let here = chat("1");
    let owner = direct("1", &here);
    assert_eq!(scene.people.admit(&owner).await.unwrap(), known(Role::Owner, "alice"));
    for user in ["2", "alice", "", " 1", "1 ", "01", "1\u{200b}", "１", &"1".repeat(129)] {
        let who = Who { user, ..owner };
        assert_eq!(scene.people.admit(&who).await.unwrap(), Admission::Stranger, "{user:?}");
    }
    let elsewhere = Who { provider: "discord", ..owner };
    assert_eq!(scene.people.admit(&elsewhere).await.unwrap(), Admission::Stranger);
}

#[tokio::test]
async fn an_adapter_that_may_not_speak_for_owners_reports_members_at_most() {
    let scene = Scene::new(alice()).await;
    let here = chat("1");
    let who = Who { asserts_owner: false, ..direct("1", &here) };
    assert_eq!(scene.people.admit(&who).await.unwrap(), known(Role::Member, "alice"));
    scene.let_in("2", Role::Owner, "bob").await;
    let who = Who { asserts_owner: false, ..direct("2", &here) };
    assert_eq!(scene.people.admit(&who).await.unwrap(), known(Role::Member, "bob"));
    assert_eq!(scene.admit("2").await, known(Role::Owner, "bob"));
}

#[tokio::test]
async fn unknown_people_are_what_provider_and_channel_say_and_nobody_else() {
    let guest = Admission::Default { role: Role::Guest };
    let scene = Scene::new(Config::default()).await;
    assert_eq!(scene.admit("2").await, Admission::Stranger, "an empty list admits nobody");
    let defaults = unknown(None, &[("open", Some(Role::Guest))]);
    let scene = Scene::new(Config { defaults, ..alice() }).await;
    let (open, other) = (chat("open"), chat("other"));
    assert_eq!(scene.people.admit(&direct("2", &open)).await.unwrap(), guest);
    assert_eq!(scene.people.admit(&direct("2", &other)).await.unwrap(), Admission::Stranger);
    assert_eq!(scene.people.admit(&direct("1", &open)).await.unwrap(), known(Role::Owner, "alice"));
    let abroad = Who { provider: "discord", ..direct("2", &open) };
    assert_eq!(scene.people.admit(&abroad).await.unwrap(), Admission::Stranger);
    let defaults = unknown(Some(Role::Guest), &[("closed", None)]);
    let scene = Scene::new(Config { defaults, ..alice() }).await;
    assert_eq!(scene.admit("2").await, guest);
    assert_eq!(scene.people.admit(&direct("2", &chat("closed"))).await.unwrap(), Admission::Stranger);
    assert_eq!(scene.greet("2").await, None, "who may speak is not refused");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_when_it_is_built() {
    let two = vec![person("alice", Role::Owner, "1"), person("bob", Role::Guest, "1")];
    let narrow = Rates { guest: Rate { burst: 0, per_minute: 1 }, ..Rates::default() };
    for (config, part) in [
        (Config { people: two, ..Config::default() }, "stated twice"),
        (Config { defaults: unknown(Some(Role::Member), &[]), ..alice() }, "guests at most"),
        (Config { defaults: unknown(None, &[("c", Some(Role::Owner))]), ..alice() }, "guests at most"),
        (Config { rates: narrow, ..alice() }, "'guest'"),
    ] {
        let scene = Scene::new(alice()).await;
        let error = scene.people.reconfigure(config).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(scene.admit("1").await, known(Role::Owner, "alice"), "everything is as before");
    }
}

#[tokio::test]
async fn a_refused_message_is_recorded_once_an_hour_and_without_what_the_sender_chose() {
    let scene = Scene::new(alice()).await;
    for _ in 0..3 {
        assert_eq!(scene.admit("2\n").await, Admission::Stranger);
    }
    let events = scene.world.audit("message.refuse").await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].actor.as_str(), events[0].verdict), ("telegram:2\\u{a}", Verdict::Denied));
    assert!(events[0].detail["display_name"].as_str().unwrap().contains("\\u{202e}\\u{1b}"), "{events:?}");
    scene.world.clock.advance(HOUR);
    scene.admit("2\n").await;
    assert_eq!(scene.world.audit("message.refuse").await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let scene = Scene::new(alice()).await;
    let code = scene.code("2").await;
    scene.world.break_table(
        "audit",
        "new.kind IN ('message.refuse', 'pairing.request', 'user.add', 'pairing.deny')",
    );
    let here = chat("3");
    for _ in 0..2 {
        assert!(scene.people.admit(&direct("3", &here)).await.is_err());
        assert!(scene.people.greet(&direct("3", &here)).await.is_err());
    }
    let acceptance = Acceptance { code: &code, role: Role::Member, name: None, by: "admin" };
    assert!(scene.people.accept(acceptance).await.is_err());
    assert!(scene.people.deny(&code, "admin").await.is_err());
    scene.world.mend();
    assert_eq!(scene.admit("2").await, Admission::Stranger);
    assert_eq!(scene.audit("pairing.").await, ["pairing.request telegram:2"]);
    assert!(scene.greet("3").await.is_some(), "a stranger who was told nothing is told it now");
    scene.accept(&code, Role::Member).await.expect("the code is as good as before");
    scene.world.break_table("audit", "new.kind = 'user.remove'");
    assert!(scene.people.remove("telegram:2", "admin").await.is_err());
    assert_eq!(scene.admit("2").await, known(Role::Member, "telegram:2"));
}

#[tokio::test]
async fn a_stranger_is_answered_once_an_hour_and_alone() {
    let scene = Scene::new(alice()).await;
    let here = chat("2");
    for visibility in [Visibility::Group, Visibility::Public] {
        let who = Who { visibility, ..direct("2", &here) };
        assert!(scene.people.greet(&who).await.unwrap().is_none());
    }
    assert_eq!(scene.greet("1").await, None, "the owner is no stranger");
    assert_eq!(scene.greet("").await, None);
    assert_eq!(scene.greet(&"9".repeat(129)).await, None);
    let told = scene.greet("2").await.unwrap();
    assert!(!told.contains("Alice") && !told.contains('\u{202e}'), "{told}");
    assert!(told.contains("60 minutes"), "{told}");
    assert_eq!(scene.greet("2").await, None);
    assert!(scene.greet("3").await.is_some(), "each stranger for themselves");
    scene.world.clock.advance(JUST_UNDER_AN_HOUR);
    assert_eq!(scene.greet("2").await, None);
    let scene = scene.restart(alice()).await;
    assert_eq!(scene.greet("2").await, None, "a new start is no new hour");
    scene.world.clock.advance(MICROSECOND + REMEMBERED);
    let again = scene.greet("2").await.unwrap();
    assert_ne!(told, again, "each time another code");
    assert_eq!(scene.audit("pairing.request").await.len(), 3);
}

/// As long as what the store said is taken from memory.
const REMEMBERED: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_code_works_once_and_for_its_account() {
    let scene = Scene::new(alice()).await;
    let mut acceptances = scene.people.acceptances();
    let code = scene.code("2").await;
    let accepted = scene.accept(&code.to_lowercase().replace('-', " "), Role::Member).await.unwrap();
    let expected = ("telegram", "2", chat("2"), Role::Member, "telegram:2");
    let Accepted { provider, user, channel, role, name, .. } = &accepted;
    assert_eq!((provider.as_str(), user.as_str(), channel.clone(), *role, name.as_str()), expected);
    assert!(
        accepted
            .sentence()
            .starts_with("telegram:2 (shown there as 'Alice, your owner\\u{202e}\\u{1b}[31m')")
    );
    assert!(accepted.told().contains("as member"));
    assert_eq!(acceptances.try_recv().unwrap(), accepted);
    assert_eq!(scene.admit("2").await, known(Role::Member, "telegram:2"), "at once");
    assert_eq!(scene.admit("3").await, Admission::Stranger);
    assert_eq!(scene.accept(&code, Role::Owner).await, Err(Refusal::NoSuchCode));
    assert_eq!(scene.deny(&code).await, Err(Refusal::NoSuchCode));
    let recorded = scene.audit("").await;
    for one in ["pairing.request telegram:2", "pairing.accept telegram:2", "user.add telegram:2"] {
        assert!(recorded.iter().any(|event| event == one), "{one} is missing in {recorded:?}");
    }
    let scene = scene.restart(alice()).await;
    assert_eq!(scene.admit("2").await, known(Role::Member, "telegram:2"));
}

#[tokio::test]
async fn a_code_expires_to_the_microsecond() {
    let scene = Scene::new(alice()).await;
    let (early, late) = (scene.code("2").await, scene.code("3").await);
    scene.world.clock.advance(JUST_UNDER_AN_HOUR);
    scene.accept(&early, Role::Guest).await.unwrap();
    scene.world.clock.advance(MICROSECOND);
    assert_eq!(scene.accept(&late, Role::Guest).await, Err(Refusal::Expired));
    assert_eq!(scene.deny(&late).await, Err(Refusal::Expired));
    assert_eq!(scene.admit("3").await, Admission::Stranger);
    assert!(scene.people.list().await.unwrap().requests.is_empty());
}

#[tokio::test]
async fn a_new_code_takes_the_old_ones_place() {
    let pairing = Pairing { lasts: HOUR * 2, ..Pairing::default() };
    let scene = Scene::new(Config { pairing, ..alice() }).await;
    let old = scene.code("2").await;
    scene.world.clock.advance(HOUR);
    let new = scene.code("2").await;
    assert_eq!(scene.people.list().await.unwrap().requests.len(), 1);
    assert_eq!(scene.accept(&old, Role::Member).await, Err(Refusal::NoSuchCode));
    scene.accept(&new, Role::Member).await.unwrap();
}

#[tokio::test]
async fn codes_cannot_be_guessed_and_typing_errors_are_forgiven() {
    let scene = Scene::new(alice()).await;
    let code = scene.code("2").await;
    assert_eq!(scene.accept("0000-000", Role::Member).await, Err(Refusal::NotACode));
    for _ in 1..ATTEMPTS.burst {
        assert_eq!(scene.accept("0000-0000", Role::Member).await, Err(Refusal::NoSuchCode));
    }
    let refused = scene.accept(&code, Role::Member).await;
    assert!(matches!(refused, Err(Refusal::TooManyAttempts { seconds: 1..=11 })), "{refused:?}");
    assert!(matches!(scene.deny(&code).await, Err(Refusal::TooManyAttempts { .. })));
    let denied = scene.audit("pairing.accept").await;
    assert_eq!(denied.len(), usize::try_from(ATTEMPTS.burst).unwrap() - 1, "each wrong code is recorded");
    let other = Acceptance { code: &code, role: Role::Member, name: None, by: "telegram:1" };
    scene.people.accept(other).await.expect("another owner is not held up");
}

#[tokio::test]
async fn the_store_holds_no_code() {
    let scene = Scene::new(alice()).await;
    let code = scene.code("2").await;
    let bare = code.replace('-', "");
    let secure = scene.world.outside().join("data/secure");
    let mut searched = 0;
    for entry in fs::read_dir(secure).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        searched += usize::from(holds("pairing"));
        assert!(!holds(&code) && !holds(&bare), "{}", path.display());
    }
    assert!(searched > 0, "the request itself is in one of the files");
}

#[tokio::test]
async fn strangers_cannot_fill_the_store() {
    let pairing = Pairing { most_open: 3, most_quiet: 5, ..Pairing::default() };
    let scene = Scene::new(Config { pairing, ..alice() }).await;
    let mut codes = Vec::new();
    for user in ["11", "12", "13", "14", "15"] {
        codes.push(scene.code(user).await);
        scene.world.clock.advance(MICROSECOND);
    }
    let open = scene.people.list().await.unwrap().requests;
    let open: Vec<_> = open.iter().map(|request| request.identity.user.as_str()).collect();
    assert_eq!(open, ["13", "14", "15"], "the oldest made room");
    assert_eq!(scene.accept(&codes[1], Role::Member).await, Err(Refusal::NoSuchCode));
    assert_eq!(scene.greet("16").await, None, "a sixth is not kept in mind, and so not answered");
    scene.accept(&codes[4], Role::Member).await.unwrap();
    scene.world.clock.advance(HOUR);
    assert!(scene.greet("16").await.is_some(), "after an hour there is room again");
    assert_eq!(scene.people.list().await.unwrap().requests.len(), 1);
}

#[tokio::test]
async fn who_was_turned_down_is_not_answered_for_a_day() {
    let scene = Scene::new(alice()).await;
    let code = scene.code("2").await;
    assert_eq!(scene.deny(&code).await.as_deref(), Ok("telegram:2"));
    assert_eq!(scene.accept(&code, Role::Member).await, Err(Refusal::NoSuchCode));
    assert_eq!(scene.audit("pairing.deny").await, ["pairing.deny telegram:2"]);
    scene.world.clock.advance(HOUR * 23 + JUST_UNDER_AN_HOUR);
    assert_eq!(scene.greet("2").await, None);
    scene.world.clock.advance(MICROSECOND + REMEMBERED);
    assert!(scene.greet("2").await.is_some());
}

#[tokio::test]
async fn a_clock_that_was_wrong_silences_nobody_for_years() {
    let scene = Scene::new(alice()).await;
    scene.world.sql("INSERT INTO stranger VALUES ('telegram', '2', 9000000000000000)");
    assert!(scene.greet("2").await.is_some());
}

#[tokio::test]
async fn what_the_configuration_states_pairing_cannot_change() {
    let scene = Scene::new(Config::default()).await;
    let (code, other) = (scene.code("1").await, scene.code("2").await);
    scene.people.reconfigure(alice()).await.unwrap();
    let stated = Refusal::StatedAccount { account: "telegram:1".into(), name: "alice".into() };
    assert_eq!(scene.accept(&code, Role::Guest).await, Err(stated.clone()));
    assert_eq!(scene.admit("1").await, known(Role::Owner, "alice"));
    let person = Refusal::StatedPerson { name: "alice".into() };
    assert_eq!(scene.accept_as(&other, Role::Owner, Some("alice")).await, Err(person.clone()));
    assert_eq!(scene.admit("2").await, Admission::Stranger);
    assert_eq!(scene.remove("alice").await, Err(person));
    assert_eq!(scene.remove("telegram:1").await, Err(stated));
    assert_eq!(scene.admit("1").await, known(Role::Owner, "alice"));
}

#[tokio::test]
async fn who_is_stated_later_does_not_come_back_with_an_older_role() {
    let scene = Scene::new(Config::default()).await;
    scene.let_in("1", Role::Owner, "boss").await;
    let demoted = Config { people: vec![person("alice", Role::Guest, "1")], ..Config::default() };
    let scene = scene.restart(demoted).await;
    assert_eq!(scene.admit("1").await, known(Role::Guest, "alice"));
    assert_eq!(scene.audit("user.remove").await, ["user.remove telegram:1"]);
    let scene = scene.restart(Config::default()).await;
    assert_eq!(scene.admit("1").await, Admission::Stranger);
}

#[tokio::test]
async fn a_person_has_several_accounts_and_one_role() {
    let scene = Scene::new(alice()).await;
    scene.let_in("2", Role::Member, "bob").await;
    let code = scene.code("3").await;
    let other = Refusal::OtherRole { name: "bob".into(), role: Role::Member };
    assert_eq!(scene.accept_as(&code, Role::Owner, Some("bob")).await, Err(other));
    for name in ["", " bob", "b\nob", &"b".repeat(129)] {
        assert_eq!(scene.accept_as(&code, Role::Owner, Some(name)).await, Err(Refusal::Name), "{name:?}");
    }
    scene.accept_as(&code, Role::Member, Some("bob")).await.unwrap();
    let listing = scene.people.list().await.unwrap();
    let shown: Vec<_> = listing
        .people
        .iter()
        .map(|person| (person.name.as_str(), person.identities.len(), person.origin == Origin::Configuration))
        .collect();
    assert_eq!(shown, [("alice", 1, true), ("bob", 2, false)]);
    assert_eq!(scene.remove("telegram:3").await.as_deref(), Ok("telegram:3"));
    assert_eq!(scene.admit("3").await, Admission::Stranger);
    assert_eq!(scene.admit("2").await, known(Role::Member, "bob"));
    assert_eq!(scene.remove("bob").await.as_deref(), Ok("bob"));
    assert_eq!(scene.admit("2").await, Admission::Stranger, "at once");
    assert_eq!(scene.remove("bob").await, Err(Refusal::Nobody { name: "bob".into() }));
    let scene = scene.restart(alice()).await;
    assert_eq!(scene.admit("2").await, Admission::Stranger);
    assert_eq!(scene.people.list().await.unwrap().people.len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_store_and_memory_alike() {
    let scene = Scene::new(alice()).await;
    let code = scene.code("2").await;
    {
        let acceptance = Acceptance { code: &code, role: Role::Owner, name: None, by: "admin" };
        let mut accepting = pin!(scene.people.accept(acceptance));
        assert!(poll!(&mut accepting).is_pending());
    }
    // Changes are made one after the other, so this one sees the end of the first.
    assert_eq!(scene.remove("nobody").await, Err(Refusal::Nobody { name: "nobody".into() }));
    assert_eq!(scene.admit("2").await, known(Role::Owner, "telegram:2"));
}

#[tokio::test]
async fn an_open_request_is_listed_with_escaped_text_and_without_its_code() {
    let scene = Scene::new(alice()).await;
    let code = scene.code("2").await;
    let listing = scene.people.list().await.unwrap();
    let [request] = &*listing.requests else { panic!("{listing:?}") };
    assert_eq!(request.display_name, "Alice, your owner\\u{202e}\\u{1b}[31m");
    assert_eq!(request.identity, Identity { provider: "telegram".into(), user: "2".into() });
    assert_eq!(request.asked, scene.world.clock.now());
    assert_eq!(request.expires, scene.world.clock.now() + HOUR);
    assert!(!format!("{listing:?}").contains(&code));
}

#[tokio::test]
async fn a_person_with_several_accounts_is_one_person() {
    let on = |provider: &str, user: &str| Identity { provider: provider.into(), user: user.into() };
    let mut bob = person("bob", Role::Member, "2");
    bob.identities.extend([on("discord", "20"), on("telegram", "22")]);
    let rate = Rate { burst: 3, per_minute: 1 };
    let much = Rate { burst: 100, per_minute: 100 };
    let rates = Rates { person: rate, guest: rate, channel: much };
    let scene = Scene::new(Config { people: vec![bob], rates, ..Config::default() }).await;
    // Two accounts of somebody who was let in count as one person, too.
    scene.let_in("5", Role::Member, "carol").await;
    scene.let_in("6", Role::Member, "carol").await;
    let (here, there) = (chat("c"), Channel { provider: "discord".into(), ..chat("c") });
    let abroad = Who { provider: "discord", ..direct("20", &there) };
    let accounts = [direct("2", &here), abroad, direct("22", &here)];
    for who in &accounts {
        assert_eq!(scene.people.admit(who).await.unwrap(), known(Role::Member, "bob"));
        assert_eq!(scene.people.take(who, Role::Member), Pace::Fine);
    }
    for who in &accounts {
        assert!(matches!(scene.people.take(who, Role::Member), Pace::TooFast { .. }));
    }
    scene.people.give_back(&accounts[1]);
    assert_eq!(scene.people.take(&accounts[0], Role::Member), Pace::Fine, "and what is given back is theirs");
    for user in ["5", "6", "5"] {
        assert_eq!(scene.people.take(&direct(user, &here), Role::Member), Pace::Fine);
    }
    assert!(matches!(scene.people.take(&direct("6", &here), Role::Member), Pace::TooFast { .. }));
    let list = scene.people.list().await.unwrap().people;
    assert_eq!(list.iter().map(|one| one.identities.len()).collect::<Vec<_>>(), [3, 2]);
}

#[tokio::test]
async fn a_person_who_writes_too_fast_is_told_once_and_holds_up_nobody_else() {
    let rates = Rates {
        person: Rate { burst: 2, per_minute: 60 },
        guest: Rate { burst: 1, per_minute: 60 },
        channel: Rate { burst: 100, per_minute: 100 },
    };
    let scene = Scene::new(Config { rates, ..alice() }).await;
    let here = chat("c");
    let take = |user, role| scene.people.take(&direct(user, &here), role);
    let told = |pace: Pace| match pace {
        Pace::TooFast { told } => told,
        Pace::Fine => panic!("it passed"),
    };
    assert_eq!([take("1", Role::Owner), take("1", Role::Owner)], [Pace::Fine, Pace::Fine]);
    let text = told(take("1", Role::Owner)).expect("the first one is told");
    assert!(
        text.contains("You write") && text.contains("60 messages a minute") && text.contains("2 s"),
        "{text}"
    );
    assert_eq!(told(take("1", Role::Owner)), None);
    assert_eq!(take("2", Role::Member), Pace::Fine, "another person");
    assert_eq!(take("3", Role::Guest), Pace::Fine);
    assert!(told(take("3", Role::Guest)).is_some(), "a guest has less");
    scene.world.clock.advance(Duration::from_secs(1));
    assert_eq!(take("1", Role::Owner), Pace::Fine);
    assert_eq!(told(take("1", Role::Owner)), None, "the same stretch");
    scene.world.clock.advance(Duration::from_secs(2));
    assert_eq!([take("1", Role::Owner), take("1", Role::Owner)], [Pace::Fine, Pace::Fine]);
    assert!(told(take("1", Role::Owner)).is_some(), "the bucket was full in between: a new stretch");
}

#[tokio::test]
async fn a_channel_has_one_rate_over_all_people_and_threads() {
    let rates = Rates {
        person: Rate { burst: 100, per_minute: 100 },
        guest: Rate { burst: 1, per_minute: 1 },
        channel: Rate { burst: 3, per_minute: 60 },
    };
    let scene = Scene::new(Config { rates, ..alice() }).await;
    let thread = |id: &str| Channel { thread: Some(id.to_owned()), ..chat("c") };
    for (user, channel) in [("1", chat("c")), ("2", thread("x")), ("3", thread("y"))] {
        assert_eq!(scene.people.take(&direct(user, &channel), Role::Member), Pace::Fine);
    }
    let channel = thread("z");
    let pace = scene.people.take(&direct("4", &channel), Role::Guest);
    assert!(matches!(&pace, Pace::TooFast { told: Some(text) } if text.contains("This channel")), "{pace:?}");
    assert_eq!(scene.people.take(&direct("1", &channel), Role::Member), Pace::TooFast { told: None });
    assert_eq!(scene.people.take(&direct("1", &chat("d")), Role::Member), Pace::Fine);
    // What was refused used nothing up: the guest's only place is still there.
    assert_eq!(scene.people.take(&direct("4", &chat("d")), Role::Guest), Pace::Fine);
    scene.world.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.people.take(&direct("1", &channel), Role::Member), Pace::Fine);
}

#[tokio::test]
async fn memory_is_bounded_by_what_happened_a_short_while_ago() {
    let scene = Scene::new(alice()).await;
    for number in 0..3000 {
        let channel = chat(&number.to_string());
        scene.people.take(&direct(&number.to_string(), &channel), Role::Member);
    }
    assert_eq!(scene.people.shared.pace.len(), 6000);
    scene.world.clock.advance(HOUR);
    scene.people.take(&direct("late", &chat("late")), Role::Member);
    assert_eq!(scene.people.shared.pace.len(), 2);
}

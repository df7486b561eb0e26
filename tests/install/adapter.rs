//! An adapter of somebody else: configured like one that comes with the program, and trusted less until an admin says
//! so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openpact_test_guests as guests;

use crate::stage::{Place, Publisher, Site, answer};

/// What is said on the guest's platform, in order.
#[derive(Clone, Default)]
struct Platform(Arc<Mutex<Vec<String>>>);

impl Platform {
    fn site(&self) -> Site {
        let this = self.clone();
        Site::answering(move |request| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            let body = match path.split('/').collect::<Vec<_>>()[..] {
                ["", "me"] => "parrot-bot".to_owned(),
                ["", "poll", offset] => this.news(offset.parse().unwrap()),
                _ => "ok".to_owned(),
            };
            answer("200 OK", "", &body)
        })
    }

    fn news(&self, offset: usize) -> String {
        for _ in 0..50 {
            let news = self.0.lock().unwrap().iter().skip(offset).cloned().collect::<Vec<_>>().join("\n");
            if !news.is_empty() {
                return news;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        String::new()
    }

    fn say(&self, text: &str) {
        let mut said = self.0.lock().unwrap();
        let id = said.len() + 1;
        said.push(format!("{id} {text}"));
    }
}

/// Whoever writes has the owner's own file read; whether they may.
#[track_caller]
fn reads(place: &Place, platform: &Platform) -> bool {
    let before = place.records("tool.call").len();
    platform.say("!memory_read {\"file\":\"USER.md\"}");
    for _ in 0..600 {
        if let Some(record) = place.records("tool.call").get(before) {
            assert_eq!(record["subject"], "memory_read");
            return record["verdict"] == "allowed";
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing was called: {}", std::fs::read_to_string(place.path("service.log")).unwrap());
}

#[test]
fn an_adapter_of_others_is_configured_like_any_and_speaks_for_owners_when_an_admin_says_so() {
    let (acme, platform) = (Publisher::new("acme"), Platform::default());
    let (place, site) = (Place::with(&acme), platform.site());
    let authority = site.address.to_string();
    place.configure(&format!(
        "users: {{ olivia: {{ role: owner, identities: {{ mail: ['42'] }} }} }}\n\
         chat: {{ providers: {{ mail: {{ pace: {{ per_channel: 1ms }} }} }} }}\n\
         components:\n  mail:\n    settings: {{ authority: '{authority}' }}\n    \
         grants: ['GET http://{authority}/** private=127.0.0.1/32']\n"
    ));
    let checked = place.run(&["config", "check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.err.contains("as long as no adapter 'mail' is installed"), "{checked:?}");
    let asks = format!(
        "[[requests.http]]\nmethods = [\"GET\"]\nurl = \"http://{authority}/**\"\nreason = \"its platform\"\n\
         [[requests.credentials]]\nname = \"token\"\ndescription = \"a token\"\n\
         placement = \"header Authorization: Bearer {{}}\"\nhosts = [\"example.com\"]\n\
         [settings]\ntype = \"object\"\nproperties.authority = {{ type = \"string\" }}\n"
    );
    let file = place.package("mail.wasm", &acme.adapter("mail", "1.0.0", &asks, guests::PARROT));
    let token = place.path("token");
    std::fs::write(&token, "a-token-of-a-test-platform").unwrap();
    place.good(&["secret", "set", "MAIL_TOKEN", "--file", token.to_str().unwrap()]);
    place.good(&["component", "install", &file, "--approve", "--secret", "token=MAIL_TOKEN"]);
    let status = place.json(&["status"]);
    assert!(!status.to_string().contains("no adapter 'mail'"), "{status:#}");
    let checked = place.run(&["config", "check"]);
    assert!(!checked.err.contains("no adapter 'mail'"), "it is there now: {checked:?}");
    let _service = place.serve();
    let log = std::fs::read_to_string(place.path("service.log")).unwrap();
    assert!(!log.contains("has no effect"), "{log}");
    assert!(!reads(&place, &platform), "whom it calls an owner is a member");
    place.good(&["component", "set", "mail", "asserts_owner", "true"]);
    assert!(reads(&place, &platform), "an admin lets it");
    place.good(&["component", "unset", "mail", "asserts_owner"]);
    assert!(!reads(&place, &platform), "and no longer");
}

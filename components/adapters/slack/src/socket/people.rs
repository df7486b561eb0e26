//! What people are called. Events tell ids alone, and names are text: without them everything works.

use std::collections::BTreeMap;

use openpact_sdk::adapter::{Sender, SenderKind};
use openpact_sdk::log;
use openpact_sdk::serde_json::Value;

use crate::api::Failure;

/// How many people are remembered.
const MOST: usize = 1_000;

/// The names that were asked for.
#[derive(Debug, Default)]
pub(super) struct People {
    known: BTreeMap<String, Names>,
    /// Whether it went wrong, so that no event waits for it again.
    silent: bool,
    /// Whether the admin was told.
    told: bool,
}

#[derive(Debug, Clone)]
struct Names {
    display: Option<String>,
    handle: Option<String>,
}

impl People {
    /// From now on what went wrong may be tried again.
    pub(super) fn ask_again(&mut self) {
        self.silent = false;
    }

    /// Names a person of whom the event tells no name.
    pub(super) fn name(&mut self, sender: &mut Sender, ask: impl FnOnce(&str) -> Result<Value, Failure>) {
        if sender.kind != SenderKind::Person || sender.display_name != sender.id {
            return;
        }
        if !self.known.contains_key(&sender.id) && !self.silent {
            self.learn(&sender.id, ask(&sender.id));
        }
        if let Some(names) = self.known.get(&sender.id) {
            sender.handle.clone_from(&names.handle);
            if let Some(display) = names.display.as_ref().or(names.handle.as_ref()) {
                sender.display_name.clone_from(display);
            }
        }
    }

    fn learn(&mut self, id: &str, answer: Result<Value, Failure>) {
        match answer {
            Ok(user) => {
                if self.known.len() >= MOST {
                    self.known.clear();
                }
                self.known.insert(id.to_owned(), Names::of(&user));
            }
            Err(failure) => {
                self.silent = true;
                if !std::mem::replace(&mut self.told, true) {
                    log::info(&format!(
                        "people are shown by their ids: {}. The scope users:read lets the app ask for their names",
                        failure.text()
                    ));
                }
            }
        }
    }
}

impl Names {
    /// Of a user of Slack's (<https://docs.slack.dev/reference/objects/user-object>).
    fn of(user: &Value) -> Self {
        let text =
            |pointer: &str| user.pointer(pointer).and_then(Value::as_str).filter(|name| !name.is_empty());
        let display = text("/profile/display_name").or_else(|| text("/profile/real_name"));
        Self { display: display.map(str::to_owned), handle: text("/name").map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use openpact_sdk::serde_json::json;

    use super::*;

    fn sender(display_name: &str) -> Sender {
        let display_name = display_name.to_owned();
        Sender { id: "U1".into(), display_name, handle: None, kind: SenderKind::Person }
    }

    #[test]
    fn a_person_is_asked_for_once() {
        let mut people = People::default();
        let asked = Cell::new(0);
        for _ in 0..2 {
            let mut sender = sender("U1");
            people.name(&mut sender, |_| {
                asked.set(asked.get() + 1);
                Ok(json!({ "name": "ada", "profile": { "display_name": "", "real_name": "Ada L" } }))
            });
            assert_eq!((sender.display_name.as_str(), sender.handle.as_deref()), ("Ada L", Some("ada")));
        }
        assert_eq!(asked.get(), 1);
        let mut known = sender("Ada");
        people.name(&mut known, |_| panic!("the event told it"));
        assert_eq!(known.display_name, "Ada");
    }

    #[test]
    fn what_goes_wrong_is_not_tried_for_every_event() {
        let mut people = People::default();
        let asked = Cell::new(0);
        let ask = |people: &mut People| {
            let mut sender = sender("U1");
            people.name(&mut sender, |_| {
                asked.set(asked.get() + 1);
                Err(Failure::Broken("x".into()))
            });
            assert_eq!(sender.display_name, "U1");
        };
        ask(&mut people);
        ask(&mut people);
        assert_eq!(asked.get(), 1);
        people.ask_again();
        ask(&mut people);
        assert_eq!(asked.get(), 2);
    }
}

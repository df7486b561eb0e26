//! Count mode: for a while, what no grant allows goes on all the same and is recorded, so that an admin learns what a
//! component needs. Addresses, secrets and limits are guarded as ever. It is the door's own state: a restart ends it,
//! and so does reading the configuration again.

use jiff::{SignedDuration, Timestamp};
use openpact_model::audit::{Event, Verdict};
use openpact_model::id::ComponentName;

use super::component::Components;
use super::{App, admin, done};
use crate::control::{Part, Reply, Response, State};
use crate::exit::{Code, Failure};

/// The longest time that it may be on.
const LONGEST: u64 = 24 * 60 * 60;

impl App {
    /// Switches it on for so many seconds, or off.
    pub(super) async fn count(&self, name: &ComponentName, seconds: Option<u64>) -> Response {
        if !self.is_serving() {
            let message =
                "count mode is a state of the running program, and none runs; start it with 'openpact start'";
            return Err(Failure::new(Code::Failed, message));
        }
        let component = self.loaded(name).await?;
        let Some(door) = component.door() else {
            let why = component.why().unwrap_or("it has no way to the network");
            return Err(Failure::new(Code::Failed, format!("'{name}' does not run: {why}")));
        };
        let principal = door.principal();
        let Some(seconds) = seconds else {
            if door.counting_until().is_none() {
                return Ok(done(format!("count mode was not on for '{name}'")));
            }
            // What is closed needs no record to be closed.
            door.count_until(None);
            self.audit(admin("egress.count.stop", principal)).await?;
            return Ok(done(format!("count mode is off for '{name}'; {}", how_to_look(name))));
        };
        let until = until(self.clock.now(), seconds)?;
        self.audit(admin("egress.count.start", principal).with("until", until.to_string())).await?;
        door.count_until(Some(until));
        let shown = until.strftime("%Y-%m-%d %H:%M:%S UTC");
        let message = format!("count mode is on for '{name}' until {shown}; {}", how_to_look(name));
        let warning = format!(
            "until then '{name}' reaches every public address; 'openpact component test {name} --off' ends it, and so \
             does a restart or a reload"
        );
        Ok(Reply::Done { message, warning: Some(warning) })
    }

    /// Ends it for all components, and says so.
    pub(super) async fn end_counting(&self, why: &str) {
        let Some(parts) = self.parts.get() else { return };
        for name in parts.components.names() {
            let door = parts.components.find(&name).ok().and_then(|component| component.door().cloned());
            let Some(door) = door else { continue };
            if door.counting_until().is_none() {
                continue;
            }
            door.count_until(None);
            tracing::warn!(component = %name, why, "count mode ended");
            let subject = door.principal().to_string();
            let event =
                Event::new("egress.count.stop", "runtime", subject, Verdict::Allowed).with("why", why);
            if let Err(failure) = self.audit(event).await {
                tracing::error!(error = %failure, "the end of count mode cannot be recorded");
            }
        }
    }
}

/// The components in count mode, as a part; nothing where there is none.
pub(super) fn counting_part(components: &Components) -> Option<Part> {
    let on = components.names().into_iter().filter_map(|name| {
        let until = components.find(&name).ok()?.door()?.counting_until()?;
        Some((name, until))
    });
    let on: Vec<_> = on.collect();
    let (first, _) = on.first()?;
    let about: Vec<_> =
        on.iter().map(|(name, until)| format!("{name} until {}", until.strftime("%H:%M:%S UTC"))).collect();
    Some(Part {
        name: "count mode".to_owned(),
        state: State::Running,
        about: format!("denies nothing by grant: {}", about.join(", ")),
        todo: Some(format!("end it when you know enough: openpact component test {first} --off")),
    })
}

fn until(now: Timestamp, seconds: u64) -> Result<Timestamp, Failure> {
    let whole = i64::try_from(seconds).ok().filter(|_| (1..=LONGEST).contains(&seconds));
    let until = whole.and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
    until.ok_or_else(|| Failure::new(Code::Usage, "count mode lasts from one second to one day: --for 10m"))
}

fn how_to_look(name: &ComponentName) -> String {
    format!("what would have been denied: openpact egress log --principal component:{name} --would-deny")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_a_day_at_most() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, fits) in
            [(0, false), (1, true), (LONGEST, true), (LONGEST + 1, false), (u64::MAX, false)]
        {
            assert_eq!(until(now, seconds).is_ok(), fits, "{seconds}");
        }
    }
}

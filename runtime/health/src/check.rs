//! The port through which the endpoint asks how the program's parts are.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

/// Whether a part works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It does.
    Running,
    /// It is on its way, such as an adapter that connects.
    Starting,
    /// It was switched off by an admin.
    Off,
    /// It does not.
    Failed,
}

/// How one part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is called, such as `store` or `adapter telegram`.
    pub name: String,
    /// Whether it works.
    pub state: State,
    /// What there is to know, or why it does not work; never a secret.
    pub about: String,
    /// Whether the program is not ready while this one does not run.
    pub needed_for_ready: bool,
}

/// Knows how the parts are.
#[async_trait]
pub trait Checks: Send + Sync {
    /// Every part, in the order in which people shall read them. Asked at most once at a time.
    async fn checks(&self) -> Vec<Check>;
}

impl Check {
    /// Whether this one keeps the program from being ready.
    pub fn blocks(&self) -> bool {
        self.needed_for_ready && self.state != State::Running
    }
}

/// One check with a deadline of its own, so that one part that hangs does not hide how the others are.
pub async fn bounded(
    name: &str,
    needed_for_ready: bool,
    deadline: Duration,
    ask: impl Future<Output = (State, String)>,
) -> Check {
    let (state, about) = tokio::time::timeout(deadline, ask)
        .await
        .unwrap_or_else(|_| (State::Failed, format!("did not answer within {} ms", deadline.as_millis())));
    Check { name: name.to_owned(), state, about, needed_for_ready }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails_alone_and_says_so() {
        let deadline = Duration::from_secs(1);
        let hung = bounded("engine", true, deadline, std::future::pending()).await;
        assert_eq!((hung.state, hung.about.as_str()), (State::Failed, "did not answer within 1000 ms"));
        let just_in_time = async {
            tokio::time::sleep(Duration::from_millis(999)).await;
            (State::Running, String::new())
        };
        assert_eq!(bounded("store", true, deadline, just_in_time).await.state, State::Running);
    }

    #[test]
    fn only_what_is_needed_and_does_not_run_blocks() {
        let check = |state, needed_for_ready| Check {
            name: "x".to_owned(),
            state,
            about: String::new(),
            needed_for_ready,
        };
        assert!(!check(State::Running, true).blocks());
        for state in [State::Starting, State::Off, State::Failed] {
            assert!(check(state, true).blocks());
            assert!(!check(state, false).blocks());
        }
    }
}

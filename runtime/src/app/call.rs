//! One tool, called by hand: through the router like every other call, as the owner.

use openpact_host::Report;
use openpact_model::id::ComponentName;
use openpact_model::port::{ToolCaller as _, ToolProvider as _};
use openpact_model::role::{Audience, Caller, Role, Sender};
use openpact_orchestrator::router::Opening;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::control::{Called, Cost};
use crate::exit::{Code, Failure};

/// The person at the terminal of this machine: whoever can use the data directory owns it.
pub(crate) fn owner() -> Sender {
    Sender { provider: "terminal".to_owned(), user: "owner".to_owned(), display_name: "owner".to_owned() }
}

impl App {
    /// Runs one tool and says what it took.
    pub(super) async fn call(
        &self,
        name: &ComponentName,
        tool: &str,
        arguments: &str,
    ) -> Result<Called, Failure> {
        let parts = self.parts().await?;
        let component = self.loaded(name).await?;
        let Some(running) = component.running() else {
            let why = component.why().unwrap_or_default();
            return Err(Failure::new(Code::Failed, format!("the component '{name}' does not run: {why}")));
        };
        let tools = running.tools();
        let full =
            component.manifest().map_or_else(|| tool.to_owned(), |manifest| manifest.full_tool_name(tool));
        if tools.iter().all(|spec| spec.name != full) {
            let names: Vec<_> = tools.iter().map(|spec| spec.name.as_str()).collect();
            let message = format!("the component '{name}' has no tool '{tool}'; it has {}", names.join(", "));
            return Err(Failure::new(Code::Failed, message));
        }
        let caller = Caller { sender: owner(), role: Role::Owner, audience: Audience::Private };
        // Whoever calls by hand wrote the addresses in it.
        let written = Some(arguments.to_owned());
        let turn =
            parts.router.open_turn(Opening { written, ..Opening::new(caller, &CancellationToken::new()) });
        let reports = parts.components.reports();
        reports.expect(turn.id());
        let answer = parts.router.call(turn.id(), &full, arguments).await;
        let report = reports.take(turn.id());
        let cost = report.as_ref().map(cost);
        Ok(Called {
            is_error: answer.is_error,
            text: answer.output.as_text(),
            structured: answer.output.structured,
            cost,
            log: report.map(|report| report.log).unwrap_or_default(),
        })
    }
}

fn cost(report: &Report) -> Cost {
    Cost {
        wall_ms: report.wall.as_secs_f64() * 1000.0,
        cpu_ms: report.cpu.as_secs_f64() * 1000.0,
        peak_memory: report.peak_memory,
        requests: report.requests,
    }
}

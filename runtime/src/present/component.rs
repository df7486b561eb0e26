//! `openpact component list` and `call`.

use openpact_model::clock::{Clock as _, SystemClock};
use openpact_model::text::{one_line, terminal};

use super::status::state;
use super::table::Table;
use super::{Output, Style, add};
use crate::config::unit::Size;
use crate::control::{Called, Component};

/// The components, one line each, and why some do not run.
pub(super) fn table(output: Output, components: &[Component]) -> String {
    if components.is_empty() {
        return "no components\n".to_owned();
    }
    let mut table = Table::new(&["COMPONENT", "STATE", "VERSION", "PUBLISHER", "DIGEST", "TOOLS"]);
    for component in components {
        let digest = component.digest.map(|digest| digest.short()).unwrap_or_default();
        let version = component.version.as_deref().unwrap_or_default();
        let publisher = component.publisher.as_deref().unwrap_or_default();
        let publisher = if component.unsigned { ("UNSIGNED", Some(Style::Red)) } else { (publisher, None) };
        let tools = component.tools.len().to_string();
        table.styled([
            (&component.name, None),
            state(component.state),
            (version, None),
            publisher,
            (&digest, Some(Style::Dim)),
            (&tools, None),
        ]);
    }
    let mut text = table.text(output);
    for component in components {
        if let Some(why) = &component.why {
            add(&mut text, format_args!("{}: {}\n", one_line(&component.name, 64), terminal(why)));
        } else if let Some(waiting) = &component.waiting {
            let (name, version) = (one_line(&component.name, 64), one_line(waiting, 64));
            add(
                &mut text,
                format_args!("{name}: version {version} waits for you: openpact component status {name}\n"),
            );
        }
        for reached in &component.health.limits {
            let (name, met) = (one_line(&component.name, 64), reached.sentence(SystemClock.now()));
            add(&mut text, format_args!("{name}: met a limit: {met}\n"));
        }
        if let Some(until) = component.counting {
            let on = output.styled("count mode", Style::Yellow);
            let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
            let name = one_line(&component.name, 64);
            add(&mut text, format_args!("{name}: {on} until {until}: no grant holds it back\n"));
        }
    }
    text
}

/// The components with what they may do.
pub(super) fn list(output: Output, components: &[Component]) -> String {
    let mut text = table(output, components);
    for component in components {
        add(&mut text, format_args!("\n{}\n", output.styled(&one_line(&component.name, 64), Style::Bold)));
        add(&mut text, format_args!("  tools    {}\n", or_none(&component.tools, ", ")));
        add(&mut text, format_args!("  files    {}\n", or_none(&component.mounts, "\n           ")));
        add(&mut text, format_args!("  network  {}\n", or_none(&component.grants, "\n           ")));
    }
    text
}

/// How a call by hand went: the answer first, and what it took below it.
pub(super) fn called(output: Output, called: &Called) -> String {
    let mut text = String::new();
    let answer = terminal(&called.text);
    let style = if called.is_error { output.styled(&answer, Style::Red) } else { answer };
    text.push_str(&style);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for line in &called.log {
        add(
            &mut text,
            format_args!("{}\n", output.styled(&format!("log: {}", one_line(line, 400)), Style::Dim)),
        );
    }
    let cost = called.cost.map_or_else(
        || "the sandbox was not entered".to_owned(),
        |cost| {
            format!(
                "wall {:.1} ms, CPU {:.1} ms, peak memory {}, requests {}",
                cost.wall_ms,
                cost.cpu_ms,
                Size(cost.peak_memory).about(),
                cost.requests
            )
        },
    );
    add(&mut text, format_args!("{}\n", output.styled(&cost, Style::Dim)));
    text
}

fn or_none(items: &[String], between: &str) -> String {
    let items: Vec<_> = items.iter().map(|item| one_line(item, 400)).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(between) }
}

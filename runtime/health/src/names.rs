//! Every metric of the program: its name, kind, unit, meaning, labels and buckets. Crates count with the macros of the
//! `metrics` facade and these names; what is not in this list is not recorded, and a test finds it in the sources.
//!
//! A label never holds what a stranger can make up. Each says how many values it may take at most; further ones are
//! counted together as `other`, so that the number of series is bounded whatever happens.

use metrics::Unit;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How measurements are spread; the upper bounds of its buckets, in the metric's unit.
    Histogram(&'static [f64]),
}

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub key: &'static str,
    /// How many values it can have; further ones become `other`.
    pub most: usize,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, as in `/metrics`.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// What it says, one sentence.
    pub help: &'static str,
    /// What it is split by.
    pub labels: &'static [Label],
}

/// Seconds: from a tool that is done at once to a turn of minutes.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
];
/// Seconds of a wait for the disk.
const COMMIT: &[f64] = &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Jobs in one commit.
const GROUP: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Words that the program itself chooses, such as how something ended.
const fn word(key: &'static str) -> Label {
    Label { key, most: 16 }
}

/// An adapter: what is configured.
const PROVIDER: Label = Label { key: "provider", most: 16 };
/// A component: what is installed.
const COMPONENT: Label = Label { key: "component", most: 64 };
/// A tool that exists; the router counts every other name as `unknown`.
const TOOL: Label = Label { key: "tool", most: 256 };
/// Who has a door to the network: `component:NAME`, `engine:NAME`, `runtime`.
const PRINCIPAL: Label = Label { key: "principal", most: 64 };

const fn counter(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, help, labels }
}

const fn gauge(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Unit::Count, help, labels }
}

const fn seconds(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    Metric { name, kind: Kind::Histogram(SECONDS), unit: Unit::Seconds, help, labels }
}

impl Metric {
    const fn in_unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    const fn in_buckets(mut self, buckets: &'static [f64]) -> Self {
        self.kind = Kind::Histogram(buckets);
        self
    }
}

/// All of them, in the order of what a message meets.
pub const ALL: &[Metric] = &[
    // The program.
    gauge("openpact_build_info", "Always 1; the label says which version runs.", &[word("version")]),
    gauge("openpact_uptime_seconds", "Seconds since the program started.", &[]).in_unit(Unit::Seconds),
    gauge("openpact_ready", "Whether everything that readiness needs works: 1 or 0.", &[]),
    // Chat.
    counter("openpact_messages_received_total", "Events of a platform that were stored.", &[PROVIDER]),
    counter("openpact_messages_repeated_total", "Events that a platform delivered again.", &[PROVIDER]),
    counter(
        "openpact_messages_ended_total",
        "Events that are done, by what became of them.",
        &[PROVIDER, word("state")],
    ),
    counter("openpact_messages_sent_total", "Parts of answers that a platform took.", &[PROVIDER]),
    counter(
        "openpact_message_send_failures_total",
        "Tries to send a part that failed, by why; most are tried again.",
        &[PROVIDER, word("kind")],
    ),
    counter(
        "openpact_messages_lost_total",
        "Parts that will not be sent any more: refused or given up.",
        &[PROVIDER, word("outcome")],
    ),
    gauge("openpact_inbox_waiting", "Messages that are stored and wait for their turn.", &[]),
    gauge("openpact_inbox_running", "Messages whose turn runs.", &[]),
    gauge("openpact_outbox_waiting", "Parts of answers that are stored and wait to be sent.", &[]),
    counter(
        "openpact_outbox_ambiguous_total",
        "Parts whose sending was interrupted so that nobody can know whether they arrived.",
        &[PROVIDER],
    ),
    gauge("openpact_adapter_connected", "Whether an adapter is connected: 1 or 0.", &[PROVIDER]),
    counter("openpact_adapter_restarts_total", "How often an adapter was started again.", &[PROVIDER]),
    counter(
        "openpact_admissions_total",
        "Messages by what the sender may do: known, default, stranger, blocked.",
        &[PROVIDER, word("verdict")],
    ),
    counter(
        "openpact_rate_limited_total",
        "What a rate limit held back, by whose limit: person, channel, tool, client.",
        &[word("kind")],
    ),
    counter(
        "openpact_commands_total",
        "Commands such as /new, by name.",
        &[Label { key: "command", most: 32 }],
    ),
    // Turns.
    counter("openpact_turns_total", "Turns by how they ended.", &[word("outcome")]),
    seconds("openpact_turn_duration_seconds", "From the start of a turn to its last word.", &[]),
    gauge("openpact_turns_running", "Turns that run now.", &[]),
    counter(
        "openpact_turns_interrupted_total",
        "Turns that the end of the program interrupted, and whether they were run again.",
        &[word("repeated")],
    ),
    counter(
        "openpact_model_tokens_total",
        "Tokens as the model's provider counts them: input, output, cached (part of input).",
        &[word("kind")],
    ),
    counter("openpact_model_requests_total", "Answers of the model's provider that were complete.", &[]),
    counter(
        "openpact_engine_errors_total",
        "Turns that the engine ended with an error, by kind.",
        &[word("kind")],
    ),
    // Tools.
    counter(
        "openpact_tool_calls_total",
        "Tool calls by tool and how they ended; a name that is no tool counts as unknown.",
        &[TOOL, word("outcome")],
    ),
    seconds("openpact_tool_call_duration_seconds", "How long a tool call that ran took.", &[TOOL]),
    // The sandbox.
    gauge("openpact_component_instances", "Instances of components that exist now.", &[COMPONENT]),
    counter("openpact_component_instances_total", "Instances of components that were made.", &[COMPONENT]),
    counter("openpact_component_traps_total", "Calls that ended because the component broke.", &[COMPONENT]),
    counter(
        "openpact_component_limits_total",
        "Calls that ended because of a limit, by limit.",
        &[COMPONENT, word("limit")],
    ),
    // A histogram, since counters of the exporter hold whole numbers only: its sum is the processor time.
    seconds("openpact_component_cpu_seconds", "Processor time of one call of a component.", &[COMPONENT]),
    counter(
        "openpact_component_log_bytes_dropped_total",
        "Bytes that components wrote to their log beyond what is taken.",
        &[COMPONENT],
    )
    .in_unit(Unit::Bytes),
    // The network.
    counter(
        "openpact_egress_requests_total",
        "Requests to the network by who asked and what was decided: allowed, denied, failed.",
        &[PRINCIPAL, word("verdict")],
    ),
    counter("openpact_egress_sent_bytes_total", "Bytes of request bodies.", &[PRINCIPAL])
        .in_unit(Unit::Bytes),
    counter("openpact_egress_received_bytes_total", "Bytes of response bodies.", &[PRINCIPAL])
        .in_unit(Unit::Bytes),
    // MCP.
    counter("openpact_mcp_calls_total", "Tool calls of MCP clients by how they ended.", &[word("outcome")]),
    counter(
        "openpact_mcp_refused_total",
        "Requests of MCP clients that were refused, by why.",
        &[word("why")],
    ),
    gauge("openpact_mcp_sessions", "Sessions of MCP clients that are open.", &[]),
    // The store.
    counter("openpact_store_commits_total", "Transactions on disk.", &[]),
    counter("openpact_store_commits_failed_total", "Transactions that could not be written.", &[]),
    seconds(
        "openpact_store_commit_duration_seconds",
        "How long a transaction took, its wait for the disk included.",
        &[],
    )
    .in_buckets(COMMIT),
    seconds("openpact_store_commit_jobs", "How many jobs shared a transaction.", &[])
        .in_unit(Unit::Count)
        .in_buckets(GROUP),
    counter("openpact_audit_events_total", "Entries of the audit log.", &[]),
    // The log, and this endpoint.
    counter("openpact_log_lines_dropped_total", "Lines of the log that nobody took in time.", &[]),
    counter("openpact_metrics_refused_total", "Measurements that no metric of this list fits.", &[]),
    // The process; the names are Prometheus' own.
    gauge("process_start_time_seconds", "When the process started, seconds since 1970.", &[])
        .in_unit(Unit::Seconds),
    counter("process_cpu_seconds_total", "Processor time of the whole process.", &[]).in_unit(Unit::Seconds),
    gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", &[]).in_unit(Unit::Bytes),
    gauge("process_virtual_memory_bytes", "Address space of the process.", &[]).in_unit(Unit::Bytes),
    gauge("process_virtual_memory_max_bytes", "The most address space that it may have.", &[])
        .in_unit(Unit::Bytes),
    gauge("process_open_fds", "Open files and sockets.", &[]),
    gauge("process_max_fds", "The most open files and sockets that it may have.", &[]),
    gauge("process_threads", "Threads of the process.", &[]),
];

/// The metric of this name.
pub fn find(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.name == name)
}

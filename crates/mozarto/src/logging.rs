//! Logs go to standard error: for a person in the sandbox, as JSON lines in `serve`.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// For a person.
    Text,
    /// For a machine.
    Json,
}

/// Starts logging; the level comes from `MOZARTO_LOG` (for example `debug` or `info,mozarto_engine=trace`).
pub(crate) fn start(format: Format, default_level: &str) {
    let filter = EnvFilter::try_from_env("MOZARTO_LOG").unwrap_or_else(|_| EnvFilter::new(default_level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    match format {
        Format::Text => builder.with_target(false).init(),
        Format::Json => builder.json().init(),
    }
}

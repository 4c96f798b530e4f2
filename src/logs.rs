//! Structured logs, quiet by default: warnings and worse, unless `RUST_LOG` or the config says more.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How logs look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A line for a person.
    #[default]
    Text,
    /// A JSON object a line, for a log collector.
    Json,
}

/// Starts logging to standard error. `RUST_LOG` wins over `level`. A second call changes nothing.
pub fn start(level: &str, format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that a subscriber is set already: whoever set it decides.
    let _set_already = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().try_init(),
    };
}

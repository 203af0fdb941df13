//! The events and spans of a server as lines of its log.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::log::Log;

#[derive(Clone, Args)]
pub(crate) struct TraceOptions {
    /// Log each connection as it comes and goes; twice: everything
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How the log is written: lines for people, or a JSON object for each event
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    log_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl TraceOptions {
    /// Has events written to `log` from now on, if the options ask for more than plain warnings. Returns
    /// whether they do.
    pub(crate) fn subscribe(&self, log: &Log) -> bool {
        let level = match self.verbose {
            0 if self.log_format == Format::Text => return false,
            0 => Level::WARN,
            1 => Level::DEBUG,
            _ => Level::TRACE,
        };
        let lines = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(Lines(log.clone()));
        match self.log_format {
            Format::Text => lines.init(),
            Format::Json => lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .init(),
        }
        true
    }
}

/// Makes writers that each take one event.
struct Lines(Log);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Log;

    fn make_writer(&'a self) -> &'a Log {
        &self.0
    }
}

impl Write for &Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // A whole event comes in one call. One that cannot be written is counted as lost.
        self.line(String::from_utf8_lossy(event).trim_end());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

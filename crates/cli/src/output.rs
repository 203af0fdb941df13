//! The output of the command: the results of tools on stdout, their remarks on stderr, and the exit status.
//!
//! A result that cannot be written ends the tool. A remark that cannot be written is dropped, because
//! there is nowhere left to say so. The log of a server is in [`log`](crate::log).

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

pub(crate) use switchboard_server::Count;

/// The exit status after wrong usage, as clap's.
const USAGE: u8 = 2;

/// The reason why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong; nothing was done.
    Usage(String),
    /// The work failed.
    Failed(String),
    /// The work failed, and the log says why.
    Reported,
    /// The reader of stdout has closed it and needs no more, which is no error.
    NotRead,
}

impl Failure {
    /// Returns a failure of the command line.
    pub(crate) fn usage(text: impl fmt::Display) -> Failure {
        Failure::Usage(text.to_string())
    }

    /// Returns the text that says why.
    pub(crate) fn into_text(self) -> String {
        match self {
            Failure::Usage(text) | Failure::Failed(text) => text,
            Failure::Reported | Failure::NotRead => String::new(),
        }
    }

    /// Prints the failure, and returns the exit status.
    fn report(self) -> u8 {
        match self {
            Failure::Usage(text) => {
                complain(text);
                USAGE
            }
            Failure::Failed(text) => {
                complain(text);
                1
            }
            Failure::Reported => 1,
            Failure::NotRead => 0,
        }
    }

    /// Prints the failure, and ends the process.
    pub(crate) fn exit(self) -> ! {
        std::process::exit(self.report().into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Failed(error.to_string())
    }
}

/// Returns the exit status of a command: 0 if all went well, 1 if something did not.
pub(crate) fn status(result: Result<bool, Failure>) -> ExitCode {
    match result {
        Ok(well) => ExitCode::from(u8::from(!well)),
        Err(failure) => ExitCode::from(failure.report()),
    }
}

/// Writes a result to stdout.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.to_string().as_bytes());
    written.and_then(|()| out.flush()).map_err(unwritten)
}

/// Returns the failure of a write to stdout.
pub(crate) fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NotRead,
        _ => Failure::Failed(format!("cannot write to stdout: {error}")),
    }
}

/// Writes a line to stderr, or drops it.
pub(crate) fn remark(text: impl fmt::Display) {
    // In one piece, so that no other process's line comes in between.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Writes a line to stderr that names the command, or drops it.
pub(crate) fn complain(text: impl fmt::Display) {
    remark(format_args!("switchboard: {text}"));
}

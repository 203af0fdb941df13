//! The reasons why a job gave no result.

use std::fmt;
use std::io;

use switchboard_process::ExitStatus;

/// The reason why a job gave no result. Other jobs are not affected.
///
/// ```
/// use switchboard_process_pool::{ExitStatus, PoolError};
///
/// let error = PoolError::Died(ExitStatus::Killed(9));
/// assert_eq!(error.to_string(), "the job gave no result: its worker was killed by signal 9");
/// ```
#[derive(Debug)]
pub enum PoolError {
    /// The pool has no job of this name.
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names of all jobs.
        known: Vec<String>,
    },
    /// The job returned this error.
    Failed(String),
    /// The job panicked with this message. Its worker goes on.
    Panicked(String),
    /// The job's worker ended before it answered, and is replaced.
    Died(ExitStatus),
    /// The arguments cannot be written as JSON, cannot be read as what the job takes, or are too
    /// long.
    Arguments(String),
    /// The result cannot be written as JSON, cannot be read as the type asked for, or is too long.
    Result(String),
    /// A worker could not be started, or sent something that is no answer.
    Io(io::Error),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Unknown { name, known } if known.is_empty() => {
                write!(f, "no job is named `{name}`: the pool was given none")
            }
            PoolError::Unknown { name, known } => {
                let known = known.join(", ");
                write!(f, "no job is named `{name}`; use one of: {known}")
            }
            PoolError::Failed(text) => write!(f, "the job failed: {text}"),
            PoolError::Panicked(message) => write!(f, "the job panicked: {message}"),
            PoolError::Died(status) => write!(f, "the job gave no result: its worker {status}"),
            PoolError::Arguments(text) => write!(f, "the job's arguments: {text}"),
            PoolError::Result(text) => write!(f, "the job's result: {text}"),
            PoolError::Io(error) => write!(f, "the job gave no result: {error}"),
        }
    }
}

impl std::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PoolError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for PoolError {
    fn from(error: io::Error) -> PoolError {
        PoolError::Io(error)
    }
}

impl From<PoolError> for io::Error {
    fn from(error: PoolError) -> io::Error {
        match error {
            PoolError::Io(error) => error,
            error => io::Error::other(error),
        }
    }
}

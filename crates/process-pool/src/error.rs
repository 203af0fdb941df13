//! Why a job gave no result.

use std::fmt;
use std::io;

use switchboard_runtime::process::Ended;

/// Why a job gave no result. Other jobs are not affected.
///
/// ```
/// use switchboard_runtime::process::Ended;
/// use switchboard_process_pool::PoolError;
///
/// let error = PoolError::Died(Ended::Killed(9));
/// assert_eq!(error.to_string(), "the job's worker was ended by signal 9");
/// ```
#[derive(Debug)]
pub enum PoolError {
    /// No job has this name.
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It returned this error.
    Failed(String),
    /// It panicked, with this message. Its worker lives on.
    Panicked(String),
    /// Its worker ended before it answered, and has been replaced.
    Died(Ended),
    /// Its arguments cannot be written as JSON, cannot be read as what the job takes, or are too long.
    Arguments(String),
    /// Its result cannot be written as JSON, cannot be read as what was asked for, or is too long.
    Result(String),
    /// Its worker could not be started, or not be understood.
    Io(io::Error),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Unknown { name, known } if known.is_empty() => {
                write!(f, "no job is named `{name}`: the pool was given none")
            }
            PoolError::Unknown { name, known } => {
                write!(
                    f,
                    "no job is named `{name}`; use one of: {}",
                    known.join(", ")
                )
            }
            PoolError::Failed(text) => write!(f, "the job failed: {text}"),
            PoolError::Panicked(message) => write!(f, "the job panicked: {message}"),
            PoolError::Died(Ended::Exited(status)) => {
                write!(
                    f,
                    "the job's worker exited with status {status} and no result"
                )
            }
            PoolError::Died(Ended::Killed(signal)) => {
                write!(f, "the job's worker was ended by signal {signal}")
            }
            PoolError::Arguments(text) => write!(f, "the job's arguments: {text}"),
            PoolError::Result(text) => write!(f, "the job's result: {text}"),
            PoolError::Io(error) => write!(f, "the job's worker: {error}"),
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

//! The table of jobs: functions by name, and the loop of a worker that runs them.

use std::fmt;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_runtime as runtime;

use crate::messages::{self, ANSWER, BAD_ARGUMENTS, BAD_RESULT, FAILED, PANICKED, RETURNED};

/// A function from arguments to the frame of an answer.
type Job = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A table of functions by name, which the workers of a [`ProcessPool`](crate::ProcessPool) run.
///
/// ```
/// let jobs = switchboard_process_pool::Jobs::new()
///     .add("parse", |text: String| text.parse::<u64>())
///     .add("sum", |numbers: Vec<u64>| {
///         numbers.iter().try_fold(0u64, |sum, n| sum.checked_add(*n)).ok_or("too large")
///     });
/// assert_eq!(format!("{jobs:?}"), r#"Jobs["parse", "sum"]"#);
/// ```
#[derive(Default)]
pub struct Jobs(Vec<(String, Job)>);

impl Jobs {
    /// Returns an empty table.
    pub fn new() -> Jobs {
        Jobs::default()
    }

    /// Adds `work` under a name, in place of an earlier job of that name.
    ///
    /// `work` runs on the only thread of a worker, one job at a time, and may block. Each worker
    /// has its own copy of what the function captures, as it was when the pool was started: no
    /// other process sees a change to it.
    #[must_use]
    pub fn add<A, R, E>(
        mut self,
        name: impl Into<String>,
        work: impl Fn(A) -> Result<R, E> + 'static,
    ) -> Jobs
    where
        A: DeserializeOwned,
        R: Serialize,
        E: fmt::Display,
    {
        let name = name.into();
        self.0.retain(|(other, _)| *other != name);
        let job = move |arguments: &[u8]| match serde_json::from_slice(arguments).map(&work) {
            Err(error) => ANSWER.encode_text(BAD_ARGUMENTS, &error.to_string()),
            Ok(Err(error)) => ANSWER.encode_text(FAILED, &error.to_string()),
            Ok(Ok(result)) => ANSWER
                .encode_json(RETURNED, &result)
                .unwrap_or_else(|error| ANSWER.encode_text(BAD_RESULT, &error.to_string())),
        };
        self.0.push((name, Box::new(job)));
        self
    }

    /// Returns the names of the jobs, by their index.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Runs the jobs that are requested through `socket`, until its other end is closed. This is
    /// all that a worker does.
    pub(crate) fn serve(&self, mut socket: UnixStream) {
        let worker = std::process::id();
        let request = messages::request(self.0.len());
        while let Ok(frame) = request.read(&socket) {
            let (_, job) = &self.0[frame.kind as usize];
            let answer = catch_unwind(AssertUnwindSafe(|| job(&frame.body)));
            let answer = answer.unwrap_or_else(|payload| {
                ANSWER.encode_text(PANICKED, runtime::panic_message(&*payload))
            });
            // A process that the job forked may return here too. Only the worker answers.
            if std::process::id() != worker || socket.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jobs{:?}", self.names())
    }
}

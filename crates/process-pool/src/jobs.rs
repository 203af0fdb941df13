//! Jobs: functions by name.

use std::fmt;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard_runtime as runtime;

use crate::frame;

/// From arguments to the frame that answers.
type Job = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Functions by name, for the workers of a [`ProcessPool`](crate::ProcessPool).
#[derive(Default)]
pub struct Jobs(Vec<(String, Job)>);

impl Jobs {
    /// None.
    pub fn new() -> Jobs {
        Jobs::default()
    }

    /// Adds `work` under a name; an earlier job of that name is forgotten.
    ///
    /// Each worker has a copy of what the function holds, as it was when the pool started: what one
    /// changes, no other sees. A worker runs one job at a time, on its only thread; a job may block.
    ///
    /// ```
    /// let jobs = switchboard_process_pool::Jobs::new()
    ///     .add("parse", |text: String| text.parse::<u64>())
    ///     .add("sum", |numbers: Vec<u64>| {
    ///         numbers.iter().try_fold(0u64, |sum, n| sum.checked_add(*n)).ok_or("too large")
    ///     });
    /// assert_eq!(format!("{jobs:?}"), r#"Jobs["parse", "sum"]"#);
    /// ```
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
            Err(error) => frame::text(frame::ARGUMENTS, &error.to_string()),
            Ok(Err(error)) => frame::text(frame::FAILED, &error.to_string()),
            Ok(Ok(result)) => frame::json(frame::DONE, &result)
                .unwrap_or_else(|error| frame::text(frame::RESULT, &error)),
        };
        self.0.push((name, Box::new(job)));
        self
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A worker's life: runs the jobs that come through `socket`, until its other end is gone.
    pub(crate) fn serve(&self, mut socket: UnixStream) {
        let own = std::process::id();
        while let Ok((job, arguments)) = frame::read(&socket) {
            let work = || self.0[job as usize].1(&arguments);
            let answer = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
                frame::text(frame::PANICKED, runtime::panic_message(&*payload))
            });
            // What a job has forked answers for nobody.
            if std::process::id() != own || socket.write_all(&answer).is_err() {
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

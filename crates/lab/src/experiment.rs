//! What an experiment is, and what it is given.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_runtime::Model;

use crate::children::{Done, Server, Work, run_in_child};
use crate::progress::Progress;
use crate::report::Section;

/// How much time measuring may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Under half a minute for all that is asked by default.
    Quick,
    /// Under three minutes.
    #[default]
    Usual,
    /// As long as narrow intervals take.
    Thorough,
}

/// A question to this machine, and how it is put.
pub trait Experiment: Sync {
    /// Returns the name by which it is run: one word.
    fn name(&self) -> &'static str;

    /// Returns the question that it answers, for the list of experiments.
    fn question(&self) -> &'static str;

    /// Estimates how long it will take.
    fn estimate(&self, lab: &Lab) -> Duration;

    /// Runs it and blocks until it is done. What fails in part is shown as failed in the section.
    ///
    /// # Errors
    /// One line that says why nothing could be measured.
    fn run(&self, lab: &Lab) -> io::Result<Section>;
}

/// Returns all experiments, in the order in which they are listed and run.
pub fn experiments() -> &'static [&'static dyn Experiment] {
    &[]
}

/// What experiments share: the program that is measured, how much time there is, and who looks on.
#[derive(Debug)]
pub struct Lab {
    /// The `switchboard` program, which runs the servers and the work.
    pub program: PathBuf,
    /// How much time there is.
    pub effort: Effort,
    /// The models to measure.
    pub models: Vec<Model>,
    progress: Progress,
}

impl Lab {
    /// Creates a lab that shows its progress on stderr if that is a terminal.
    pub fn new(program: PathBuf, effort: Effort, models: Vec<Model>, estimate: Duration) -> Lab {
        Lab {
            program,
            effort,
            models,
            progress: Progress::new(estimate),
        }
    }

    /// Returns the value for the effort of this lab.
    pub fn by_effort<T>(&self, quick: T, usual: T, thorough: T) -> T {
        match self.effort {
            Effort::Quick => quick,
            Effort::Usual => usual,
            Effort::Thorough => thorough,
        }
    }

    /// Shows what is measured now: `c10k poll 4,000`.
    pub fn begin(&self, what: &str) {
        self.progress.begin(what);
    }

    /// Notes that a step is done for which `took` had been estimated.
    pub fn end(&self, took: Duration) {
        self.progress.end(took);
    }

    /// Starts a server, as [`Server::start`].
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn serve(&self, arguments: &[&str]) -> io::Result<Server> {
        Server::start(&self.program, arguments)
    }

    /// Runs work in a process of its own, as [`run_in_child`].
    ///
    /// # Errors
    /// As [`run_in_child`].
    pub fn work(&self, work: &Work, core: Option<usize>) -> io::Result<Done> {
        run_in_child(&self.program, work, core)
    }

    /// Returns the program's path.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

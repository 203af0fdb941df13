//! What an experiment is, and what it is given.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_runtime::Model;

use crate::children::{Done, Server, Work, run_in_child};
use crate::compare;
use crate::progress::Progress;
use crate::report::Section;
use crate::watch::Watch;

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
    &[
        &compare::Io,
        &compare::Cpu,
        &compare::Echo,
        &compare::Http,
        &crate::limits::Limits,
        &crate::switch::Switch,
        &crate::c10k::C10k(None),
        &crate::slow::Slow(None),
        &crate::kegel::Kegel(None),
        &crate::folklore::Folklore,
        &crate::advising::CostsOfModels,
    ]
}

/// Sizes of the experiments that compare models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// The number of jobs of `io` and `cpu`; `None` for what the effort suggests.
    pub jobs: Option<usize>,
    /// The number of pages that each job of `io` fetches.
    pub pages: usize,
    /// The time that each page takes; `None` for what the effort suggests.
    pub latency: Option<Duration>,
    /// The number of clients of `echo` and `http`.
    pub clients: usize,
    /// The time for which each cell of `echo` and `http` is measured, once in a closed loop and once in an open one;
    /// `None` for what the effort suggests.
    pub duration: Option<Duration>,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            jobs: None,
            pages: 4,
            latency: None,
            clients: 50,
            duration: None,
        }
    }
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
    /// The sizes of the experiments that compare models.
    pub sizes: Sizes,
    /// A model each of whose steps is made longer, to test what finds it.
    pub slow: Option<(Model, Duration)>,
    pub(crate) progress: Progress,
    pub(crate) watch: Watch,
}

impl Lab {
    /// Creates a lab that shows its progress on stderr if that is a terminal.
    pub fn new(program: PathBuf, effort: Effort, models: Vec<Model>, estimate: Duration) -> Lab {
        Lab {
            program,
            effort,
            models,
            sizes: Sizes::default(),
            slow: None,
            progress: Progress::new(estimate),
            watch: Watch::default(),
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

    /// Shows what comes next, and the best so far.
    pub(crate) fn expect(&self, next: &str, best: &str) {
        self.progress.expect(next, best);
    }

    /// Returns by how much each step of a model is made longer.
    pub(crate) fn slowed(&self, model: Model) -> Option<Duration> {
        self.slow
            .filter(|(slow, _)| *slow == model)
            .map(|(_, by)| by)
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

    /// Runs work as `PROGRAM cell JSON --parent PID`, on `core` if one is given, and blocks until it is done. The memory of the child's
    /// process tree is sampled meanwhile.
    ///
    /// # Errors
    /// The system's if the program cannot be started; else the one line that the child said.
    pub fn work(&self, work: &Work, core: Option<usize>) -> io::Result<Done> {
        run_in_child(&self.program, work, core)
    }
}

//! The parent's side: has a process make more and more, measures it from outside, and finds what ends it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ceilings::{self, Ceiling, Nearest, nearest};
use super::kind::Kind;
use super::subject::{Failed, LimitSpec, Step};
use crate::children::Work;
use crate::memory::{Available, Memory};

/// What the experiment allows itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most that it makes.
    pub(crate) most: u64,
    /// The most bytes that all of them may take.
    pub(crate) bytes: f64,
    /// The longest that a run may take.
    pub(crate) patience: Duration,
}

/// How it was at one number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) count: u64,
    /// Seconds for each that was made since the last sight.
    pub(crate) creation: f64,
    /// Bytes of each of all.
    pub(crate) each: Memory,
}

/// Why there were no more.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The number that the experiment allows itself.
    Most(u64),
    /// The memory that it allows itself, in bytes.
    Bytes(f64),
    /// The share of memory that is left to others.
    Available(Available),
    /// The share of this limit of the machine that is left to others.
    Shared(Ceiling),
    /// The time that it allows itself.
    Patience(Duration),
    /// The system refused another one.
    Refused(Failed),
    /// The process ended by one more: by this signal, or else by itself. The line is the last of its stderr.
    Ended(Option<i32>, String),
}

/// What a run found.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// How many there were.
    pub(crate) count: u64,
    /// Seconds that all of them took to make.
    pub(crate) seconds: f64,
    pub(crate) sights: Vec<Sight>,
    pub(crate) stop: Stop,
    /// The limit of the system that is nearest, and whether it is what stopped.
    pub(crate) nearest: Option<Nearest>,
}

/// Where the curves have points, if nothing ends before.
fn points() -> impl Iterator<Item = u64> {
    (1..9).flat_map(|power| [10_u64.pow(power), 3 * 10_u64.pow(power)])
}

/// Runs it once and blocks until the process and all its children have ended.
///
/// # Errors
/// The system's, if the process cannot be started or says nothing.
pub(crate) fn run(program: &Path, kind: Kind, bounds: Bounds) -> io::Result<Run> {
    let mut subject = Subject::start(program, kind, bounds.patience)?;
    let found = count_up(&mut subject, bounds);
    subject.end();
    found
}

fn count_up(subject: &mut Subject, bounds: Bounds) -> io::Result<Run> {
    let pid = subject.child.id();
    let ready = match subject.answer()? {
        Answer::Step(step) => step,
        Answer::Ended(_, line) => return Err(io::Error::other(line)),
        Answer::Short(_) | Answer::Late => {
            return Err(io::Error::other("too little memory or time to begin"));
        }
    };
    let unknown = || io::Error::other("the system does not report the memory of processes");
    let before = Memory::of(pid).ok_or_else(unknown)?;
    let first = ceilings::of(pid);
    let mut run = Run {
        count: ready.count,
        seconds: 0.0,
        sights: Vec::new(),
        stop: Stop::Most(bounds.most),
        nearest: None,
    };
    loop {
        let each = run.sights.last().map(|sight| sight.each.sum());
        if let Some(stop) = own_bound(&run, each, bounds, Available::now(), subject.is_late()) {
            run.stop = stop;
            return Ok(run);
        }
        let step = match subject.ask(next(&run, each, bounds))? {
            Answer::Step(step) => step,
            answer => {
                run.stop = match answer {
                    Answer::Ended(signal, line) => Stop::Ended(signal, line),
                    Answer::Short(available) => Stop::Available(available),
                    _ => Stop::Patience(bounds.patience),
                };
                return Ok(run);
            }
        };
        see(&mut run, &step, pid, before, &first);
        if let Some(error) = step.error {
            run.stop = Stop::Refused(error);
            return Ok(run);
        }
    }
}

/// Notes what a step has led to.
fn see(run: &mut Run, step: &Step, pid: u32, before: Memory, first: &[Ceiling]) {
    let new = step.count - run.count;
    run.count = step.count;
    run.seconds += step.seconds;
    if step.count == 0 {
        return;
    }
    run.nearest = nearest(first, &ceilings::of(pid), step.count);
    if let Some(now) = Memory::of(pid).filter(|_| new > 0) {
        run.sights.push(Sight {
            count: step.count,
            creation: step.seconds / new as f64,
            each: now.each_since(before, step.count),
        });
    }
}

/// Returns the bound of the experiment's own that is reached; each takes so many bytes.
fn own_bound(
    run: &Run,
    each: Option<f64>,
    bounds: Bounds,
    available: Option<Available>,
    late: bool,
) -> Option<Stop> {
    let taken = each.unwrap_or(0.0) * run.count as f64;
    let used_up = run
        .nearest
        .as_ref()
        .filter(|nearest| nearest.usable() < 0.0);
    match available {
        _ if run.count >= bounds.most => Some(Stop::Most(bounds.most)),
        _ if taken >= bounds.bytes * 0.98 => Some(Stop::Bytes(bounds.bytes)),
        Some(available) if available.is_short() => Some(Stop::Available(available)),
        _ if late => Some(Stop::Patience(bounds.patience)),
        _ => used_up.map(|nearest| Stop::Shared(nearest.ceiling.clone())),
    }
}

/// Returns how many there are to be next: the next point, or less where a limit is near, so that the number at which
/// it ends is exact.
fn next(run: &Run, each: Option<f64>, bounds: Bounds) -> u64 {
    let point = points().find(|&point| point > run.count);
    let most = point.unwrap_or(bounds.most).min(bounds.most);
    let left = run.nearest.as_ref().map_or(f64::INFINITY, Nearest::usable);
    let memory = match each {
        Some(each) if each > 0.0 => bounds.bytes / each - run.count as f64,
        _ => f64::INFINITY,
    };
    let more = (left.min(memory) * 0.9).floor().max(1.0);
    // A number beyond 64 bits becomes the greatest of them.
    most.min(run.count.saturating_add(more as u64))
}

/// The process that makes.
struct Subject {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    deadline: Instant,
}

enum Answer {
    Step(Step),
    Ended(Option<i32>, String),
    Short(Available),
    Late,
}

impl Subject {
    fn start(program: &Path, kind: Kind, patience: Duration) -> io::Result<Subject> {
        let work = Work::Limit(LimitSpec { kind });
        let mut child = Command::new(program)
            .arg("cell")
            .arg(serde_json::to_string(&work)?)
            .args(["--parent", &std::process::id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes");
        };
        Ok(Subject {
            child,
            stdin: Some(stdin),
            lines: BufReader::new(stdout),
            deadline: Instant::now() + patience,
        })
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn ask(&mut self, target: u64) -> io::Result<Answer> {
        if let Some(stdin) = &mut self.stdin {
            // If it has ended, what follows says so.
            let _ = writeln!(stdin, "{target}");
        }
        self.answer()
    }

    /// Waits for a line; looks at the memory and the clock meanwhile, and ends the process if there is too little of
    /// either.
    fn answer(&mut self) -> io::Result<Answer> {
        const LOOK: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        loop {
            let ready = {
                let mut fds = [PollFd::new(self.lines.get_ref(), PollFlags::IN)];
                match poll(&mut fds, Some(&LOOK)) {
                    Err(rustix::io::Errno::INTR) => 0,
                    polled => polled?,
                }
            };
            if ready > 0 {
                let mut line = String::new();
                self.lines.read_line(&mut line)?;
                return Ok(match serde_json::from_str(&line) {
                    Ok(step) => Answer::Step(step),
                    Err(_) => self.ended(),
                });
            }
            let short = Available::now().filter(|available| available.is_short());
            let late = self.is_late();
            if short.is_some() || late {
                let _ = self.child.kill();
                return Ok(short.map_or(Answer::Late, Answer::Short));
            }
        }
    }

    /// Reaps the process, which has closed its stdout, and says how it ended.
    fn ended(&mut self) -> Answer {
        self.stdin = None;
        let status = self.child.wait().ok();
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut said);
        }
        let line = said.lines().rfind(|line| !line.trim().is_empty());
        let line = line.unwrap_or("it said nothing");
        let line = line.trim_start_matches("switchboard: ").to_owned();
        Answer::Ended(status.and_then(|status| status.signal()), line)
    }

    /// Has the process end, by the end of its stdin or else by a signal, and waits until it and its children have.
    fn end(mut self) {
        self.stdin = None;
        const LONGEST: Timespec = Timespec {
            tv_sec: 15,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(self.lines.get_ref(), PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&LONGEST)), Ok(1..)) {
            let _ = self.child.kill();
        }
        // All of them hold the pipe, so it ends with the last one.
        let _ = io::copy(&mut self.lines, &mut io::sink());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        most: 20_000,
        bytes: 1e9,
        patience: Duration::from_secs(1),
    };

    fn at(count: u64, left: Option<f64>) -> Run {
        Run {
            count,
            seconds: 0.0,
            sights: Vec::new(),
            stop: Stop::Most(BOUNDS.most),
            nearest: left.map(|left| Nearest {
                ceiling: Ceiling::default(),
                each: 1.0,
                left,
            }),
        }
    }

    #[test]
    fn steps_become_small_where_a_limit_is_near() {
        assert_eq!(next(&at(0, None), None, BOUNDS), 10);
        assert_eq!(next(&at(3_000, Some(20_000.0)), None, BOUNDS), 10_000);
        assert_eq!(next(&at(10_000, None), None, BOUNDS), 20_000);
        assert_eq!(next(&at(10_000, Some(100.0)), None, BOUNDS), 10_090);
        assert_eq!(next(&at(10_099, Some(0.5)), None, BOUNDS), 10_100);
        // 900,000,000 bytes are taken, and 10,000 of 90,000 bytes each are there.
        assert_eq!(next(&at(10_000, None), Some(90_000.0), BOUNDS), 11_000);
    }

    #[test]
    fn it_leaves_a_share_of_a_limit_of_the_machine_to_others() {
        let near = |name: &str, left| {
            let mut run = at(1_000, Some(left));
            if let Some(nearest) = &mut run.nearest {
                (nearest.ceiling.name, nearest.ceiling.most) = (name.to_owned(), 32_768);
            }
            run
        };
        let stop = |run: Run| {
            let stop = own_bound(&run, None, BOUNDS, None, false)?;
            Some(Run { stop, ..run }.ended_by())
        };
        assert_eq!(
            stop(near("kernel.pid_max", 3_276.0)).unwrap(),
            "this experiment's own bound: 10 % of kernel.pid_max = 32,768 are left to others"
        );
        assert_eq!(stop(near("kernel.pid_max", 3_277.0)), None);
        // No step goes into that share.
        assert_eq!(next(&near("kernel.pid_max", 3_377.0), None, BOUNDS), 1_090);
        // The limits of a process are its own.
        assert_eq!(stop(near("RLIMIT_NOFILE", 1.0)), None);
    }

    #[test]
    fn it_stops_at_its_own_bounds_before_memory_is_short() {
        let plenty = |bytes| Some(Available { bytes, of: 10e9 });
        let stop = |count, each, available, late| {
            let run = at(count, None);
            let stop = own_bound(&run, Some(each), BOUNDS, available, late)?;
            Some(Run { stop, ..run }.ended_by())
        };
        assert_eq!(stop(100, 1e4, plenty(9e9), false), None);
        assert_eq!(stop(100, 1e4, None, false), None);
        let expected = [
            (stop(20_000, 1.0, None, false), "of 20,000"),
            (stop(100, 0.99e7, None, false), "of 954 MiB of memory"),
            (
                stop(100, 1e4, plenty(1.9e9), false),
                ": less than 20 % of 9.31 GiB",
            ),
            (stop(100, 1e4, plenty(9e9), true), "of 1 s"),
        ];
        for (text, part) in expected {
            let text = text.unwrap();
            assert!(text.starts_with("this experiment's own bound"), "{text}");
            assert!(text.contains(part), "{text}");
        }
    }
}

//! A loop of random callbacks and timers against a model that is a page long.
//!
//! A program says what each callback does when it runs, by the order in which they were added. The
//! simulated kernel's time is exact, so there the times are compared too.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard_reactor::{Driver, Handle, Loop};

use crate::kit::Bench;

const ROUNDS: usize = 100;
const STEP: Duration = Duration::from_micros(100);

#[derive(Clone, Copy, Debug)]
enum Op {
    Soon,
    Later(u32),
    /// The nth that was added, whether it has run or not.
    Cancel(usize),
}

type Program = Vec<Vec<Op>>;

/// What happened: a callback ran at a time, or a cancel came in time or not.
#[derive(Debug, PartialEq)]
enum Seen {
    Ran(usize, Duration),
    Cancelled(usize, bool),
}

fn program(rng: &mut Rng) -> Program {
    let op = |rng: &mut Rng| match rng.u8(..5) {
        0 | 1 => Op::Soon,
        2 | 3 => Op::Later(rng.u32(..6)),
        _ => Op::Cancel(rng.usize(..)),
    };
    (0..rng.usize(1..60))
        .map(|_| (0..rng.usize(..4)).map(|_| op(rng)).collect())
        .collect()
}

/// What the loop does, told naively.
#[derive(Default)]
struct Model {
    now: Duration,
    ready: Vec<usize>,
    /// Deadline and callback; a callback's number grows, so these sort as they run.
    timers: Vec<(Duration, usize)>,
    added: usize,
    seen: Vec<Seen>,
}

impl Model {
    fn act(&mut self, ops: &[Op]) {
        for op in ops {
            match *op {
                Op::Soon => self.ready.push(self.added),
                Op::Later(steps) => self.timers.push((self.now + steps * STEP, self.added)),
                Op::Cancel(_) if self.added == 0 => continue,
                Op::Cancel(nth) => {
                    let nth = nth % self.added;
                    let before = self.ready.len() + self.timers.len();
                    self.ready.retain(|&call| call != nth);
                    self.timers.retain(|&(_, call)| call != nth);
                    let found = self.ready.len() + self.timers.len() < before;
                    self.seen.push(Seen::Cancelled(nth, found));
                    continue;
                }
            }
            self.added += 1;
        }
    }

    fn call(&mut self, nth: usize, program: &Program) {
        self.seen.push(Seen::Ran(nth, self.now));
        if let Some(ops) = program.get(nth + 1) {
            self.act(ops);
        }
    }

    fn run(mut self, program: &Program) -> Vec<Seen> {
        self.act(&program[0]);
        while !self.ready.is_empty() || !self.timers.is_empty() {
            let old = self.added;
            let due = |&(deadline, call): &(Duration, usize), now| deadline <= now && call < old;
            loop {
                self.timers.sort_unstable();
                let Some(at) = self.timers.iter().position(|timer| due(timer, self.now)) else {
                    break;
                };
                let (_, call) = self.timers.remove(at);
                self.call(call, program);
            }
            // Those of timers of this turn run in it, those of callbacks don't.
            let limit = self.added;
            while let Some(&call) = self.ready.first().filter(|&&call| call < limit) {
                self.ready.remove(0);
                self.call(call, program);
            }
            if self.ready.is_empty()
                && let Some(next) = self.timers.iter().map(|timer| timer.0).min()
            {
                self.now = self.now.max(next);
            }
        }
        self.seen
    }
}

/// The same on the loop.
#[derive(Clone)]
struct Real {
    lp: Loop,
    start: Instant,
    program: Rc<Program>,
    handles: Rc<RefCell<Vec<Handle>>>,
    seen: Rc<RefCell<Vec<Seen>>>,
}

impl Real {
    fn act(&self, ops: &[Op]) {
        for op in ops {
            let (this, nth) = (self.clone(), self.handles.borrow().len());
            let call = move || this.call(nth);
            let handle = match *op {
                Op::Soon => self.lp.call_soon(call),
                Op::Later(steps) => self.lp.call_later(steps * STEP, call),
                Op::Cancel(_) if nth == 0 => continue,
                Op::Cancel(other) => {
                    let other = other % nth;
                    let found = self.handles.borrow()[other].cancel();
                    self.seen.borrow_mut().push(Seen::Cancelled(other, found));
                    continue;
                }
            };
            self.handles.borrow_mut().push(handle);
        }
    }

    fn call(&self, nth: usize) {
        let ran = Seen::Ran(nth, self.lp.now() - self.start);
        self.seen.borrow_mut().push(ran);
        if let Some(ops) = self.program.get(nth + 1) {
            self.act(ops);
        }
    }
}

pub(crate) fn random_calls(bench: &Bench) {
    let mut rng = Rng::with_seed(bench.seed);
    for _ in 0..ROUNDS {
        let program = program(&mut rng);
        let real = Real {
            lp: bench.lp.clone(),
            start: bench.now(),
            program: Rc::new(program.clone()),
            handles: Rc::default(),
            seen: Rc::default(),
        };
        real.act(&program[0]);
        bench.run_out();
        let seen = real.seen.take();
        real.handles.take();
        if bench.driver() == Driver::Sim {
            assert_eq!(seen, Model::default().run(&program), "{program:#?}");
        } else {
            each_at_most_once(&seen);
        }
    }
}

/// Where time is real, this much can be said: what ran ran once, and nothing that was cancelled ran.
fn each_at_most_once(seen: &[Seen]) {
    let mut over = std::collections::HashSet::new();
    let mut last = Duration::ZERO;
    for one in seen {
        match *one {
            Seen::Ran(nth, at) => {
                assert!(over.insert(nth), "{nth} ran again or was cancelled");
                assert!(at >= last, "time goes back");
                last = at;
            }
            Seen::Cancelled(nth, found) => assert_eq!(over.insert(nth), found),
        }
    }
}

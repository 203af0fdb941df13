//! Random callbacks and timers, compared with a simple model of the loop.
//!
//! A program lists what each callback does when it runs, in the order in which callbacks are added. Times
//! are compared with the `sim` driver only, whose time is exact.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard_reactor::{Driver, Handle, Loop};

use crate::support::Fixture;

const ROUNDS: usize = 100;
const STEP: Duration = Duration::from_micros(100);

#[derive(Clone, Copy, Debug)]
enum Op {
    Soon,
    Later(u32),
    /// Cancels the nth callback that was added, whether or not it has run.
    Cancel(usize),
}

type Program = Vec<Vec<Op>>;

/// An observation: a callback that ran and its time, or a cancellation and its result.
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

/// A simple model of the loop.
#[derive(Default)]
struct Model {
    now: Duration,
    ready: Vec<usize>,
    /// Deadlines and callbacks. Numbers of callbacks increase, so that sorted pairs are in the order in which
    /// they run.
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
            // Callbacks that timers of this turn added run in it; those that callbacks added do not.
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

/// The same program on a loop.
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

pub(crate) fn random_calls_match_the_model(fixture: &Fixture) {
    let mut rng = Rng::with_seed(fixture.seed);
    for _ in 0..ROUNDS {
        let program = program(&mut rng);
        let real = Real {
            lp: fixture.lp.clone(),
            start: fixture.now(),
            program: Rc::new(program.clone()),
            handles: Rc::default(),
            seen: Rc::default(),
        };
        real.act(&program[0]);
        fixture.run_to_the_end();
        let seen = real.seen.take();
        real.handles.take();
        if fixture.driver() == Driver::Sim {
            assert_eq!(seen, Model::default().run(&program), "{program:#?}");
        } else {
            each_at_most_once(&seen);
        }
    }
}

/// Checks that each callback ran at most once, that no cancelled callback ran, and that time only increased.
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

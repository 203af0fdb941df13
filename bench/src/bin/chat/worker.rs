//! The process of one server's clients: carries out what its parent sends, a line of JSON each.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard_bench::contenders::clock;

use crate::rooms::{Rooms, name};
use crate::wires::{Wires, late, other};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Adds clients.
    Connect(usize),
    /// The newest clients, so many, say who they are.
    Hello(usize),
    /// All clients enter the rooms of this layout.
    Join(usize),
    /// The newest client enters the rooms of this layout, all of them.
    JoinAll(usize),
    /// Members speak for so many milliseconds; so many messages of each room are under way.
    Talk {
        rooms: usize,
        depth: usize,
        time: u64,
    },
    /// So many messages of so many bytes are said in each second.
    Rate {
        rooms: usize,
        rate: u64,
        length: usize,
        seconds: u64,
    },
    /// Nothing of the newest client is read any more.
    Freeze,
    /// It is read again. Answers whether the server has cut it; then it is gone.
    Thaw,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    pub error: Option<String>,
    pub seconds: f64,
    /// Messages that members got.
    pub delivered: u64,
    /// Processor time of the clients, in seconds.
    pub cpu: f64,
    /// Milliseconds: of the latency, and of how late messages were said.
    pub p50: f64,
    pub p99: f64,
    pub most: f64,
    pub late_p99: f64,
    pub was_cut: bool,
}

struct Worker {
    wires: Wires,
    layouts: Vec<Rooms>,
    /// The clients of rooms; one more is watched by nobody.
    clients: usize,
    /// So many have said who they are, also those that have gone.
    named: usize,
}

/// The bytes of what is said as soon as the last message was heard.
pub const LENGTH: usize = 64;

/// How long messages that were said at a fixed rate may be under way after the last.
const GRACE: Duration = Duration::from_secs(10);

/// The pause between two commands of one client. Some servers limit the rate.
const POLITE: Duration = Duration::from_millis(60);

/// The pause between two signs of a client that reads nothing.
const SIGN: Duration = Duration::from_secs(1);

pub fn run(addr: SocketAddr) -> io::Result<()> {
    // SAFETY: a plain system call. The timers of this thread become exact.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let mut worker = Worker {
        wires: Wires::new(addr)?,
        layouts: Vec::new(),
        clients: 0,
        named: 0,
    };
    let mut line = String::new();
    let mut stdin = io::stdin().lock();
    while worker.wait_for_a_line()? && stdin.read_line(&mut line)? > 0 {
        let command = serde_json::from_str(&line)?;
        let (start, cpu) = (Instant::now(), clock(0));
        let mut answer = worker.carry_out(command).unwrap_or_else(|error| Answer {
            error: Some(error.to_string()),
            ..Answer::default()
        });
        answer.seconds = start.elapsed().as_secs_f64();
        answer.cpu = (clock(0) - cpu).as_secs_f64();
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
        line.clear();
    }
    Ok(())
}

impl Worker {
    /// Answers pings until there is a command.
    fn wait_for_a_line(&mut self) -> io::Result<bool> {
        loop {
            for at in self.wires.wait(-1)? {
                if at == Wires::COMMANDS {
                    return Ok(true);
                }
                self.wires.take(at, |_, _| Ok(()))?;
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> io::Result<Answer> {
        match command {
            Command::Connect(count) => self.wires.connect(count)?,
            Command::Hello(count) => {
                let first = self.wires.count() - count;
                // The name of a client that was cut is held for a while.
                let before = self.named - first;
                let hello = |at| format!(r#"{{"type":"hello","nick":"u{}"}}"#, at + before);
                self.named += count;
                let welcome = |_| r#"{"type":"welcome","#.to_owned();
                self.wires.ask(first..first + count, hello, welcome)?;
            }
            Command::Join(rooms) => {
                self.clients = self.wires.count();
                let each = self.clients / rooms;
                self.join(0..self.clients, |at| name(rooms, at / each))?;
                self.layouts.push(Rooms::new(rooms, self.clients)?);
                self.wires.settle()?;
            }
            Command::JoinAll(rooms) => {
                let last = self.wires.count() - 1;
                for room in 0..rooms {
                    self.join(last..last + 1, |_| name(rooms, room))?;
                    self.wires.pause(POLITE)?;
                }
                self.wires.settle()?;
            }
            Command::Talk { rooms, depth, time } => {
                return self.talk(rooms, depth, Duration::from_millis(time));
            }
            Command::Rate {
                rooms,
                rate,
                length,
                seconds,
            } => return self.rate(rooms, rate, length, Duration::from_secs(seconds)),
            Command::Freeze => self.wires.freeze()?,
            Command::Thaw => {
                return Ok(Answer {
                    was_cut: self.wires.thaw()?,
                    ..Answer::default()
                });
            }
        }
        Ok(Answer::default())
    }

    fn join(
        &mut self,
        clients: std::ops::Range<usize>,
        room: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        let join = |at| format!(r#"{{"type":"join","room":"{}"}}"#, room(at));
        let joined = |at| format!(r#"{{"type":"joined","room":"{}","#, room(at));
        self.wires.ask(clients, join, joined)
    }

    /// In each room, somebody speaks once all have heard what was said before.
    fn talk(&mut self, rooms: usize, depth: usize, time: Duration) -> io::Result<Answer> {
        let (wires, rooms) = (&mut self.wires, layout(&mut self.layouts, rooms)?);
        rooms.begin();
        let end = Instant::now() + time;
        let say = |rooms: &mut Rooms, wires: &mut Wires, at| {
            let (speaker, frame) = rooms.say(at, LENGTH, Instant::now());
            wires.send(speaker, &frame)
        };
        for at in (0..rooms.count()).flat_map(|at| std::iter::repeat_n(at, depth)) {
            say(rooms, wires, at)?;
        }
        let mut heard = Instant::now();
        while rooms.under_way > 0 {
            let ready = wires.wait(0)?;
            if ready.is_empty() {
                late(heard)?;
                continue;
            }
            for client in ready {
                heard = Instant::now();
                wires.take(client, |frame, payload| {
                    rooms.told(client, frame, payload, heard)
                })?;
            }
            for at in std::mem::take(&mut rooms.done) {
                if heard < end {
                    say(rooms, wires, at)?;
                }
            }
        }
        Ok(Answer {
            delivered: rooms.delivered,
            ..Answer::default()
        })
    }

    /// Speaks at fixed moments, whether or not what was said before has been heard.
    fn rate(
        &mut self,
        rooms: usize,
        rate: u64,
        length: usize,
        time: Duration,
    ) -> io::Result<Answer> {
        let (wires, rooms) = (&mut self.wires, layout(&mut self.layouts, rooms)?);
        rooms.begin();
        let mut lateness = hdrhistogram::Histogram::<u64>::new(3).map_err(io::Error::other)?;
        let total = rate * time.as_secs();
        let begin = Instant::now();
        let due = |said: u64| begin + Duration::from_nanos(said * 1_000_000_000 / rate);
        let (mut said, mut now, mut signed) = (0, begin, begin);
        wires.sign();
        loop {
            let mut speak = |rooms: &mut Rooms, wires: &mut Wires, now: Instant| {
                while said < total && now >= due(said) {
                    let at = said as usize % rooms.count();
                    let (speaker, frame) = rooms.say(at, length, due(said));
                    wires.send(speaker, &frame)?;
                    let _ = lateness.record((now - due(said)).as_micros() as u64);
                    said += 1;
                }
                io::Result::Ok(())
            };
            speak(rooms, wires, now)?;
            for client in wires.wait(0)? {
                now = Instant::now();
                speak(rooms, wires, now)?;
                wires.take(client, |frame, payload| {
                    rooms.told(client, frame, payload, now)
                })?;
            }
            now = Instant::now();
            if now > signed + SIGN {
                wires.sign();
                signed = now;
            }
            if said == total && rooms.under_way == 0 {
                break;
            }
            if now > begin + time + GRACE {
                let seconds = begin.elapsed().as_secs_f64();
                let text = format!(
                    "only {:.0} deliveries a second",
                    rooms.delivered as f64 / seconds
                );
                return Err(other(text));
            }
        }
        let ms = |micros: u64| micros as f64 / 1000.0;
        Ok(Answer {
            delivered: rooms.delivered,
            p50: ms(rooms.latencies.value_at_quantile(0.5)),
            p99: ms(rooms.latencies.value_at_quantile(0.99)),
            most: ms(rooms.latencies.max()),
            late_p99: ms(lateness.value_at_quantile(0.99)),
            ..Answer::default()
        })
    }
}

fn layout(layouts: &mut [Rooms], rooms: usize) -> io::Result<&mut Rooms> {
    let found = layouts.iter_mut().find(|layout| layout.count() == rooms);
    found.ok_or_else(|| other(format!("nobody has entered the {rooms} rooms")))
}

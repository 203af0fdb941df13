//! Habits of coroutines: what holds up the loop or the others, beside what does not.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard_fetch::Client;
use switchboard_runtime::{self as runtime, Driver, Model};

use super::cell::{run_jobs, timed};
use super::measured::Measured;
use super::rows::Row;

/// A habit, by what it does in each job. Each good one is followed by the mistake that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Habit {
    /// Sleeps by the runtime.
    SleepRight,
    /// Sleeps by the system, in a coroutine.
    SleepWrong,
    /// Asks a name server on a thread for look-ups.
    LookUpRight,
    /// Asks a name server on the loop.
    LookUpWrong,
    /// Fetches a page, then counts it under a lock.
    LockRight,
    /// Fetches a page under the lock that is for the count.
    LockWrong,
}

impl Habit {
    /// All of them, a good one before its mistake.
    pub(super) const PAIRS: [(Habit, Habit); 3] = [
        (Habit::SleepRight, Habit::SleepWrong),
        (Habit::LookUpRight, Habit::LookUpWrong),
        (Habit::LockRight, Habit::LockWrong),
    ];

    /// Returns the name of the row.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Habit::SleepRight => "a pause by runtime::sleep",
            Habit::SleepWrong => "a pause by thread::sleep",
            Habit::LookUpRight => "a name looked up by run_lookup",
            Habit::LookUpWrong => "a name looked up on the loop",
            Habit::LockRight => "a lock held for the count",
            Habit::LockWrong => "a lock held across the wait",
        }
    }

    /// Returns the mistake as it is said in a sentence.
    pub(super) const fn said(self) -> &'static str {
        match self {
            Habit::SleepRight | Habit::SleepWrong => "sleeping by thread::sleep in a coroutine",
            Habit::LookUpRight | Habit::LookUpWrong => "a blocking name look-up on the loop",
            Habit::LockRight | Habit::LockWrong => "holding a lock across a wait",
        }
    }
}

/// A habit to measure, with the sizes of `io`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HabitSpec {
    /// The habit.
    pub habit: Habit,
    /// The number of jobs, all at once.
    pub jobs: usize,
    /// What each job waits for: the pause, the name server, the page.
    pub latency: Duration,
    /// The address of the slow site, whose pages take as long.
    pub site: SocketAddr,
}

/// Measures a habit in this process, under `tasks`.
pub(crate) fn run(spec: &HabitSpec) -> io::Result<Measured> {
    let row = Row::new(Model::Tasks, Driver::best());
    let HabitSpec {
        habit,
        jobs,
        latency,
        ..
    } = *spec;
    let text = |error: io::Error| error.to_string();
    match habit {
        Habit::SleepRight => timed(|| {
            run_jobs(row, jobs, jobs, move |_| async move {
                runtime::sleep(latency).await;
                Ok(())
            })
        }),
        Habit::SleepWrong => timed(|| {
            run_jobs(row, jobs, jobs, move |_| async move {
                std::thread::sleep(latency);
                Ok(())
            })
        }),
        Habit::LookUpRight => {
            let server = name_server(latency)?;
            timed(|| {
                run_jobs(row, jobs, jobs, move |_| async move {
                    let found = runtime::run_lookup(move || look_up(server)).await;
                    found.map_err(|error| error.to_string())?.map_err(text)
                })
            })
        }
        Habit::LookUpWrong => {
            let server = name_server(latency)?;
            timed(|| {
                run_jobs(row, jobs, jobs, move |_| async move {
                    look_up(server).map_err(text)
                })
            })
        }
        Habit::LockRight | Habit::LockWrong => timed(|| lock(row, spec)),
    }
}

/// Fetches a page in each job and counts it. The token of a channel is the lock: whoever has it may count, and waiting
/// for it suspends.
fn lock(row: Row, spec: &HabitSpec) -> io::Result<()> {
    let (put, take) = runtime::channel(1);
    put.try_send(0_usize).map_err(io::Error::other)?;
    let (client, site, wrong) = (Client::new(), spec.site, spec.habit == Habit::LockWrong);
    run_jobs(row, spec.jobs, spec.jobs, move |job| {
        let (client, put, take) = (client.clone(), put.clone(), take.clone());
        async move {
            let url = format!("http://{site}/page/{job}");
            let fetch = async || {
                let fetched = async { client.get(&url).await?.bytes(1 << 20).await }.await;
                fetched.map(drop).map_err(|error| error.to_string())
            };
            let closed = |_| "the lock is gone".to_owned();
            let count = match wrong {
                true => {
                    let count = take.recv().await.map_err(closed)?;
                    fetch().await?;
                    count
                }
                false => {
                    fetch().await?;
                    take.recv().await.map_err(closed)?
                }
            };
            put.send(count + 1).await.map_err(|error| error.to_string())
        }
    })
}

/// Bytes of the head of a DNS message.
const HEAD: usize = 12;

/// The question for the address of `slow.test`, as RFC 1035 writes it.
const QUESTION: &[u8] = b"\x04slow\x04test\x00\x00\x01\x00\x01";

/// Starts a name server on a thread, which answers each question after `latency`, and returns its address.
fn name_server(latency: Duration) -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = socket.local_addr()?;
    let serve = move || -> io::Result<()> {
        let mut held: VecDeque<(Instant, SocketAddr, Vec<u8>)> = VecDeque::new();
        let mut message = [0; 512];
        loop {
            let now = Instant::now();
            while held.front().is_some_and(|(due, ..)| *due <= now) {
                if let Some((_, client, answer)) = held.pop_front() {
                    socket.send_to(&answer, client)?;
                }
            }
            let wait = held
                .front()
                .map(|(due, ..)| due.saturating_duration_since(now));
            socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_micros(1))))?;
            match socket.recv_from(&mut message) {
                Ok((length, client)) if length >= HEAD => {
                    held.push_back((Instant::now() + latency, client, answer(&message[..length])));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    // It ends with the process of the cell.
    std::thread::Builder::new()
        .name("name server".into())
        .spawn(serve)?;
    Ok(addr)
}

/// Returns the answer to a question: 127.0.0.1, for an hour.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    // A response, with recursion available, and one answer.
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..8].copy_from_slice(&[0, 1]);
    answer.extend([
        0xc0, HEAD as u8, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 127, 0, 0, 1,
    ]);
    answer
}

/// Asks for an address and blocks until the answer is there, as `getaddrinfo` does.
fn look_up(server: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    question.extend(QUESTION);
    socket.send(&question)?;
    let mut message = [0; 512];
    let length = socket.recv(&mut message)?;
    match message[..length] == *answer(&question) {
        true => Ok(()),
        false => Err(io::Error::other("the name server said something else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_after_the_latency() {
        let latency = Duration::from_millis(30);
        let server = name_server(latency).unwrap();
        let start = Instant::now();
        let both = [(); 2].map(|()| std::thread::spawn(move || look_up(server)));
        for thread in both {
            thread.join().unwrap().unwrap();
        }
        assert!(start.elapsed() >= latency);
    }
}

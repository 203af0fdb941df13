//! A way to Redis that breaks when a test says so.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::chat_nodes::redis::Server;

/// Which answers of Redis the proxy counts, and which of them it loses or cuts off.
#[derive(Default)]
pub(super) struct Rule {
    /// The answers of commands that have these bytes are counted.
    pub(super) of: &'static [u8],
    /// Those that are not delivered: their connections end.
    pub(super) cuts: Range<usize>,
    /// Whether Redis does not get these commands either.
    pub(super) loses: bool,
    /// Whether new connections are closed at once from the first such answer on.
    pub(super) closes: bool,
    /// Whether they are closed now.
    pub(super) is_closed: bool,
}

/// A relay to a Redis server, until the test's process ends.
#[derive(Clone)]
pub(super) struct Proxy {
    port: u16,
    ways: Arc<Ways>,
}

#[derive(Default)]
struct Ways {
    rule: Mutex<Rule>,
    seen: AtomicUsize,
    cuts: AtomicUsize,
    refused: AtomicUsize,
}

impl Proxy {
    pub(super) fn start(redis: &Server) -> Proxy {
        let to = redis.url().trim_start_matches("redis://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ways = Arc::<Ways>::default();
        let proxy = Proxy {
            port,
            ways: ways.clone(),
        };
        thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                match ways.rule().is_closed {
                    true => _ = ways.refused.fetch_add(1, Ordering::SeqCst),
                    false => relay(&ways, client, TcpStream::connect(&to).unwrap()),
                }
            }
        });
        proxy
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn rule(&self) -> MutexGuard<'_, Rule> {
        self.ways.rule()
    }

    /// How many answers were not delivered.
    pub(super) fn cuts(&self) -> usize {
        self.ways.cuts.load(Ordering::SeqCst)
    }

    /// How many connections were closed at once.
    pub(super) fn refused(&self) -> usize {
        self.ways.refused.load(Ordering::SeqCst)
    }
}

fn relay(ways: &Arc<Ways>, client: TcpStream, server: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let is_cut = Arc::new(Mutex::new(false));
    let (ways, cut) = (ways.clone(), is_cut.clone());
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let is_cut = ways.cuts_answer_of(&bytes[..length]);
            *cut.lock().unwrap() |= is_cut;
            if (is_cut && ways.rule().loses) || to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    });
    let (mut from, mut to) = (server, client);
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if *is_cut.lock().unwrap() || to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    });
}

impl Ways {
    fn rule(&self) -> MutexGuard<'_, Rule> {
        self.rule.lock().unwrap()
    }

    fn cuts_answer_of(&self, command: &[u8]) -> bool {
        let mut rule = self.rule();
        let of = rule.of;
        if of.is_empty() || !command.windows(of.len()).any(|bytes| bytes == of) {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let is_cut = rule.cuts.contains(&seen);
        if is_cut {
            rule.is_closed |= rule.closes;
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        is_cut
    }
}

//! The flow that talks with Redis: in sessions, and without it between them.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use switchboard_redis::{Failure, RedisUrl, warn};
use switchboard_runtime::{self as runtime, Receiver, RecvError, race};

use super::keys::Keys;
use super::names::Held;
use super::rooms::{Open, Queued};
use super::sent::Sent;
use super::session::{Came, Session};
use crate::hub::WeakHub;
use crate::log::Parts;
use crate::room::Room;
use crate::shared::Claiming;
use crate::update::StoreState;
use crate::{Hub, HubOptions, Name};

/// What the hub asks for.
pub(super) enum Ask {
    /// A room has changed.
    Stir(Arc<Room>),
    Append(Parts),
    Claim(Arc<Claiming>),
    /// A name, folded.
    Release(String),
    Typing(Name, Name),
}

pub(super) struct Flow {
    url: RedisUrl,
    pub(super) keys: Arc<Keys>,
    pub(super) hub: WeakHub,
    pub(super) options: HubOptions,
    asks: Receiver<Ask>,
    pub(super) session: Option<Session>,
    pub(super) rooms: HashMap<Name, Open>,
    /// By the folded name.
    pub(super) names: HashMap<String, Held>,
    /// The bytes of all entries that wait to be kept.
    pub(super) queued: usize,
    /// How many syncs are under way, and the rooms that wait for one.
    pub(super) syncs: usize,
    pub(super) waiting: VecDeque<Name>,
    /// The newest version of any room's members.
    pub(super) version: u64,
    /// When Redis went, while it is away.
    went: Option<Instant>,
    tick: Instant,
    ticks: u64,
    warned: Option<Instant>,
}

/// The most bytes of entries that wait to be kept.
const QUEUED: usize = 16 * 1024 * 1024;
/// The first pause before connecting again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_secs(1);
/// The ticks between two looks at names.
const NAMES: u64 = 5;
/// The most names that are claimed again at such a look. Redis may still refuse them all.
const CLAIMED: usize = 1000;
/// The asks that are taken before Redis is looked at again.
const AT_ONCE: usize = 64;

enum Step {
    Opened(Result<Session, Failure>),
    Asked(Result<Ask, RecvError>),
    Came(Result<Came, Failure>),
    Paused,
}

/// The hub is gone.
struct Over;

impl Flow {
    pub(super) fn new(url: RedisUrl, keys: Arc<Keys>, hub: &Hub, asks: Receiver<Ask>) -> Flow {
        Flow {
            url,
            keys,
            hub: hub.downgrade(),
            options: hub.options().clone(),
            asks,
            session: None,
            rooms: HashMap::new(),
            names: HashMap::new(),
            queued: 0,
            syncs: 0,
            waiting: VecDeque::new(),
            version: 0,
            went: None,
            tick: Instant::now(),
            ticks: 0,
            warned: None,
        }
    }

    /// Runs until the hub is gone. `first` is told how the first attempt to connect went: an error if there is no use
    /// in another one.
    pub(super) async fn run(mut self, first: mpsc::Sender<Result<(), String>>) {
        let mut first = Some(first);
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(opened) = self.open().await else {
                return;
            };
            let told = first.take();
            match opened {
                Ok(session) => {
                    told.map(|first| first.send(Ok(())));
                    pause = FIRST_PAUSE;
                    self.here(session);
                    match self.serve().await {
                        Ok(failure) => self.away(&failure),
                        Err(Over) => return,
                    }
                }
                Err(failure) => {
                    self.away(&failure);
                    let lasting = failure.is_lasting() && told.is_some();
                    let answer = if lasting {
                        Err(failure.to_string())
                    } else {
                        Ok(())
                    };
                    told.map(|first| first.send(answer));
                    if lasting {
                        return;
                    }
                }
            }
            // Nodes that lost it together do not come back together.
            let jittered = pause.mul_f32(0.5 + fastrand::f32() / 2.0);
            pause = (pause * 2).min(LONGEST_PAUSE);
            if self.pause(jittered).await.is_err() {
                return;
            }
        }
    }

    async fn open(&mut self) -> Result<Result<Session, Failure>, Over> {
        let (url, keys, asks) = (self.url.clone(), self.keys.clone(), self.asks.clone());
        let mut opening = pin!(Session::open(&url, &keys));
        loop {
            let opened = async { Step::Opened(opening.as_mut().await) };
            match race(opened, async { Step::Asked(asks.recv().await) }).await {
                Step::Opened(opened) => return Ok(opened),
                Step::Asked(Ok(ask)) => self.asked(ask),
                _ => return Err(Over),
            }
        }
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Over> {
        let asks = self.asks.clone();
        let mut end = pin!(runtime::sleep(time));
        loop {
            let paused = async {
                end.as_mut().await;
                Step::Paused
            };
            match race(paused, async { Step::Asked(asks.recv().await) }).await {
                Step::Paused => return Ok(()),
                Step::Asked(Ok(ask)) => self.asked(ask),
                _ => return Err(Over),
            }
        }
    }

    /// Takes what comes and what is asked, until Redis is away.
    async fn serve(&mut self) -> Result<Failure, Over> {
        let asks = self.asks.clone();
        loop {
            let tick = self.tick;
            let Some(session) = &mut self.session else {
                return Ok(Failure::passing("the session has ended"));
            };
            let came = async { Step::Came(poll_fn(|context| session.poll(context)).await) };
            let asked = async { Step::Asked(asks.recv().await) };
            let ticked = async {
                runtime::sleep_until(tick).await;
                Step::Paused
            };
            let done = match race(came, race(asked, ticked)).await {
                Step::Came(Ok(Came::Answer(sent, reply))) => self.answered(sent, reply),
                Step::Came(Ok(Came::Published(reply))) => {
                    self.published(reply);
                    Ok(())
                }
                Step::Came(Err(failure)) => Err(failure),
                Step::Asked(Ok(ask)) => {
                    self.asked(ask);
                    Ok(())
                }
                Step::Asked(Err(RecvError)) => return Err(Over),
                Step::Paused | Step::Opened(_) => Ok(()),
            };
            for _ in 0..AT_ONCE {
                let Ok(ask) = asks.try_recv() else { break };
                self.asked(ask);
            }
            if let Err(failure) = done.and_then(|()| self.tick()) {
                return Ok(failure);
            }
        }
    }

    fn tick(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now < self.tick {
            return Ok(());
        }
        self.tick = now + TICK;
        self.ticks += 1;
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if session.is_silent(now) {
            return Err(Failure::passing("no answer in 3 s"));
        }
        session.ping();
        self.look_at_rooms(now);
        if self.ticks.is_multiple_of(NAMES) {
            self.claim_again(CLAIMED);
        }
        Ok(())
    }

    fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Stir(room) => self.stir(&room),
            Ask::Append(parts) => self.append(parts),
            Ask::Claim(claim) => self.claim(claim),
            Ask::Release(folded) => self.release(&folded),
            Ask::Typing(room, nick) => {
                let text = format!("t {} {}", self.keys.node, &*nick);
                if let Some(session) = &mut self.session {
                    session.publish(&self.keys.channel(&room), &text);
                }
            }
        }
    }

    fn append(&mut self, parts: Parts) {
        let mut queued = Queued {
            parts,
            is_shown: false,
        };
        let bytes = queued.bytes();
        if self.queued + bytes > QUEUED {
            let text = "too much waits for Redis to come back: say it again later";
            return queued.parts.fail(text);
        }
        self.queued += bytes;
        if self.session.is_none() {
            queued.show();
        }
        let room = queued.parts.room.clone();
        room.begin_to_open();
        self.open_room(&room).queue.push_back(queued);
        self.drive(room.name());
    }

    /// Begins a session: subscribes to all again, and looks for what was missed.
    fn here(&mut self, session: Session) {
        self.session = Some(session);
        self.tick = Instant::now();
        if let Some(went) = self.went.take() {
            let seconds = went.elapsed().as_secs_f32();
            warn(&format!(
                "Redis at {} is back after {seconds:.1} s",
                self.url
            ));
        }
        let names: Vec<_> = self.rooms.keys().cloned().collect();
        for name in names {
            self.drive(&name);
        }
        self.claim_again(usize::MAX);
        if let Some(hub) = self.hub.upgrade() {
            hub.store_is(StoreState::Here);
        }
    }

    /// Ends a session. What was under way is asked again in the next one.
    fn away(&mut self, failure: &Failure) {
        if self.went.is_none() {
            self.went = Some(Instant::now());
            warn(&format!(
                "Redis at {} is away: {}; this node goes on with its own clients",
                self.url, failure
            ));
        }
        let unanswered = self.session.take().map(Session::into_unanswered);
        for sent in unanswered.into_iter().flatten() {
            if let Sent::Claim { folded, claim } = sent {
                self.grant_here(&folded, claim);
            }
        }
        (self.syncs, self.waiting) = (0, VecDeque::new());
        for open in self.rooms.values_mut() {
            open.cut();
            open.room.enter_all();
        }
        if let Some(hub) = self.hub.upgrade() {
            hub.store_is(StoreState::Away);
        }
    }

    /// Logs that Redis refuses something, at most once a minute.
    pub(super) fn complain(&mut self, error: &str) {
        let now = Instant::now();
        let recent = |warned: Instant| now.duration_since(warned) < Duration::from_secs(60);
        if !self.warned.is_some_and(recent) {
            self.warned = Some(now);
            warn(&format!("Redis at {} refuses: {error}", self.url));
        }
    }
}

#[cfg(test)]
mod tests;

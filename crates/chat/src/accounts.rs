//! Names that are held for good, by a password.

#[cfg(test)]
pub(crate) mod held;
mod pending;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

use switchboard_runtime::run_blocking;

pub use self::pending::PendingAccount;
use crate::rate::Bucket;
use crate::{Name, Now};

/// A name that is held for good.
///
/// ```
/// use switchboard_chat::Account;
///
/// let account = Account { nick: "ann".parse()?, hash: "$2b$10$…".into() };
/// assert_eq!(&*account.nick, "ann");
/// # Ok::<(), switchboard_chat::BadName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, as its user writes it.
    pub nick: Name,
    /// The hash of the password, by bcrypt.
    pub hash: Arc<str>,
}

/// The work that each password takes: 2 to the power of this. OWASP asks for 10 at least.
const COST: u32 = 10;

/// The most names that have passwords, so that nobody fills the memory with them.
const MOST: usize = 100_000;

/// The most passwords that wait to be checked, and the most of one name that wait or are checked.
const WAITING: usize = 64;
const WAITING_OF_NAME: u32 = 2;

/// The wrong passwords of a name that are looked at in a row; in the long run, one a second.
const WRONG: u32 = 5;

/// The names of the whole server that get passwords in a row; in the long run, one a second.
const REGISTERED: u32 = 60;

/// How many threads check passwords.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, |all| (all.get() / 2).max(1)));

/// The names that are registered, and the checks that are under way. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Accounts(Arc<Contents>);

struct Contents {
    /// By the folded name.
    hashes: Mutex<HashMap<String, Arc<str>>>,
    work: Mutex<Work>,
    /// The names that get passwords now, folded.
    registering: Mutex<HashSet<String>>,
    /// How many more names may get passwords.
    registrations: Mutex<Bucket>,
}

/// Passwords take a processor for a while, and clients choose how many they send: half of the processors check them,
/// and what waits is bounded.
#[derive(Default)]
struct Work {
    threads: usize,
    jobs: VecDeque<Job>,
    /// What is checked of registered names; by the folded name.
    checks: HashMap<String, Checks>,
}

/// What is checked of a name.
struct Checks {
    /// How many wait or are under way.
    waiting: u32,
    /// How many more wrong passwords are looked at.
    left: Bucket,
}

/// A place among the checks of a name.
pub(crate) struct Check {
    accounts: Accounts,
    nick: Name,
    is_right: bool,
}

/// A name that gets a password, and nobody else gives it one meanwhile.
pub(crate) struct Registering {
    accounts: Accounts,
    folded: String,
}

type Job = Box<dyn FnOnce() + Send>;

impl Accounts {
    pub(crate) fn new(accounts: Vec<Account>) -> Accounts {
        let hashes = accounts
            .into_iter()
            .map(|account| (account.nick.folded(), account.hash));
        Accounts(Arc::new(Contents {
            hashes: Mutex::new(hashes.collect()),
            work: Mutex::default(),
            registering: Mutex::default(),
            registrations: Mutex::new(Bucket::full(REGISTERED, Instant::now())),
        }))
    }

    pub(crate) fn has(&self, nick: &Name) -> bool {
        lock(&self.0.hashes).contains_key(&nick.folded())
    }

    /// Returns whether there are as many as there may be.
    pub(crate) fn is_full(&self) -> bool {
        lock(&self.0.hashes).len() >= MOST
    }

    /// Takes a place among the checks of a name, unless others have them, or the last passwords were wrong.
    pub(crate) fn check(&self, nick: &Name, now: Now) -> Option<Check> {
        let mut work = lock(&self.0.work);
        let checks = work.checks.entry(nick.folded());
        let checks = checks.or_insert_with(|| Checks {
            waiting: 0,
            left: Bucket::full(WRONG, now.instant),
        });
        let has_room = checks.waiting < WAITING_OF_NAME && checks.left.take(1, WRONG, now.instant);
        has_room.then(|| {
            checks.waiting += 1;
            Check {
                accounts: self.clone(),
                nick: nick.clone(),
                is_right: false,
            }
        })
    }

    /// Takes a name that is to get a password; `None` if it has one, or gets one.
    pub(crate) fn registering(&self, nick: &Name) -> Option<Registering> {
        let folded = nick.folded();
        let mut registering = lock(&self.0.registering);
        let is_new = !self.has(nick) && registering.insert(folded.clone());
        is_new.then(|| Registering {
            accounts: self.clone(),
            folded,
        })
    }

    /// Returns whether one more name may get a password now.
    pub(crate) fn may_register(&self, now: Now) -> bool {
        lock(&self.0.registrations).take(1, REGISTERED, now.instant)
    }

    /// Runs a job on another thread, in its turn. Returns whether there was room for it. A job that cannot be run is
    /// dropped.
    pub(crate) fn in_turn(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut work = lock(&self.0.work);
        if work.jobs.len() >= WAITING {
            return false;
        }
        work.jobs.push_back(Box::new(job));
        if work.threads < *THREADS {
            work.threads += 1;
            drop(work);
            let mut worker = Worker {
                accounts: self.clone(),
                has_ended: false,
            };
            drop(run_blocking(move || worker.run()));
        }
        true
    }

    fn keep(&self, account: &Account) {
        lock(&self.0.hashes).insert(account.nick.folded(), account.hash.clone());
    }
}

impl Check {
    /// Returns whether a password is that of the name. Takes a processor for a while.
    pub(crate) fn is_right(&mut self, password: &str) -> bool {
        let hash = lock(&self.accounts.0.hashes)
            .get(&self.nick.folded())
            .cloned();
        let is_right = hash.is_some_and(|hash| bcrypt::verify(password, &hash).unwrap_or(false));
        self.is_right = is_right;
        is_right
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        let mut work = lock(&self.accounts.0.work);
        if let Entry::Occupied(mut checks) = work.checks.entry(self.nick.folded()) {
            checks.get_mut().waiting -= 1;
            // A user who knows the password waits for nothing the next time.
            if self.is_right && checks.get().waiting == 0 {
                checks.remove();
            }
        }
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        lock(&self.accounts.0.registering).remove(&self.folded);
    }
}

/// A thread that does what there is to do, and ends.
struct Worker {
    accounts: Accounts,
    has_ended: bool,
}

impl Worker {
    fn run(&mut self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&mut self) -> Option<Job> {
        let mut work = lock(&self.accounts.0.work);
        let job = work.jobs.pop_front();
        if job.is_none() {
            work.threads -= 1;
            self.has_ended = true;
        }
        job
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // A job has panicked, or no thread could be started.
        let mut work = lock(&self.accounts.0.work);
        work.threads -= 1;
        let given_up = match work.threads {
            0 => std::mem::take(&mut work.jobs),
            _ => VecDeque::new(),
        };
        // Whoever is told of it may use the accounts.
        drop(work);
        drop(given_up);
    }
}

/// Returns the hash of a new password. Takes a processor for a while.
pub(crate) fn hash(password: &str) -> Option<Arc<str>> {
    bcrypt::hash(password, COST).ok().map(Arc::from)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_go_on_after_one_that_panics() {
        let accounts = Accounts::new(Vec::new());
        let (sender, receiver) = std::sync::mpsc::channel();
        assert!(accounts.in_turn(|| panic!("oh")));
        // It may have been given up with that one.
        loop {
            let sender = sender.clone();
            assert!(accounts.in_turn(move || sender.send(()).unwrap()));
            let patience = std::time::Duration::from_millis(200);
            if receiver.recv_timeout(patience).is_ok() {
                return;
            }
        }
    }
}

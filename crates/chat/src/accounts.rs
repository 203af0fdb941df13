//! Names that are held for good, by a password.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use switchboard_runtime::run_blocking;

use crate::Name;
use crate::outbox::Outbox;
use crate::update::{ErrorCode, Parcel, Update};

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

/// What is checked where there is no such name, so that the time tells nothing: of the same cost.
const NOBODY: &str = "$2b$10$3euPcmQFCiblsZeEu5s7p.9OVHgeHWFDk9nhMqZ0m/3pd/lhwZgES";

/// The most names that have passwords, so that nobody fills the memory with them.
const MOST: usize = 100_000;

/// The most passwords that wait to be checked.
const WAITING: usize = 64;

/// The names that are registered, and the checks that are under way. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Accounts(Arc<Contents>);

struct Contents {
    /// By the folded name.
    hashes: Mutex<HashMap<String, Arc<str>>>,
    work: Mutex<Work>,
}

/// Passwords take a processor for a while, and clients choose how many they send: half of the processors check them,
/// and what waits is bounded.
#[derive(Default)]
struct Work {
    threads: usize,
    jobs: VecDeque<Job>,
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
        }))
    }

    pub(crate) fn has(&self, nick: &Name) -> bool {
        lock(&self.0.hashes).contains_key(&nick.folded())
    }

    /// Returns whether there are as many as there may be.
    pub(crate) fn is_full(&self) -> bool {
        lock(&self.0.hashes).len() >= MOST
    }

    /// Returns whether a password is that of a name. Takes a processor for a while, also where there is no such name.
    pub(crate) fn is_right(&self, nick: &Name, password: &str) -> bool {
        let hash = lock(&self.0.hashes).get(&nick.folded()).cloned();
        let is_right = bcrypt::verify(password, hash.as_deref().unwrap_or(NOBODY));
        hash.is_some() && is_right.unwrap_or(false)
    }

    /// Runs a job on another thread, in its turn. Returns whether there was room for it. A job that cannot be run is
    /// dropped.
    pub(crate) fn in_turn(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut work = lock(&self.0.work);
        if work.jobs.len() >= WAITING {
            return false;
        }
        work.jobs.push_back(Box::new(job));
        let most = available_parallelism().map_or(1, |all| (all.get() / 2).max(1));
        if work.threads < most {
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

/// An account that is not kept yet. Dropping it counts as [`failed`](PendingAccount::failed).
pub struct PendingAccount {
    account: Account,
    accounts: Accounts,
    /// Who is told once it is kept; `None` once that was done.
    user: Option<Arc<Outbox>>,
}

impl PendingAccount {
    pub(crate) fn new(account: Account, accounts: Accounts, user: Arc<Outbox>) -> PendingAccount {
        PendingAccount {
            account,
            accounts,
            user: Some(user),
        }
    }

    /// Returns the account. One of the same name takes the place of an earlier one.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Tells the user that the name is held by the password from now on.
    pub fn kept(mut self) {
        self.accounts.keep(&self.account);
        if let Some(user) = self.user.take() {
            let nick = &self.account.nick;
            user.push(&Parcel::new(&Update::Registered { nick }));
        }
    }

    /// Tells the user that the password is not kept, and why.
    pub fn failed(mut self, why: &str) {
        self.fail(why);
    }

    fn fail(&mut self, why: &str) {
        if let Some(user) = self.user.take() {
            user.push(&Parcel::error(ErrorCode::NotKept, why));
        }
    }
}

impl Drop for PendingAccount {
    fn drop(&mut self) {
        self.fail("the server stops");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_takes_as_long_as_another() {
        let nobody: bcrypt::HashParts = NOBODY.parse().unwrap();
        let somebody: bcrypt::HashParts = hash("a password").unwrap().parse().unwrap();
        assert_eq!(nobody.get_cost(), somebody.get_cost());
        // It is checked and not refused for its form.
        assert_eq!(bcrypt::verify("a password", NOBODY).ok(), Some(false));
    }

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

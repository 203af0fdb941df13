//! The commands about passwords.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::accounts::{self, Account, Accounts, PendingAccount};
use crate::commands::Wrong;
use crate::connection::Connection;
use crate::hub::WeakHub;
use crate::outbox::Outbox;
use crate::update::{ErrorCode, Parcel};
use crate::{Bye, Name, Now};

/// The bytes of a password; bcrypt looks at no more.
const PASSWORD: RangeInclusive<usize> = 8..=72;

/// The passwords that a client may send at once; in the long run, one a second.
pub(crate) const AT_ONCE: u32 = 5;

/// A password that is to be kept.
struct Change {
    hub: WeakHub,
    accounts: Accounts,
    nick: Name,
    /// Who is told; `None` once that was done.
    user: Option<Arc<Outbox>>,
}

impl Drop for Change {
    fn drop(&mut self) {
        if let Some(user) = &self.user {
            let text = "the password was not looked at: try again in a moment";
            user.push(&Parcel::error(ErrorCode::NotKept, text));
        }
    }
}

impl Connection {
    /// Holds the client's name for good.
    pub(crate) fn register(&mut self, password: &str, now: Now) -> Result<(), Wrong> {
        self.change(None, password, now)
    }

    /// Changes the password of the client's name.
    pub(crate) fn change_password(&mut self, old: &str, new: &str, now: Now) -> Result<(), Wrong> {
        self.change(Some(old), new, now)
    }

    fn change(&mut self, old: Option<&str>, new: &str, now: Now) -> Result<(), Wrong> {
        let nick = self.user()?.nick.clone();
        let accounts = self.accounts_for(new, now)?.clone();
        match (old, accounts.has(&nick)) {
            (None, true) => {
                let text = "the name has a password: change it by `password`";
                return Err(Wrong(ErrorCode::OutOfOrder, text.into()));
            }
            (None, false) if accounts.is_full() => {
                let text = "this server keeps no more passwords than it has";
                return Err(Wrong(ErrorCode::NoAccounts, text.into()));
            }
            (Some(_), false) => {
                let text = "the name has no password: give it one by `register`";
                return Err(Wrong(ErrorCode::OutOfOrder, text.into()));
            }
            _ => {}
        }
        let change = Change {
            hub: self.hub.downgrade(),
            accounts: accounts.clone(),
            nick,
            user: Some(self.outbox.clone()),
        };
        let (old, new) = (old.map(str::to_owned), new.to_owned());
        // One for which there is no room says so when it is dropped.
        accounts.in_turn(move || change.run(old.as_deref(), &new));
        Ok(())
    }

    /// Returns the accounts, if a password may be sent now. A client that sends too many is ended.
    pub(crate) fn accounts_for(&mut self, password: &str, now: Now) -> Result<&Accounts, Wrong> {
        let hub = &self.hub;
        let accounts = hub
            .accounts()
            .ok_or_else(|| Wrong(ErrorCode::NoAccounts, hub.why_no_accounts().into()))?;
        if !self.passwords.take(1, AT_ONCE, now.instant) {
            self.outbox.end(Bye::Flood);
            return Err(Wrong(ErrorCode::Busy, Bye::Flood.text().into()));
        }
        match PASSWORD.contains(&password.len()) {
            true => Ok(accounts),
            false => Err(Wrong::invalid("a password has 8 to 72 bytes")),
        }
    }
}

impl Change {
    fn run(mut self, old: Option<&str>, new: &str) {
        if old.is_some_and(|old| !self.accounts.is_right(&self.nick, old)) {
            if let Some(user) = self.user.take() {
                let text = "the old password is wrong";
                user.push(&Parcel::error(ErrorCode::WrongPassword, text));
            }
            return;
        }
        let (Some(hub), Some(hash)) = (self.hub.upgrade(), accounts::hash(new)) else {
            return;
        };
        if let Some(user) = self.user.take() {
            let nick = self.nick.clone();
            let account = Account { nick, hash };
            let pending = PendingAccount::new(account, self.accounts.clone(), user);
            hub.log().keep_account(pending);
        }
    }
}

//! The commands about passwords.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::accounts::{self, Account, Accounts, Check, PendingAccount, Registering};
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

const NOT_LOOKED_AT: &str = "the password was not looked at: try again in a moment";

/// A password that is to be kept.
struct Change {
    hub: WeakHub,
    accounts: Accounts,
    nick: Name,
    /// The old password, where there is one, and its check.
    old: Option<(String, Check)>,
    registering: Option<Registering>,
    /// Who is told; `None` once that was done.
    user: Option<Arc<Outbox>>,
}

impl Drop for Change {
    fn drop(&mut self) {
        // Whoever is told may try again.
        (self.old, self.registering) = (None, None);
        if let Some(user) = &self.user {
            user.push(&Parcel::error(ErrorCode::NotKept, NOT_LOOKED_AT));
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
        let (old, registering) = match old {
            Some(old) => (Some((old.to_owned(), check(&accounts, &nick, now)?)), None),
            None => (None, Some(registering(&accounts, &nick, now)?)),
        };
        let change = Change {
            hub: self.hub.downgrade(),
            accounts: accounts.clone(),
            nick,
            old,
            registering,
            user: Some(self.outbox.clone()),
        };
        let new = new.to_owned();
        // One for which there is no room says so when it is dropped.
        accounts.in_turn(move || change.run(&new));
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
            // Nothing is told after the end.
            return Err(Wrong(ErrorCode::OutOfOrder, Bye::Flood.text().into()));
        }
        match PASSWORD.contains(&password.len()) {
            true => Ok(accounts),
            false => Err(Wrong::invalid("a password has 8 to 72 bytes")),
        }
    }
}

fn check(accounts: &Accounts, nick: &Name, now: Now) -> Result<Check, Wrong> {
    if !accounts.has(nick) {
        let text = "the name has no password: give it one by `register`";
        return Err(Wrong(ErrorCode::OutOfOrder, text.into()));
    }
    let check = accounts.check(nick, now);
    check.ok_or_else(|| Wrong(ErrorCode::NotKept, NOT_LOOKED_AT.into()))
}

fn registering(accounts: &Accounts, nick: &Name, now: Now) -> Result<Registering, Wrong> {
    let registering = accounts.registering(nick).ok_or_else(|| {
        let text = "the name has a password: change it by `password`";
        Wrong(ErrorCode::OutOfOrder, text.into())
    })?;
    if accounts.is_full() {
        let text = "this server keeps no more passwords than it has";
        return Err(Wrong(ErrorCode::NoAccounts, text.into()));
    }
    if !accounts.may_register(now) {
        let text = "too many names get passwords now: try again in a minute";
        return Err(Wrong(ErrorCode::NotKept, text.into()));
    }
    Ok(registering)
}

impl Change {
    fn run(mut self, new: &str) {
        let is_wrong = |(old, mut check): (String, Check)| !check.is_right(&old);
        if self.old.take().is_some_and(is_wrong) {
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
            let (holders, registering) = (hub.holders().clone(), self.registering.take());
            let accounts = self.accounts.clone();
            let pending = PendingAccount::new(account, accounts, holders, user, registering);
            hub.log().keep_account(pending);
        }
    }
}

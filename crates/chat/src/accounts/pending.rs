//! Accounts on their way to a log.

use std::sync::Arc;

use super::{Account, Accounts, Registering};
use crate::holders::Holders;
use crate::outbox::Outbox;
use crate::update::{ErrorCode, Parcel, Update};

/// An account that is not kept yet. Dropping it counts as [`failed`](PendingAccount::failed).
pub struct PendingAccount {
    account: Account,
    accounts: Accounts,
    holders: Holders,
    /// Who is told once it is kept; `None` once that was done.
    user: Option<Arc<Outbox>>,
    registering: Option<Registering>,
}

impl PendingAccount {
    pub(crate) fn new(
        account: Account,
        accounts: Accounts,
        holders: Holders,
        user: Arc<Outbox>,
        registering: Option<Registering>,
    ) -> PendingAccount {
        PendingAccount {
            account,
            accounts,
            holders,
            user: Some(user),
            registering,
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
            let session = self.holders.renew(nick, &user);
            let session = session.as_deref();
            user.push(&Parcel::new(&Update::Registered { nick, session }));
        }
    }

    /// Tells the user that the password is not kept, and why.
    pub fn failed(mut self, why: &str) {
        self.fail(why);
    }

    fn fail(&mut self, why: &str) {
        // Whoever is told may try again.
        self.registering = None;
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

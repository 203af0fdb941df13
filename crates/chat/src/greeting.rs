//! `hello`: who a client is, proved by a token, a session or a password.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::command::Command;
use crate::commands::{Wrong, taken};
use crate::connection::{Connection, User};
use crate::holders::{Claim, Session};
use crate::outbox::Outbox;
use crate::room::Room;
use crate::shared::{Claiming, Decision};
use crate::token;
use crate::update::{ErrorCode, Parcel, StoreState, Update};
use crate::{Bye, Name, Now, Position};

/// The bytes of a session: enough that nobody guesses it.
const SESSION: RangeInclusive<usize> = 16..=64;

/// What waits until a name is decided about.
pub(crate) struct Greeting {
    pub(crate) step: Step,
    pub(crate) deferred: Vec<Command<'static>>,
}

/// What a greeting waits for.
pub(crate) enum Step {
    /// Whether the password is right.
    Checked { hello: Hello, right: Arc<Decision> },
    /// Whether the store that nodes share grants the name.
    Claimed {
        welcome: Welcome,
        claim: Arc<Claiming>,
    },
}

/// What a client has said in its `hello`.
pub(crate) struct Hello {
    nick: Name,
    session: Option<Session>,
    inbox: Option<Position>,
    /// When the token expires, in seconds since 1970.
    until: Option<u64>,
    /// A token or a password has proved that the name is the client's.
    proved: bool,
}

/// What a client is to have once its name is granted.
pub(crate) struct Welcome {
    pub(crate) nick: Name,
    session: Session,
    /// The session of an earlier connection goes on, with these rooms.
    resumed: bool,
    pub(crate) rooms: Vec<Arc<Room>>,
    inbox: Option<Position>,
    until: Option<u64>,
}

/// Has the connection end if its password could not be checked.
struct Ticket {
    outbox: Arc<Outbox>,
    right: Arc<Decision>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.right.get().is_none() {
            self.outbox.end(Bye::Busy);
        }
    }
}

impl Connection {
    /// Carries out `hello`, which begins with the name and may have a password.
    pub(crate) fn hello(
        &mut self,
        (nick, password): (&str, Option<&str>),
        token: Option<&str>,
        session: Option<&str>,
        inbox: Option<Position>,
        now: Now,
    ) -> Result<(), Wrong> {
        if self.user.is_some() || self.greeting.is_some() {
            let text = "`hello` comes once: this connection has a name";
            return Err(Wrong(ErrorCode::OutOfOrder, text.into()));
        }
        let nick: Name = nick.parse().map_err(Wrong::invalid)?;
        if session.is_some_and(|session| !SESSION.contains(&session.len())) {
            return Err(Wrong::invalid("a session has 16 to 64 bytes"));
        }
        let secret = self.hub.options().secret.as_deref();
        let proof = secret.map(|secret| {
            let token = token.ok_or(Bye::Unauthorized)?;
            token::verify(secret, token, &nick, now)
        });
        let until = match proof.transpose() {
            Ok(until) => until,
            Err(bye) => {
                self.end(bye);
                return Ok(());
            }
        };
        let hello = Hello {
            nick,
            session: session.map(Session::from),
            inbox,
            until,
            proved: until.is_some(),
        };
        let holders = self.hub.holders();
        if !hello.proved && !holders.is_session(&hello.nick, session) {
            match (password, self.hub.accounts()) {
                (Some(password), _) => return self.check_password(hello, password, now),
                (None, Some(accounts)) if accounts.has(&hello.nick) => {
                    let text = format!("the name `{}` has a password: give it", &*hello.nick);
                    return Err(Wrong(ErrorCode::PasswordNeeded, text.into()));
                }
                (None, _) => {}
            }
        }
        self.take_name(hello)
    }

    /// Has a password checked, which decides about the name.
    fn check_password(&mut self, hello: Hello, password: &str, now: Now) -> Result<(), Wrong> {
        let accounts = self.accounts_for(password, now)?.clone();
        if !accounts.has(&hello.nick) {
            return Err(wrong_password());
        }
        let (outbox, right) = (self.outbox.clone(), Decision::new(self.outbox.clone()));
        let right = Arc::new(right);
        let password = password.to_owned();
        let ticket = Ticket {
            outbox,
            right: right.clone(),
        };
        let Some(mut check) = accounts.check(&hello.nick, now) else {
            // The ticket says so.
            return Ok(());
        };
        let has_room = accounts.in_turn(move || {
            let is_right = check.is_right(&password);
            // Its place is free for whoever is told.
            drop(check);
            ticket.right.decide(is_right);
        });
        if has_room {
            self.greeting = Some(Box::new(Greeting {
                step: Step::Checked { hello, right },
                deferred: Vec::new(),
            }));
        }
        Ok(())
    }

    /// Takes the name for this connection, if nobody else has it.
    fn take_name(&mut self, hello: Hello) -> Result<(), Wrong> {
        let Hello {
            nick,
            inbox,
            until,
            proved,
            ..
        } = hello;
        let session = hello.session.as_deref();
        let claim = self
            .hub
            .holders()
            .claim(&nick, session, proved, &self.outbox);
        let Claim::Granted {
            nick,
            session,
            resumed,
        } = claim
        else {
            return Err(Wrong(ErrorCode::NickTaken, taken(&nick).into()));
        };
        // One that has come since the stop was told to all.
        if self.hub.has_stopped() {
            self.end(Bye::Restart);
        }
        let claimed = session.clone();
        let welcome = Welcome {
            nick,
            session,
            resumed: resumed.is_some(),
            rooms: resumed.unwrap_or_default(),
            inbox,
            until,
        };
        let Some(shared) = self.hub.shared() else {
            self.welcome(welcome);
            return Ok(());
        };
        let nick = welcome.nick.clone();
        let claim = Claiming::new(nick, claimed, proved, self.outbox.clone());
        let step = Step::Claimed {
            welcome,
            claim: claim.clone(),
        };
        self.greeting = Some(Box::new(Greeting {
            step,
            deferred: Vec::new(),
        }));
        shared.claim(claim);
        Ok(())
    }

    /// Goes on with the greeting if that is decided about, and carries out what the client has asked for meanwhile.
    pub(crate) fn settle(&mut self, now: Now) {
        // Its name may be a newer connection's. When it is dropped, it leaves its rooms, and its name is held for a while.
        if self.outbox.has_ended() {
            return;
        }
        let Some(greeting) = self
            .greeting
            .take_if(|greeting| greeting.step.decision().is_some())
        else {
            return;
        };
        let Greeting { step, deferred } = *greeting;
        let granted = step.decision() == Some(true);
        let done = match step {
            Step::Checked { mut hello, .. } if granted => {
                hello.proved = true;
                // Somebody else may know the one that it had before.
                hello.session = None;
                self.take_name(hello)
            }
            Step::Checked { .. } => Err(wrong_password()),
            Step::Claimed { welcome, .. } if granted => {
                self.welcome(welcome);
                Ok(())
            }
            Step::Claimed { welcome, .. } => {
                let mut rooms = self.hub.holders().refuse(&welcome.nick, &self.outbox);
                rooms.extend(welcome.rooms);
                self.hub.leave(&welcome.nick, rooms);
                let text = taken(&welcome.nick);
                Err(Wrong(ErrorCode::NickTaken, text.into()))
            }
        };
        if let Err(Wrong(code, text)) = done {
            self.outbox.push(&Parcel::error(code, &text));
        }
        for command in deferred {
            match &mut self.greeting {
                // There is another step, or one of these commands is another `hello`.
                Some(greeting) => greeting.deferred.push(command),
                None => self.carry_out_or_tell(command, now),
            }
        }
    }

    /// Tells the client that the name is its own, and lets it into its inbox.
    fn welcome(&mut self, welcome: Welcome) {
        let nick = welcome.nick;
        let inbox = self.hub.room(&nick.inbox());
        let mut rooms = welcome.rooms;
        rooms.retain(|room| !Arc::ptr_eq(room, &inbox));
        self.outbox.push(&Parcel::new(&Update::Welcome {
            nick: &nick,
            session: &welcome.session,
            resumed: welcome.resumed,
            registered: self.hub.accounts().map(|accounts| accounts.has(&nick)),
        }));
        if self.hub.is_store_away() {
            let store = StoreState::Away;
            self.outbox.push(&Parcel::new(&Update::Status { store }));
        }
        inbox.join(&nick, &self.outbox, welcome.inbox, self.hub.options());
        self.hub.stir(&inbox);
        rooms.push(inbox);
        let until = welcome.until;
        self.user = Some(Box::new(User { nick, rooms, until }));
    }
}

fn wrong_password() -> Wrong {
    let text = "the name or the password is wrong";
    Wrong(ErrorCode::WrongPassword, text.into())
}

impl Step {
    fn decision(&self) -> Option<bool> {
        match self {
            Step::Checked { right, .. } => right.get(),
            Step::Claimed { claim, .. } => claim.decision(),
        }
    }
}

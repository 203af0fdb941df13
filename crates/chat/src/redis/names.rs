//! Who has which name, among all nodes.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use switchboard_redis::Reply;

use super::answers::number;
use super::flow::Flow;
use super::sent::Sent;
use super::session::Script;
use crate::holders::Session;
use crate::shared::Claiming;
use crate::{Bye, Name};

/// A name that this node has.
pub(super) struct Held {
    session: Session,
    /// What Redis has of the session, which is a secret.
    digest: String,
    proved: bool,
    /// What Redis has granted the name with; `None` while it is not asked, is away, or has refused to keep names.
    token: Option<u64>,
    /// Claims that are under way.
    claims: u32,
}

/// The shortest time that a name is held without news of its node, in milliseconds.
const SHORTEST: u128 = 15_000;
/// The most names of one command.
const NAMES: usize = 100;

impl Flow {
    pub(super) fn claim(&mut self, claim: Arc<Claiming>) {
        let folded = claim.nick.folded();
        let held = self.names.entry(folded.clone()).or_insert_with(|| Held {
            session: claim.session.clone(),
            digest: String::new(),
            proved: false,
            token: None,
            claims: 0,
        });
        // The session before is over, though its release is still on its way.
        let over = (held.session != claim.session).then(|| held.token.take());
        held.session = claim.session.clone();
        held.digest = hexadecimal(&claim.session);
        held.proved = claim.proved;
        if let Some(token) = over.flatten() {
            self.send_release(&folded, token);
        }
        match self.session {
            Some(_) => self.send_claim(folded, Some(claim)),
            None => claim.decide(true),
        }
    }

    fn send_claim(&mut self, folded: String, claim: Option<Arc<Claiming>>) {
        let life = self.life_of_names();
        let (Some(session), Some(held)) = (&mut self.session, self.names.get_mut(&folded)) else {
            return;
        };
        held.claims += 1;
        let proved = if held.proved { "1" } else { "0" };
        let channels = self.keys.node_channels();
        let args = [
            &*held.digest,
            &*self.keys.node,
            proved,
            &life,
            &channels,
            &folded,
        ];
        let keys = [self.keys.name(&folded)];
        session.script(
            Script::Claim,
            &keys,
            &args,
            Sent::Claim {
                folded: folded.clone(),
                claim,
            },
        );
    }

    pub(super) fn claimed(&mut self, folded: &str, claim: Option<Arc<Claiming>>, reply: Reply) {
        let parts = match &reply {
            Reply::Array(parts) => &**parts,
            // Redis keeps nothing now, so that names are this node's own.
            _ => return self.grant_here(folded, claim),
        };
        if let Some(held) = self.names.get_mut(folded) {
            held.claims -= 1;
        }
        match parts {
            [Reply::Integer(1), token] => {
                if let Some(held) = self.names.get_mut(folded) {
                    held.token = Some(number(token));
                } else {
                    self.send_release(folded, number(token));
                }
                if let Some(claim) = claim {
                    claim.decide(true);
                }
                // The client may have gone meanwhile, when its name could not be released yet.
                self.release(folded);
            }
            _ => {
                // A newer claim of this node decides for itself.
                if self.names.get(folded).is_some_and(|held| held.claims == 0) {
                    self.drop_name(folded);
                }
                match claim {
                    Some(claim) => claim.decide(false),
                    None => self.evict(folded, Bye::NameLost),
                }
            }
        }
    }

    /// Grants a name without Redis, which is asked when it is back.
    pub(super) fn grant_here(&mut self, folded: &str, claim: Option<Arc<Claiming>>) {
        if let Some(held) = self.names.get_mut(folded) {
            held.claims -= 1;
        }
        if let Some(claim) = claim {
            claim.decide(true);
        }
        self.release(folded);
    }

    /// Claims names that were granted without Redis, at most `most` of them, and holds those that it has granted.
    pub(super) fn claim_again(&mut self, most: usize) {
        let names = self.names.iter();
        let names = names.filter(|(_, held)| held.token.is_none() && held.claims == 0);
        let names: Vec<_> = names.map(|(folded, _)| folded.clone()).take(most).collect();
        for folded in names {
            self.send_claim(folded, None);
        }
        self.hold_names();
    }

    /// Tells Redis that this node still has its names.
    fn hold_names(&mut self) {
        let life = self.life_of_names();
        let Some(session) = &mut self.session else {
            return;
        };
        let held = self.names.iter().filter(|(_, held)| held.claims == 0);
        let held = held.filter_map(|(folded, held)| Some((folded, &held.digest, held.token?)));
        let held: Vec<_> = held.collect();
        for some in held.chunks(NAMES) {
            let keys: Vec<_> = some
                .iter()
                .map(|(folded, ..)| self.keys.name(folded))
                .collect();
            let mut args = vec![self.keys.node.to_string(), life.clone()];
            for (_, digest, token) in some {
                args.extend([digest.to_string(), token.to_string()]);
            }
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let names = some
                .iter()
                .map(|(folded, _, token)| (folded.to_string(), *token));
            session.script(Script::Hold, &keys, &args, Sent::Hold(names.collect()));
        }
    }

    pub(super) fn held(&mut self, names: Vec<(String, u64)>, reply: Reply) {
        let Reply::Array(answers) = reply else {
            return;
        };
        for ((folded, token), answer) in names.into_iter().zip(&answers) {
            let bye = match number(answer) {
                0 => Bye::NameLost,
                2 => Bye::Replaced,
                _ => continue,
            };
            self.lose(&folded, |held| held == token, bye);
        }
    }

    /// Gives up a name that another node was granted with `token`.
    pub(super) fn moved(&mut self, folded: &str, token: u64) {
        self.lose(folded, |held| held < token, Bye::Replaced);
    }

    /// Gives up a name, if its token is one of `which` and no claim of it is under way.
    fn lose(&mut self, folded: &str, which: impl Fn(u64) -> bool, bye: Bye) {
        let held = self.names.get(folded).filter(|held| held.claims == 0);
        if held.is_some_and(|held| held.token.is_some_and(which)) {
            self.names.remove(folded);
            self.evict(folded, bye);
        }
    }

    fn evict(&self, folded: &str, bye: Bye) {
        if let Some(hub) = self.hub.upgrade() {
            hub.evict(folded, bye);
        }
    }

    /// Gives a name free whose session is over here, unless a claim of it is under way.
    pub(super) fn release(&mut self, folded: &str) {
        let Some(held) = self.names.get(folded).filter(|held| held.claims == 0) else {
            return;
        };
        // It may have been claimed again since.
        let (nick, session) = (Name::stored(folded), Some(&*held.session));
        let again = |hub: crate::Hub| hub.holders().is_session(&nick, session);
        if self.hub.upgrade().is_some_and(again) {
            return;
        }
        self.drop_name(folded);
    }

    fn drop_name(&mut self, folded: &str) {
        let token = self.names.remove(folded).and_then(|held| held.token);
        if let Some(token) = token {
            self.send_release(folded, token);
        }
    }

    fn send_release(&mut self, folded: &str, token: u64) {
        let token = token.to_string();
        let keys = [self.keys.name(folded)];
        if let Some(session) = &mut self.session {
            let args = [&*self.keys.node, &*token];
            session.script(Script::Release, &keys, &args, Sent::Nothing);
        }
    }

    fn life_of_names(&self) -> String {
        let grace = self.options.grace.as_millis();
        grace.clamp(SHORTEST, u128::from(u32::MAX)).to_string()
    }
}

fn hexadecimal(session: &str) -> String {
    let digest = digest(&SHA256, session.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

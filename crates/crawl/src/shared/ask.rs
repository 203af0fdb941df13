//! What a server is asked by who wants to join, and what it answers.

use switchboard_redis::{Failure, RedisUrl, Reply, text};

use super::Shared;
use super::call::status;
use super::folder::Member;
use super::join::prefix;
use super::link::{Link, Script};
use crate::error::CrawlError;
use crate::output::Recorded;
use crate::settings::Settings;
use crate::store::Identity;

/// What a server answers to who wants to join.
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) identity: Identity,
    pub(super) discovered: u64,
    pub(super) rows: u64,
    pub(super) recorded: Vec<Recorded>,
}

/// Why nobody has joined.
pub(super) enum Refusal {
    Away(Failure),
    Ends(CrawlError),
}

/// What the server is told.
pub(super) struct Ask<'s> {
    pub(super) settings: &'s Settings,
    pub(super) name: &'s str,
    pub(super) member: Option<&'s Member>,
    pub(super) identity: Option<&'s Identity>,
    /// The process, its new session, and the number of a new crawl.
    pub(super) process: &'s str,
    pub(super) session: &'s str,
    pub(super) fresh: &'s str,
    pub(super) outputs: &'s [String],
}

impl Ask<'_> {
    pub(super) async fn send(&self) -> Result<Answer, Refusal> {
        let url = &self.shared().url;
        let mut link = Link::open(url).await.map_err(Refusal::Away)?;
        let args = self.args(&link.run);
        let reply = link.run(Script::Join, &prefix(self.name), &args).await;
        self.read(reply.map_err(Refusal::Away)?, url)
            .map_err(Refusal::Ends)
    }

    pub(super) fn shared(&self) -> &Shared {
        // Only a crawl that is shared is joined.
        self.settings.shared.as_ref().expect("the crawl is shared")
    }

    /// Returns what all processes have to agree on, for people too.
    fn manners(&self) -> String {
        let Settings {
            per_host,
            delay,
            pages,
            user_agent,
            ..
        } = self.settings;
        let pages = pages.map_or("any number of pages".to_owned(), |most| {
            format!("{most} pages")
        });
        let lease = self.shared().lease;
        format!(
            "{per_host} at once to a host, {delay:?} between two, {pages}, a lease of {lease:?}, {user_agent}"
        )
    }

    fn args(&self, run: &str) -> Vec<String> {
        let Settings {
            per_host,
            delay,
            pages,
            depth,
            robots,
            ..
        } = self.settings;
        let flag = |is: bool| u8::from(is).to_string();
        let identity = self.identity.map(serde_json::to_string);
        // An identity has nothing that JSON has not.
        let identity = identity.and_then(Result::ok).unwrap_or_default();
        let machine = rustix::system::uname();
        let mut args = vec![
            self.session.to_owned(),
            self.member
                .map_or(String::new(), |member| member.id.clone()),
            self.fresh.to_owned(),
            self.process.to_owned(),
            identity,
            self.manners(),
            per_host.max(&1).to_string(),
            delay.as_millis().to_string(),
            pages.unwrap_or(0).to_string(),
            self.shared().lease.as_millis().to_string(),
            run.to_owned(),
            flag(depth.is_some()),
            flag(*robots),
            machine.nodename().to_string_lossy().into_owned(),
            flag(self.member.is_some()),
        ];
        args.extend(self.outputs.iter().cloned());
        args
    }

    fn read(&self, parts: Vec<Reply>, url: &RedisUrl) -> Result<Answer, CrawlError> {
        let word = parts.first().map(status).unwrap_or_default().to_owned();
        let mut texts = parts.into_iter().skip(1).map(text);
        let mut next = || texts.next().unwrap_or_default();
        let (name, folder) = (self.name, self.settings.state.display());
        let identity = |text: &str| {
            serde_json::from_str::<Identity>(text).map_err(|error| {
                CrawlError::Redis(format!(
                    "Redis at {url}: `{name}` there is no crawl: {error}"
                ))
            })
        };
        let why = match &*word {
            "IN" => {
                let (id, identity) = (next(), identity(&next())?);
                let (discovered, rows) = (next().parse().unwrap_or(0), next().parse().unwrap_or(0));
                let rest: Vec<String> = texts.collect();
                let outputs = rest.chunks_exact(2).map(|pair| Recorded {
                    name: pair[0].clone(),
                    length: pair[1].parse().unwrap_or(0),
                });
                return Ok(Answer {
                    id,
                    identity,
                    discovered,
                    rows,
                    recorded: outputs.collect(),
                });
            }
            "IDENTITY" => {
                let theirs = identity(&next())?;
                let difference = self.identity.and_then(|ours| theirs.difference(ours));
                let difference =
                    difference.unwrap_or_else(|| "written by another version".to_owned());
                format!(
                    "the crawl `{name}` at {url} is another one ({difference}): give this one another --name"
                )
            }
            "MANNERS" => format!(
                "processes crawl `{name}` at {url} with {}; asked for: {}: use the same",
                next(),
                self.manners()
            ),
            "OUTPUT" => format!(
                "{}: was not written from the begin of this process, and would lack pages: leave it out",
                next()
            ),
            "NONE" => format!("{url} has no crawl `{name}`: name a URL to begin one"),
            "FORMAT" => format!(
                "the crawl `{name}` at {url} is of a newer version of switchboard: go on with that"
            ),
            "GONE" => {
                return Err(CrawlError::Redis(format!(
                    "Redis at {url} no longer has the crawl `{name}` of {folder}: what was fetched is kept; begin anew \
                     with another folder"
                )));
            }
            "FORGOTTEN" => {
                return Err(CrawlError::Redis(format!(
                    "Redis at {url} has lost what it knew of {folder}: what was fetched is kept; go on with another \
                     folder, which fetches those pages again"
                )));
            }
            _ => {
                return Err(CrawlError::Redis(format!(
                    "Redis at {url}: no answer to who joins"
                )));
            }
        };
        Err(CrawlError::settings(why))
    }
}

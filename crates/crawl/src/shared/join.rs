//! A process joins a shared crawl, for the first time or again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use switchboard_redis::{Failure, RedisUrl, Reply, text, warn};
use switchboard_runtime::Model;

use super::Sharer;
use super::call::{Trouble, status};
use super::folder::{Folder, Member};
use super::link::{Link, Script};
use crate::address::Address;
use crate::crawl::{identity_of, parse_scope, parse_seeds};
use crate::error::CrawlError;
use crate::output::{About, Outputs, Recorded};
use crate::settings::Settings;
use crate::store::Identity;

/// The time between two tries to join again.
const PAUSE: Duration = Duration::from_millis(500);

/// What a process knows of the crawl that it has joined.
pub(crate) struct Joined {
    pub(super) name: String,
    /// What all keys begin with.
    pub(super) prefix: String,
    /// The crawl's number.
    pub(super) id: String,
    process: String,
    pub(super) session: String,
    pub(crate) identity: Identity,
    pub(crate) seeds: Vec<Address>,
    /// How many addresses were discovered before; 0 if the seeds are not there yet.
    pub(super) discovered: u64,
    /// The rows of this process that are acknowledged.
    pub(super) rows: u64,
    /// When the lease began.
    pub(super) at: Instant,
    /// Keeps other processes out.
    _folder: Folder,
}

/// What a server answers to who wants to join.
struct Answer {
    id: String,
    identity: Identity,
    discovered: u64,
    rows: u64,
    recorded: Vec<Recorded>,
}

/// Why nobody has joined.
enum Refusal {
    Away(Failure),
    Ends(CrawlError),
}

/// What the server is told.
struct Ask<'s> {
    settings: &'s Settings,
    name: &'s str,
    member: Option<&'s Member>,
    identity: Option<&'s Identity>,
    /// The process, its new session, and the number of a new crawl.
    process: &'s str,
    session: &'s str,
    fresh: &'s str,
    outputs: &'s [String],
}

/// Joins the crawl that the settings name. Blocks.
///
/// # Errors
/// [`CrawlError::Settings`] for another crawl or other manners, [`CrawlError::Store`] for a folder of something else,
/// [`CrawlError::Redis`].
pub(crate) fn join(settings: &Settings, about: &About) -> Result<(Joined, Outputs), CrawlError> {
    if settings.check.is_some() {
        return Err(CrawlError::settings(
            "a check of links runs in one process, without Redis",
        ));
    }
    let seeds = parse_seeds(&settings.seeds)?;
    let asked = identity_of(settings, &seeds);
    parse_scope(&asked, &seeds)?;
    let (mut folder, member) = Folder::open(&settings.state)?;
    let name = name(settings, &seeds, member.as_ref())?;
    if member.is_some() && !settings.resume {
        let text = format!(
            "{}: is that of a process of this crawl: go on with --resume, or name another folder",
            settings.state.display()
        );
        return Err(CrawlError::settings(text));
    }
    let (process, session, fresh) = (number(), number(), number());
    let process = member
        .as_ref()
        .map_or(process, |member| member.process.clone());
    let ask = Ask {
        settings,
        name: &name,
        member: member.as_ref(),
        identity: (!seeds.is_empty()).then_some(&asked),
        process: &process,
        session: &session,
        fresh: &fresh,
        outputs: &output_names(settings)?,
    };
    let at = Instant::now();
    let begun = match member {
        None => Some(Begun::new(&settings.out, about)?),
        Some(_) => None,
    };
    let answer = Model::Blocking.run(ask.send()).map_err(CrawlError::Model)?;
    let answer = answer.map_err(|refusal| match refusal {
        Refusal::Away(failure) => {
            CrawlError::Redis(format!("Redis at {}: {failure}", ask.shared().url))
        }
        Refusal::Ends(error) => error,
    })?;
    let outputs = match begun {
        Some(begun) => begun.keep(),
        None => go_on(settings, &answer, about)?,
    };
    folder.keep(&Member {
        crawl: name.clone(),
        id: answer.id.clone(),
        process: process.clone(),
    })?;
    let joined = Joined {
        prefix: prefix(&name),
        seeds: parse_seeds(&answer.identity.seeds)?,
        name,
        id: answer.id,
        process,
        session,
        identity: answer.identity,
        discovered: answer.discovered,
        rows: answer.rows,
        at,
        _folder: folder,
    };
    Ok((joined, outputs))
}

/// New outputs, which are gone again if nobody has joined.
struct Begun {
    outputs: Outputs,
    created: Vec<PathBuf>,
}

impl Begun {
    fn new(files: &[PathBuf], about: &About) -> Result<Begun, CrawlError> {
        let created = files.iter().filter(|file| !file.exists());
        let mut begun = Begun {
            outputs: Outputs::default(),
            created: created.cloned().collect(),
        };
        let outputs = Outputs::open(files, &[], 0, about);
        begun.outputs = outputs.map_err(CrawlError::Output)?;
        Ok(begun)
    }

    fn keep(mut self) -> Outputs {
        self.created.clear();
        std::mem::take(&mut self.outputs)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for file in &self.created {
            // One that could not be made is not there.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Opens the outputs of a process that comes back, cut to what was acknowledged.
fn go_on(settings: &Settings, answer: &Answer, about: &About) -> Result<Outputs, CrawlError> {
    let files = answer.recorded.iter().map(|it| it.name.clone());
    let files: Vec<PathBuf> = files.map(PathBuf::from).collect();
    for file in output_names(settings)? {
        if !files.contains(&PathBuf::from(&file)) {
            let why = "was not written from the begin of this process, and would lack pages: leave it out";
            return Err(CrawlError::settings(format_args!("{file}: {why}")));
        }
    }
    let outputs = Outputs::open(&files, &answer.recorded, answer.rows, about);
    outputs.map_err(CrawlError::Output)
}

/// Returns what the keys of a crawl begin with: one slot of a cluster has them all.
pub(super) fn prefix(name: &str) -> String {
    format!("{{crawl:{name}}}:")
}

/// Returns the name of the crawl.
fn name(
    settings: &Settings,
    seeds: &[Address],
    member: Option<&Member>,
) -> Result<String, CrawlError> {
    let asked = settings
        .shared
        .as_ref()
        .and_then(|shared| shared.name.clone());
    let name = match (asked, member, seeds.first()) {
        (Some(name), Some(member), _) if name != member.crawl => {
            let folder = settings.state.display();
            return Err(CrawlError::settings(format_args!(
                "{folder}: is that of a process of the crawl `{}`: name another folder",
                member.crawl
            )));
        }
        (Some(name), _, _) => name,
        (None, Some(member), _) => member.crawl.clone(),
        (None, None, Some(seed)) => default_name(seed),
        (None, None, None) => {
            return Err(CrawlError::settings(
                "no crawl to join: name a URL, or the crawl by --name",
            ));
        }
    };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    match name.bytes().all(good) && !name.is_empty() && name.len() <= 200 {
        true => Ok(name),
        false => Err(CrawlError::settings(format_args!(
            "`{}` is no name of a crawl: use letters, digits, `.`, `-` and `_`",
            name.escape_debug()
        ))),
    }
}

/// Returns the name of a crawl that begins at an address: its host and port.
pub(super) fn default_name(seed: &Address) -> String {
    let origin = seed.origin();
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    host.replace(':', "-").replace(['[', ']'], "")
}

fn number() -> String {
    format!("{:016x}", fastrand::u64(..))
}

fn output_names(settings: &Settings) -> Result<Vec<String>, CrawlError> {
    let absolute = |file: &PathBuf| {
        let path = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        path.into_os_string().into_string().map_err(|path| {
            CrawlError::settings(format_args!("{}: its name is no UTF-8", path.display()))
        })
    };
    settings.out.iter().map(absolute).collect()
}

impl Ask<'_> {
    async fn send(&self) -> Result<Answer, Refusal> {
        let url = &self.shared().url;
        let mut link = Link::open(url).await.map_err(Refusal::Away)?;
        let args = self.args(&link.run);
        let reply = link.run(Script::Join, &prefix(self.name), &args).await;
        self.read(reply.map_err(Refusal::Away)?, url)
            .map_err(Refusal::Ends)
    }

    fn shared(&self) -> &super::Shared {
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

impl Sharer {
    /// Begins a new session after the last one was lost: what it had is others', and its rows are cut off.
    pub(super) async fn join_again(&mut self) -> Result<(), CrawlError> {
        warn(&format!(
            "the lease at Redis has ended: what was under way here is done by others; going on as a new session \
             of `{}`",
            self.joined.name
        ));
        let member = Member {
            crawl: self.joined.name.clone(),
            id: self.joined.id.clone(),
            process: self.joined.process.clone(),
        };
        self.joined.session = number();
        self.joined.at = Instant::now();
        let settings = self.settings.clone();
        let ask = Ask {
            settings: &settings,
            name: &member.crawl,
            member: Some(&member),
            identity: None,
            process: &member.process,
            session: &self.joined.session.clone(),
            fresh: "",
            outputs: &[],
        };
        let answer = loop {
            match ask.send().await {
                Ok(answer) => break answer,
                Err(Refusal::Ends(error)) => return Err(error),
                Err(Refusal::Away(_)) if self.joined.at.elapsed() < self.shared.patience => {
                    let pause = Instant::now() + PAUSE;
                    while Instant::now() < pause {
                        self.wait_until(pause).await?;
                    }
                }
                Err(Refusal::Away(failure)) => return Err(self.broken(&failure.to_string())),
            }
        };
        self.forget(answer.rows);
        let files: Vec<PathBuf> = answer
            .recorded
            .iter()
            .map(|it| it.name.clone().into())
            .collect();
        // The files are locked until they are dropped.
        self.outputs = Outputs::default();
        let outputs = Outputs::open(&files, &answer.recorded, answer.rows, &self.about);
        self.outputs = outputs.map_err(CrawlError::Output)?;
        Ok(())
    }

    /// Forgets what belongs to a session that has ended.
    fn forget(&mut self, rows: u64) {
        self.claims.clear();
        self.arrived.clear();
        self.events.clear();
        self.given_back.clear();
        (self.batch, self.sealed) = Default::default();
        (self.batches, self.rows) = (0, rows);
        (self.stale, self.link) = (true, None);
        self.renewed = self.joined.at;
    }
}

impl From<Trouble> for CrawlError {
    fn from(trouble: Trouble) -> CrawlError {
        match trouble {
            Trouble::Ends(error) => error,
            Trouble::Lost => CrawlError::Redis("the lease at Redis has ended".to_owned()),
        }
    }
}

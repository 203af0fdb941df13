//! A process joins a shared crawl, for the first time or again.

use std::time::Instant;

use switchboard_runtime::Model;

use super::ask::{Ask, Refusal};
use super::folder::{Folder, Member};
use super::outputs::{Begun, go_on, output_names};
use crate::address::Address;
use crate::crawl::{identity_of, parse_scope, parse_seeds};
use crate::error::CrawlError;
use crate::output::{About, Outputs};
use crate::settings::Settings;
use crate::store::Identity;

/// What a process knows of the crawl that it has joined.
pub(crate) struct Joined {
    pub(super) name: String,
    /// What all keys begin with.
    pub(super) prefix: String,
    /// The crawl's number.
    pub(super) id: String,
    pub(super) process: String,
    pub(super) session: String,
    pub(crate) identity: Identity,
    pub(crate) seeds: Vec<Address>,
    /// How many addresses were discovered before; 0 if no seed is there yet.
    pub(super) discovered: u64,
    /// The rows of this process that are acknowledged.
    pub(super) rows: u64,
    /// When the lease began.
    pub(super) at: Instant,
    /// Keeps other processes out.
    _folder: Folder,
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
    folder.keep(&Member {
        crawl: name.clone(),
        id: answer.id.clone(),
        process: process.clone(),
    })?;
    let outputs = match begun {
        Some(begun) => begun.keep(),
        None => go_on(&answer, about)?,
    };
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

/// Returns a number that is nobody else's.
pub(super) fn number() -> String {
    format!("{:016x}", fastrand::u64(..))
}

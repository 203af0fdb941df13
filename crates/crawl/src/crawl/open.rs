//! Opening a crawl: its settings, its folder, its outputs.

use std::collections::VecDeque;
use std::path::PathBuf;

use switchboard_runtime::Model;

use crate::address::Address;
use crate::error::CrawlError;
use crate::fate::Fate;
use crate::output::{About, Outputs, Recorded};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::shared;
use crate::store::{Identity, Store, Totals};

/// Refuses the models under which nothing is fetched side by side with the keeper.
pub(super) fn check_model(model: Model) -> Result<(), CrawlError> {
    let why = match model {
        Model::Processes => "its workers share no memory with the crawl, which one keeper leads",
        Model::Callbacks => "a worker is an async function, which it does not run",
        _ => return Ok(()),
    };
    let others = "use blocking, threads, pool, tasks or green";
    Err(CrawlError::settings(format_args!(
        "model `{model}` runs no crawl: {why}; {others}"
    )))
}

/// Opens the folder of a crawl, or makes it.
pub(super) fn open_store(settings: &Settings) -> Result<(Store, Identity, Totals), CrawlError> {
    let folder = &settings.state;
    let seeds = parse_seeds(&settings.seeds)?;
    let asked = identity_of(settings, &seeds);
    parse_scope(&asked, &seeds)?;
    if folder.join(shared::FOLDER_FILE).exists() {
        let text = format!(
            "{}: its crawl is shared by Redis: name that by --redis",
            folder.display()
        );
        return Err(CrawlError::settings(text));
    }
    if !Store::exists(folder) {
        if asked.seeds.is_empty() {
            let text = format!(
                "{}: holds no crawl to go on with: name a URL",
                folder.display()
            );
            return Err(CrawlError::settings(text));
        }
        let store = Store::create(folder, &asked)?;
        return Ok((store, asked, Totals::default()));
    }
    let (mut store, identity, totals) = Store::open(folder)?;
    if totals.discovered() == 0 && !seeds.is_empty() {
        // It was made, and nothing was done.
        let redefined = store.redefine(&asked);
        redefined.map_err(|error| CrawlError::broken(folder, &error))?;
        return Ok((store, asked, totals));
    }
    if identity.check.is_some() != asked.check.is_some() {
        let (ours, theirs) = match identity.check {
            Some(_) => ("a check of links", "crawl"),
            None => ("a crawl", "check of links"),
        };
        let folder = folder.display();
        let text = format!("{folder}: holds {ours} and no {theirs}: name another folder");
        return Err(CrawlError::settings(text));
    }
    if !asked.seeds.is_empty()
        && let Some(difference) = identity.difference(&asked)
    {
        let advice = "name another folder, or none but --resume to go on with that one";
        let text = format!(
            "{}: holds another crawl ({difference}): {advice}",
            folder.display()
        );
        return Err(CrawlError::settings(text));
    }
    if !settings.resume {
        let begun = totals.of(Fate::Fetched);
        let text = format!(
            "{}: holds this crawl already, {begun} pages fetched: go on with --resume, or name another folder",
            folder.display()
        );
        return Err(CrawlError::settings(text));
    }
    Ok((store, identity, totals))
}

/// Returns what a crawl of the settings is.
pub(crate) fn identity_of(settings: &Settings, seeds: &[Address]) -> Identity {
    Identity {
        seeds: seeds.iter().map(Address::to_string).collect(),
        scope: settings.scope.clone(),
        depth: settings.depth,
        robots: settings.robots,
        sitemaps: settings.sitemaps,
        nofollow: settings.nofollow,
        check: settings.check,
    }
}

/// Reads the scope.
pub(crate) fn parse_scope(identity: &Identity, seeds: &[Address]) -> Result<Scope, CrawlError> {
    Scope::parse(&identity.scope, seeds)
        .map_err(|error| CrawlError::settings(format_args!("the scope {error}")))
}

/// Reads the seeds, each once, in their order.
pub(crate) fn parse_seeds(texts: &[String]) -> Result<Vec<Address>, CrawlError> {
    let mut seeds: Vec<Address> = Vec::new();
    for text in texts {
        let seed = Address::parse(text).map_err(|error| {
            let guess = match text.contains("://") {
                true => String::new(),
                false => format!(": did you mean http://{text}?"),
            };
            CrawlError::settings(format_args!("`{text}`: {error}{guess}"))
        })?;
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

/// Opens the outputs, cut to what the store knows of, and has the store know those that are new.
pub(super) fn open_outputs(
    settings: &Settings,
    identity: &Identity,
    totals: &Totals,
    store: &mut Store,
) -> Result<Outputs, CrawlError> {
    let folder = store.folder().to_owned();
    let broken = |error: redb::Error| CrawlError::broken(&folder, &error);
    let recorded = store.outputs().map_err(broken)?;
    let named = |recorded: &Recorded| PathBuf::from(&recorded.name);
    let files = match settings.out.is_empty() {
        true => recorded.iter().map(named).collect(),
        false => settings.out.clone(),
    };
    let absolute = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone());
    let files: Vec<PathBuf> = files.iter().map(absolute).collect();
    if totals.discovered() > 0
        && let Some(other) = files
            .iter()
            .find(|file| !recorded.iter().any(|it| named(it) == **file))
    {
        let text = format!(
            "{}: was not written from the begin of the crawl, and would lack pages: leave it out",
            other.display()
        );
        return Err(CrawlError::settings(text));
    }
    if let Some(left_out) = recorded.iter().find(|it| !files.contains(&named(it))) {
        let name = &left_out.name;
        let text = format!("{name}: the crawl writes it: name it too, or no output at all");
        return Err(CrawlError::settings(text));
    }
    let about = about_of(settings, identity.robots);
    let outputs = Outputs::open(&files, &recorded, totals.rows, &about);
    let outputs = outputs.map_err(CrawlError::Output)?;
    let is_known = |file: &Recorded| recorded.iter().any(|it| it.name == file.name);
    if !outputs.recorded().iter().all(is_known) {
        let known = store.write(|tables| {
            let mut files = outputs.recorded().into_iter();
            files.try_for_each(|file| tables.put_output(&file.name, file.length))
        });
        known.map_err(broken)?;
    }
    Ok(outputs)
}

/// Returns what archives say of a crawl.
pub(super) fn about_of(settings: &Settings, robots: bool) -> About {
    About {
        software: concat!("switchboard/", env!("CARGO_PKG_VERSION")).to_owned(),
        user_agent: settings.user_agent.clone(),
        robots,
    }
}

/// Lets the scope grow with where earlier runs found the seeds to lead.
pub(super) fn widen(
    scope: &mut Scope,
    seeds: &[Address],
    store: &mut Store,
) -> Result<(), redb::Error> {
    let mut left: VecDeque<Address> = seeds.to_vec().into();
    let mut known = seeds.to_vec();
    while let Some(address) = left.pop_front() {
        let record = store.page(address.as_str())?;
        let moved = record
            .as_ref()
            .and_then(|record| record.cause.strip_prefix("to "));
        if let Some(Ok(target)) = moved.map(Address::parse)
            && !known.contains(&target)
        {
            scope.add(&target);
            known.push(target.clone());
            left.push_back(target);
        }
    }
    Ok(())
}

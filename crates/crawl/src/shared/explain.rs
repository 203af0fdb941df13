//! What became of an address of a shared crawl.

use switchboard_redis::{Failure, RedisUrl, Reply, ask, log_in, text};
use switchboard_runtime::{self as runtime, Model};

use super::join::{default_name, prefix};
use super::{Shared, record};
use crate::address::Address;
use crate::error::CrawlError;
use crate::store::{Explanation, Record};

/// Says what became of `address` in a shared crawl, which may be under way: the one that the settings name, or else the
/// one that is named by the address's host and port. Blocks.
///
/// # Errors
/// [`CrawlError::Redis`] if the server cannot be asked, or has no such crawl.
pub fn explain_shared(shared: &Shared, address: &Address) -> Result<Explanation, CrawlError> {
    let name = shared.name.clone().unwrap_or_else(|| default_name(address));
    let url = &shared.url;
    let failed = |why: String| CrawlError::Redis(format!("Redis at {url}: {why}"));
    let prefix = prefix(&name);
    let told = async { runtime::timeout(shared.patience, told(url, &prefix, address)).await };
    let told = Model::Blocking.run(told).map_err(CrawlError::Model)?;
    let told = told.unwrap_or_else(|_| Err(Failure::passing("no answer")));
    told.map_err(|failure| failed(failure.to_string()))?
        .ok_or_else(|| failed(format!("it has no crawl `{name}`: give the name by --name")))
}

async fn told(
    url: &RedisUrl,
    prefix: &str,
    address: &Address,
) -> Result<Option<Explanation>, Failure> {
    let mut wire = log_in(url).await?;
    let meta = format!("{prefix}meta");
    if ask(&mut wire, &["EXISTS", &meta]).await? == Reply::Integer(0) {
        return Ok(None);
    }
    let pages = format!("{prefix}pages");
    let mut chain: Vec<(String, Record)> = Vec::new();
    let mut next = address.as_str().to_owned();
    while Explanation::goes_on(chain.len()) && !next.is_empty() {
        let found = text(ask(&mut wire, &["HGET", &pages, &next]).await?);
        let Some(record) = record::read(&found) else {
            break;
        };
        let parent = record.parent.to_string();
        chain.push((next, record));
        next = parent;
    }
    Ok(Some(Explanation::of(address, chain)))
}

//! Calls of Redis that outlive a connection.

use std::time::{Duration, Instant};

use switchboard_redis::{Failure, Reply, text, warn};

use super::Sharer;
use super::link::{Link, Script};
use crate::error::CrawlError;
use crate::visible::visible;

/// The first pause before connecting again, and the longest; each is at most as long as Redis has been away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Why the crawl does not simply go on.
pub(super) enum Trouble {
    /// Others have what this session had.
    Lost,
    Ends(CrawlError),
}

impl From<CrawlError> for Trouble {
    fn from(error: CrawlError) -> Trouble {
        Trouble::Ends(error)
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

/// What is sent again until it is answered.
enum Call<'c> {
    Script(Script, &'c mut [String]),
    Command(&'c [&'c str]),
}

impl Sharer {
    /// Runs a script of the session, whose arguments follow the session and the crawl's number. While Redis is away,
    /// it waits; a call whose answer was lost is made again, which all scripts stand.
    pub(super) async fn call(
        &mut self,
        script: Script,
        args: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Reply>, Trouble> {
        let head = [self.joined.session.clone(), self.joined.id.clone()];
        let mut args: Vec<String> = head.into_iter().chain(args).collect();
        let at = Instant::now();
        let reply = self.until_answered(Call::Script(script, &mut args)).await?;
        self.renewed = at;
        let Reply::Array(mut parts) = reply else {
            return Err(self.broken("a script answers no list").into());
        };
        match parts.first().map(status) {
            Some("OK") => {
                parts.remove(0);
                Ok(parts)
            }
            Some("GONE") => Err(self.gone().into()),
            _ => Err(Trouble::Lost),
        }
    }

    /// Sends a command that changes nothing.
    pub(super) async fn look(&mut self, parts: &[&str]) -> Result<Reply, Trouble> {
        self.until_answered(Call::Command(parts)).await
    }

    async fn until_answered(&mut self, mut call: Call<'_>) -> Result<Reply, Trouble> {
        // Since when it is not answered. To connect is no answer: the call itself may be what Redis cannot take.
        let mut went = None;
        loop {
            if self.link.is_none()
                && let Err(failure) = self.try_connect().await?
            {
                self.wait_for_redis(failure, &mut went).await?;
            }
            // It was made above.
            let Some(link) = &mut self.link else { continue };
            let prefix = &self.joined.prefix;
            let answered = match &mut call {
                Call::Script(script, args) => {
                    args[1] = format!("{}/{}", self.joined.id, self.links);
                    link.run(*script, prefix, args).await.map(Reply::Array)
                }
                Call::Command(parts) => link.ask(parts).await,
            };
            match answered {
                Ok(reply) => return Ok(reply),
                Err(failure) if failure.is_lasting() => {
                    return Err(self.broken(&failure.to_string()).into());
                }
                Err(failure) => {
                    self.link = None;
                    self.wait_for_redis(failure, &mut went).await?;
                }
            }
        }
    }

    /// Connects and goes on with the session; says why it cannot now.
    async fn try_connect(&mut self) -> Result<Result<(), Failure>, Trouble> {
        let mut link = match Link::open(&self.shared.url).await {
            Ok(link) => link,
            Err(failure) if failure.is_lasting() => {
                return Err(self.broken(&failure.to_string()).into());
            }
            Err(failure) => return Ok(Err(failure)),
        };
        self.links += 1;
        let head = [&self.joined.session, &self.joined.id, &link.run].map(String::clone);
        let numbers = [self.links, self.batches].map(|number| number.to_string());
        let args = head.into_iter().chain(numbers);
        let claims = self.known().map(|claim| claim.to_string());
        let args: Vec<String> = args.chain(claims).collect();
        let parts = match link.run(Script::ComeBack, &self.joined.prefix, &args).await {
            Ok(parts) => parts,
            Err(failure) if failure.is_lasting() => {
                return Err(self.broken(&failure.to_string()).into());
            }
            Err(failure) => return Ok(Err(failure)),
        };
        match parts.first().map(status) {
            Some("OK") => {}
            Some("GONE") => return Err(self.gone().into()),
            _ => return Err(Trouble::Lost),
        }
        // Claims of a batch that was acknowledged, with the answer lost, are not held any more.
        let acknowledged = parts.get(1).map(status) == Some(&*(self.batches + 1).to_string());
        let gone: Vec<u64> = parts
            .into_iter()
            .skip(2)
            .map(text)
            .flat_map(|it| it.parse())
            .collect();
        let of_batch = |claim: &u64| {
            let batch = &self.sealed;
            let mut claims = batch.done.iter().map(|done| done.claim);
            claims.any(|it| it == *claim) || batch.rules.iter().any(|rules| rules.claim == *claim)
        };
        let was_given_back = |claim: &u64| self.given_back.iter().any(|it| it.claim == *claim);
        if gone
            .iter()
            .all(|claim| was_given_back(claim) || (acknowledged && of_batch(claim)))
        {
            self.run.clone_from(&link.run);
            self.link = Some(link);
            return Ok(Ok(()));
        }
        Err(Trouble::Lost)
    }

    /// Waits until Redis is back, as long as the settings say, counted from `went`, which is set to now if it is `None`.
    async fn wait_for_redis(
        &mut self,
        mut failure: Failure,
        went: &mut Option<Instant>,
    ) -> Result<(), Trouble> {
        // A call that breaks each connection is one wait.
        let is_first = went.is_none();
        let went = *went.get_or_insert_with(Instant::now);
        let patience = self.shared.patience;
        if is_first {
            warn(&format!(
                "Redis at {} is away: {}; waiting for it, {} s at most",
                self.shared.url,
                visible(&failure.to_string(), false),
                patience.as_secs_f32()
            ));
        }
        loop {
            let away = went.elapsed();
            let text = match (self.stopping && away >= PAUSES.1, away >= patience) {
                (true, _) => stopped(&failure),
                (_, true) => format!(
                    "has not answered for {} s ({failure})",
                    patience.as_secs_f32()
                ),
                (false, false) => String::new(),
            };
            if !text.is_empty() {
                return Err(self.broken(&text).into());
            }
            // Processes that lost it together do not come back together.
            let pause = away.clamp(PAUSES.0, PAUSES.1);
            let until = Instant::now() + pause.mul_f32(0.5 + self.random.f32() / 2.0);
            while Instant::now() < until {
                self.wait_until(until).await?;
            }
            match self.try_connect().await? {
                Ok(()) if !is_first => return Ok(()),
                Ok(()) => {
                    let seconds = went.elapsed().as_secs_f32();
                    warn(&format!(
                        "Redis at {} is back after {seconds:.1} s",
                        self.shared.url
                    ));
                    return Ok(());
                }
                Err(again) => failure = again,
            }
        }
    }

    /// Returns the claims that this process knows of.
    fn known(&self) -> impl Iterator<Item = u64> {
        let jobs = self.claims.values().map(|claim| claim.number);
        let batches = [&self.batch, &self.sealed];
        let done = batches.into_iter().flat_map(|batch| &batch.done);
        let rules = batches.into_iter().flat_map(|batch| &batch.rules);
        let done = done.map(|done| done.claim);
        let rules = rules.map(|rules| rules.claim);
        let given_back = self.given_back.iter().map(|it| it.claim);
        let arrived = self.arrived.iter().map(|arrived| arrived.claim.number);
        jobs.chain(done)
            .chain(rules)
            .chain(given_back)
            .chain(arrived)
    }

    pub(super) fn broken(&self, why: &str) -> CrawlError {
        CrawlError::Redis(format!(
            "Redis at {}: {why}: what was fetched is kept; {}",
            self.shared.url,
            self.advice()
        ))
    }

    pub(super) fn gone(&self) -> CrawlError {
        CrawlError::Redis(format!(
            "Redis at {} no longer has the crawl `{}`: what was fetched is kept, but nobody can go on; begin anew with \
             another folder",
            self.shared.url, self.joined.name
        ))
    }
}

pub(super) fn stopped(failure: &Failure) -> String {
    format!("stopped while Redis is away ({failure})")
}

/// Returns the word that a script's answer begins with.
pub(super) fn status(reply: &Reply) -> &str {
    use switchboard_redis::Resp2Frame as _;
    reply.as_str().unwrap_or_default()
}

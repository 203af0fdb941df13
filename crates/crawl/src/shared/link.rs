//! A connection to the server, with the scripts.

use std::time::Duration;

use switchboard_redis::{Failure, RedisUrl, Reply, Wire, ask, log_in, text};
use switchboard_runtime as runtime;

/// How long the server may take for an answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(5);

/// The scripts, by their place in [`SCRIPTS`].
#[derive(Clone, Copy)]
pub(super) enum Script {
    Join,
    Claim,
    Acknowledge,
    GiveBack,
    ComeBack,
}

/// The parts that they have in common come first.
const SCRIPTS: [&str; 5] = [
    concat!(include_str!("lua/common.lua"), include_str!("lua/join.lua")),
    concat!(
        include_str!("lua/common.lua"),
        include_str!("lua/claim.lua")
    ),
    concat!(
        include_str!("lua/common.lua"),
        include_str!("lua/acknowledge.lua")
    ),
    concat!(
        include_str!("lua/common.lua"),
        include_str!("lua/give_back.lua")
    ),
    concat!(
        include_str!("lua/common.lua"),
        include_str!("lua/come_back.lua")
    ),
];

/// A connection.
pub(super) struct Link {
    wire: Wire,
    /// The names under which the server has loaded the scripts.
    hashes: Vec<String>,
    /// The run of the server.
    pub(super) run: String,
}

impl Link {
    /// Connects, logs in, and loads the scripts.
    pub(super) async fn open(url: &RedisUrl) -> Result<Link, Failure> {
        match runtime::timeout(PATIENCE, Link::try_open(url)).await {
            Ok(opened) => opened,
            Err(_) => Err(silent()),
        }
    }

    async fn try_open(url: &RedisUrl) -> Result<Link, Failure> {
        let mut wire = log_in(url).await?;
        let info = text(ask(&mut wire, &["INFO", "server"]).await?);
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        let run = run.unwrap_or_default().to_owned();
        let mut hashes = Vec::new();
        for script in SCRIPTS {
            hashes.push(text(ask(&mut wire, &["SCRIPT", "LOAD", script]).await?));
        }
        Ok(Link { wire, hashes, run })
    }

    /// Runs a script on the keys of a prefix. One that the server has forgotten is sent whole.
    pub(super) async fn run(
        &mut self,
        script: Script,
        prefix: &str,
        args: &[String],
    ) -> Result<Vec<Reply>, Failure> {
        let at = script as usize;
        for (command, code) in [
            ("EVALSHA", self.hashes[at].clone()),
            ("EVAL", SCRIPTS[at].to_owned()),
        ] {
            let head = [command, &*code, "1", prefix];
            let args = args.iter().map(String::as_str);
            let parts: Vec<&str> = head.into_iter().chain(args).collect();
            match self.reply(&parts).await? {
                Reply::Error(error) if error.starts_with("NOSCRIPT") && command == "EVALSHA" => {}
                Reply::Error(error) => return Err(Failure::refused(&error)),
                Reply::Array(parts) => return Ok(parts),
                _ => break,
            }
        }
        Err(Failure::refused(
            "ERR a script answers what none of ours does",
        ))
    }

    /// Sends a command, and returns what comes, an error of the server too.
    pub(super) async fn ask(&mut self, parts: &[&str]) -> Result<Reply, Failure> {
        match self.reply(parts).await? {
            Reply::Error(error) => Err(Failure::refused(&error)),
            reply => Ok(reply),
        }
    }

    async fn reply(&mut self, parts: &[&str]) -> Result<Reply, Failure> {
        match runtime::timeout(PATIENCE, self.wire.ask(parts)).await {
            Ok(reply) => Ok(reply?),
            Err(_) => Err(silent()),
        }
    }
}

fn silent() -> Failure {
    Failure::passing(&format!("no answer in {} s", PATIENCE.as_secs()))
}

//! What `switchboard compare` measures of others: the user's own server, and the same work in another language.

use std::time::Duration;

use clap::{Args, ValueEnum};
use switchboard_lab::{OwnLoad, OwnPlan};

use crate::output::Failure;

#[derive(Clone, Copy, ValueEnum)]
enum LoadKind {
    Echo,
    Http,
}

/// Another language.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Python,
}

#[derive(Args)]
// Its name is that of a group of arguments, which is unique in a command.
pub(crate) struct OwnOptions {
    /// Do `io` and `cpu` in this language too, by its own ways: python (asyncio, threads, processes, and gevent and
    /// Twisted if they are installed); nothing else is run unless it is named
    #[arg(long, value_enum, value_name = "LANGUAGE", conflicts_with = "command")]
    pub(crate) beside: Option<Language>,
    /// How the server of COMMAND is driven: `echo` sends 64 bytes and waits for them, `http` fetches a page
    #[arg(
        long,
        value_enum,
        default_value = "http",
        value_name = "KIND",
        requires = "command"
    )]
    load: LoadKind,
    /// The page that `--load http` fetches
    #[arg(long, default_value = "/", value_name = "PATH", requires = "command")]
    path: String,
    /// Measure this server instead: `{model}` and `{driver}` are replaced by each in turn, and `{port}` by the port of
    /// 127.0.0.1 on which it is to listen. Under a model without an event loop `--driver {driver}` is left out
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "experiments")]
    command: Vec<String>,
}

impl OwnOptions {
    /// Returns the measuring of the server that was given, if one was.
    pub(crate) fn plan(
        &self,
        clients: usize,
        duration: Duration,
    ) -> Result<Option<OwnPlan>, Failure> {
        if self.command.is_empty() {
            return Ok(None);
        }
        let plan = OwnPlan {
            command: self.command.clone(),
            load: match self.load {
                LoadKind::Echo => OwnLoad::Echo,
                LoadKind::Http => OwnLoad::Http {
                    path: self.path.clone(),
                },
            },
            clients,
            duration,
        };
        plan.check().map_err(Failure::usage)?;
        Ok(Some(plan))
    }
}

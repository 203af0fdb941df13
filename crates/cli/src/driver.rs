//! The option `--driver`, and what a model refuses.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use switchboard_runtime::{Driver, Model, Style};

use crate::output::Failure;

/// The option `--driver` of the commands that wait.
#[derive(Clone, Args)]
pub(crate) struct DriverOption {
    /// Driver of the event loops: select, poll, epoll, uring, portable, or auto (uring where it can be used,
    /// else epoll); only under tasks, green and callbacks [default: epoll on Linux, else portable]
    #[arg(long)]
    driver: Option<Choice>,
}

impl DriverOption {
    /// Returns the driver for a model, which must have a loop if a driver was asked for.
    pub(crate) fn for_model(&self, model: Model) -> Result<Driver, Failure> {
        match self.driver {
            None => Ok(Driver::best()),
            Some(asked) if !model.has_loop() => {
                let with_loop = Model::ALL.into_iter().filter(|model| model.has_loop());
                let names: Vec<_> = with_loop.map(Model::name).collect();
                Err(Failure::usage(format_args!(
                    "--driver {asked}: model `{model}` has no event loop that a driver could wait for; leave \
                     the option out, or use --model {}",
                    names.join(", ")
                )))
            }
            Some(Choice(chosen)) => Ok(chosen.unwrap_or_else(Driver::auto)),
        }
    }
}

/// Refuses a model that runs no code written in `style`.
pub(crate) fn can_run(model: Model, style: Style) -> Result<(), Failure> {
    let refused = |error| Failure::usage(format_args!("--model {model}: {error}"));
    model.runs(style).map_err(refused)
}

/// A driver by name, or `None` for `auto`: uring where it can be used.
#[derive(Clone, Copy)]
struct Choice(Option<Driver>);

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("auto", Driver::name))
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Choice, String> {
        let real = Driver::ALL
            .into_iter()
            .filter(|driver| *driver != Driver::Sim);
        match real.clone().find(|driver| driver.name() == name) {
            Some(driver) => Ok(Choice(Some(driver))),
            None if name == "auto" => Ok(Choice(None)),
            None => {
                let known: Vec<_> = real.map(Driver::name).collect();
                let known = known.join(", ");
                Err(format!("unknown driver `{name}`: use one of {known}, auto"))
            }
        }
    }
}

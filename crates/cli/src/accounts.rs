//! `switchboard accounts`: the names that have passwords in a chat's file.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use switchboard_chat::{Disk, Name};

use crate::output::{self, Failure};

#[derive(Args)]
#[command(
    after_help = "The names go to stdout, one a line. A server that has the file open is to be stopped first. A \
user who has forgotten the password can register the name again once it is removed, and so can anybody else.\n\nExit \
status: 0 if all went well, 1 if a name to remove has no password, 2 for wrong usage or a file that cannot be opened."
)]
pub(crate) struct Options {
    /// The file of `serve chat --data`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Take the password from this name, instead of listing; may be given more than once
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    output::status(match options.remove.is_empty() {
        true => list(options),
        false => remove(options),
    })
}

fn list(options: &Options) -> Result<bool, Failure> {
    let names = Disk::accounts_in(&options.data);
    let names = names.map_err(|error| Failure::usage(format_args!("--data {error}")))?;
    let mut text = String::new();
    for name in names {
        // A text takes everything.
        let _ = writeln!(text, "{}", &*name);
    }
    output::print(text)?;
    Ok(true)
}

fn remove(options: &Options) -> Result<bool, Failure> {
    let names = options.remove.iter().map(|name| name.parse());
    let names: Vec<Name> = names
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(format_args!("--remove: {error}")))?;
    let mut well = true;
    let removed = Disk::remove_accounts(&options.data, &names);
    let removed = removed.map_err(|error| Failure::usage(format_args!("--data {error}")))?;
    for (name, removed) in names.iter().zip(removed) {
        if !removed {
            output::complain(format_args!("--remove: `{}` has no password", &**name));
            well = false;
        }
    }
    Ok(well)
}

//! `switchboard completions` and `switchboard man`: what a shell and `man` know of the command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::{self, Failure};

/// The help of both commands about their end.
const AFTER_HELP: &str = "Exit status: 0 if all was written or the reader of stdout closed it, 1 if something \
could not be written, 2 for wrong usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CompletionOptions {
    /// Shell that is to complete the command
    shell: Shell,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ManOptions {
    /// Directory for a page of each command; without it, the page of `switchboard` goes to stdout
    dir: Option<PathBuf>,
}

pub(crate) fn completions(mut command: Command, options: &CompletionOptions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "switchboard", &mut script);
    print(&script)
}

pub(crate) fn man(command: Command, options: &ManOptions) -> ExitCode {
    let Some(dir) = &options.dir else {
        let mut page = Vec::new();
        return match clap_mangen::Man::new(command).render(&mut page) {
            Ok(()) => print(&page),
            Err(error) => output::status(Err(error.into())),
        };
    };
    let written = clap_mangen::generate_to(command, dir);
    output::status(match written {
        Ok(()) => Ok(true),
        Err(error) => Err(Failure::Failed(format!(
            "cannot write to {}: {error}",
            dir.display()
        ))),
    })
}

fn print(text: &[u8]) -> ExitCode {
    output::status(output::print(String::from_utf8_lossy(text)).map(|()| true))
}

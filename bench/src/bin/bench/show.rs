//! `--show`: prints each contender's command line and configuration, and the head of its answer.

use std::io;

use switchboard_bench::contenders::Contender;
use switchboard_bench::site::Site;

use crate::loads::Load;

/// Starts a contender, and prints its command line, its configuration and the head of its first answer.
pub(crate) fn show(load: &Load, contender: &Contender, site: &Site, core: usize) {
    println!("## {} {}\n", load.name, contender.name);
    match told(load, contender, site, core) {
        Ok((told, head)) => println!("{told}\n{head}"),
        Err(error) => println!("{error}\n"),
    }
}

fn told(
    load: &Load,
    contender: &Contender,
    site: &Site,
    core: usize,
) -> io::Result<(String, String)> {
    let backend = load.backend()?;
    let to = backend.as_ref().map(|backend| backend.addr()).transpose()?;
    let server = contender.start(core, &[], site, to)?;
    let (_, head) = load.drive(&server, backend, site, false)?;
    Ok((server.told.clone(), head))
}

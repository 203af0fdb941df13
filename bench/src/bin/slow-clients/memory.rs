//! The memory that a server and the system spend on each kind of slow client.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::honest::ask;
use crate::options::{Options, Row};
use crate::row::Servers;
use crate::server::system_memory;
use crate::slow::{KINDS, Kind};

/// Prints the memory of each server for each kind of clients, and of all.
pub fn measure(options: &Options, rows: &[Row], folder: &Path) -> io::Result<()> {
    println!("| server | slow clients | held | memory | each | system | each |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        let each = row.slow / KINDS.len();
        let kinds = KINDS.into_iter().chain([Kind::LongHead]).enumerate();
        let kinds = kinds.map(|(at, kind)| (each, at.to_string(), kind.to_string()));
        let all = (row.slow, "0,1,2,3,4".to_owned(), "all five".to_owned());
        for (count, numbers, name) in kinds.chain([all]) {
            let servers = Servers::start(row, options, folder)?;
            ask(servers.server.addr, options.honest, Duration::from_secs(1))?;
            let (before, empty) = (servers.server.memory(), system_memory()?);
            let mut crowd = Crowd::start(servers.server.addr, count, &numbers, options.cores.1)?;
            std::thread::sleep(Duration::from_secs(8));
            let held = crowd.count()?;
            let more = servers.server.memory().saturating_sub(before);
            let system = system_memory()?.saturating_sub(empty);
            println!(
                "| {} | {count}: {name} | {held} | {:.1} MiB | {:.2} KiB | {:.1} MiB | {:.1} KiB |",
                row.name,
                more as f64 / 1048576.0,
                more as f64 / 1024.0 / count as f64,
                system as f64 / 1048576.0,
                system as f64 / 1024.0 / count as f64,
            );
        }
    }
    Ok(())
}

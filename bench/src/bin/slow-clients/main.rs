//! What slow clients do to a server's others: honest clients alone, then beside thousands that send half of a
//! request, or a byte a second, or do not read.
//!
//! `slow-clients [memory] [--only ROW,…] [--slow N] [--honest N] [--turns N] [--seconds S] [-- SERVER…]`

mod crowd;
mod honest;
mod memory;
mod options;
mod row;
mod server;
mod slow;
mod table;

use std::fs;
use std::io;
use std::path::Path;

use switchboard_bench::{apart, site};

use self::options::{Options, options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    if let Some(target) = options.target {
        return Ok(slow::run(target, options.slow, &options.kinds)?);
    }
    apart::apart()?;
    let folder = site::folder(std::process::id());
    fs::create_dir_all(&folder)?;
    let measured = measure(&options, &folder);
    let _ = fs::remove_dir_all(&folder);
    match measured? {
        true => Ok(()),
        false => {
            Err("the honest clients of a row were held up, or not all slow ones were held".into())
        }
    }
}

/// Returns whether the honest clients of each row saw as little of the slow ones as they are to.
fn measure(options: &Options, folder: &Path) -> io::Result<bool> {
    // The servers have the other one.
    switchboard_lab::pin(None, options.cores.1)?;
    let rows = options.rows()?;
    if options.memory {
        memory::measure(options, &rows, folder)?;
        return Ok(true);
    }
    let mut good = true;
    table::print_head();
    let mut told = Vec::new();
    for row in &rows {
        let measured = row::measure(row, options, folder)?;
        good &= table::print_row(row, &measured);
        told.push((row, measured));
    }
    for (row, measured) in &told {
        table::print_said(row, measured);
    }
    Ok(good)
}

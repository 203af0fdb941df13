//! The cost of a loop's own moves; measured by a program of its own, on all cores.

use std::io;
use std::process::{Command, Stdio};

pub(crate) const NAME: &str = "micro";

/// Nanoseconds for each: spawn and join, timer, wake-up, short run.
pub(crate) type Runs = Vec<(String, Vec<[f64; 4]>)>;

pub(crate) fn run(rounds: usize, cores: &[usize]) -> io::Result<Runs> {
    let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
    eprint!("\r\x1b[K{NAME}");
    let output = Command::new("taskset")
        .args(["-c", &cores.join(",")])
        .arg(std::env::current_exe()?.with_file_name(NAME))
        .arg(rounds.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    eprint!("\r\x1b[K");
    Ok(serde_json::from_slice(&output.stdout)?)
}

//! The process of a cell of `switchboard compare`.

use std::process::{Command, Stdio};

use crate::chat_nodes::redis::until;
use crate::served::BINARY;
use crate::workers::children;

#[test]
fn a_cell_ends_with_a_comparison_that_is_killed() {
    let mut command = Command::new(BINARY);
    // One cell, which computes for minutes.
    command.args(["compare", "cpu", "--models", "blocking", "--jobs", "5000"]);
    let mut compare = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut cell = None;
    until("a cell runs", || {
        cell = children(compare.id()).into_iter().next();
        cell.is_some()
    });
    let cell = cell.unwrap();
    compare.kill().unwrap();
    compare.wait().unwrap();
    until("the cell has ended", || {
        let state = std::fs::read_to_string(format!("/proc/{cell}/stat"));
        state.map_or(true, |stat| stat.contains(") Z "))
    });
}

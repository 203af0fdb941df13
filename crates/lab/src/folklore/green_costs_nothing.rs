//! Green threads cost nothing.

use std::io;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{
    MESSAGE, TURN, by_turns, bytes_per_connection, echo_by_turns, effect, start_echo,
};

pub(super) struct GreenCostsNothing;

impl Saying for GreenCostsNothing {
    fn name(&self) -> &'static str {
        "green threads"
    }

    fn saying(&self) -> &'static str {
        "green threads cost nothing"
    }

    fn how(&self) -> &'static str {
        "echo servers under `green` and `tasks`: processor time for a round trip with 50 clients, and memory of each of 500 \
         idle connections; 10 % matters"
    }

    fn round(&self) -> Duration {
        TURN * 2 + Duration::from_millis(250)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        compared_with_tasks(lab, "green", Claim::NotMore, 0.1)
    }
}

/// Compares a model with `tasks`, by the processor time of a round trip and the memory of an idle connection.
pub(super) fn compared_with_tasks(
    lab: &Lab,
    model: &str,
    claim: Claim,
    least: f64,
) -> io::Result<Vec<Effect>> {
    let rows = [model, "tasks"];
    let servers = [start_echo(lab, rows[0])?, start_echo(lab, rows[1])?];
    let cells = servers.each_ref().map(|server| (server, 50, MESSAGE));
    let cpu = echo_by_turns(lab, &cells)?;
    let memory = by_turns(lab, &rows, |row| {
        Ok(vec![bytes_per_connection(lab, row, 500)?])
    })?;
    let costs = [
        ("processor time", cpu),
        ("memory of an idle connection", memory),
    ];
    costs
        .into_iter()
        .map(|(cost, figures)| {
            let name = format!("{model} ÷ tasks, {cost}");
            effect(name, &figures[0][0], &figures[1][0], claim, least)
        })
        .collect()
}

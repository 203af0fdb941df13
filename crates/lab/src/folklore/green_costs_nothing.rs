//! Green threads cost nothing.

use std::io;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::saying::Saying;
use super::tools::{MESSAGE, TURN, by_turns, bytes_per_connection, echo_turn, effect, start_echo};

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
    let figures = by_turns(lab, &[0, 1], |&at| {
        let cpu = echo_turn(&servers[at], 50, MESSAGE)?[0];
        Ok(vec![cpu, bytes_per_connection(lab, rows[at], 500)?])
    })?;
    let costs = ["processor time", "memory of an idle connection"];
    let costs = costs.into_iter().enumerate();
    costs
        .map(|(at, cost)| {
            let name = format!("{model} ÷ tasks, {cost}");
            effect(name, &figures[0][at], &figures[1][at], claim, least)
        })
        .collect()
}

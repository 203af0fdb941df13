//! Callbacks beat coroutines.

use std::io;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::{Claim, Effect};
use super::green_costs_nothing::compared_with_tasks;
use super::saying::Saying;
use super::tools::TURN;

pub(super) struct CallbacksBeatCoroutines;

impl Saying for CallbacksBeatCoroutines {
    fn name(&self) -> &'static str {
        "callbacks"
    }

    fn saying(&self) -> &'static str {
        "callbacks beat coroutines"
    }

    fn how(&self) -> &'static str {
        "echo servers under `callbacks` and `tasks`: processor time for a round trip with 50 clients, and memory of each of \
         500 idle connections; 10 % matters"
    }

    fn round(&self) -> Duration {
        TURN * 2 + Duration::from_millis(250)
    }

    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>> {
        compared_with_tasks(lab, "callbacks", Claim::Less, 0.1)
    }
}

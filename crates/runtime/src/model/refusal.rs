//! Refusals: errors for operations that a model cannot do.

use std::fmt;
use std::io;

use super::{Dispatch, Model, Style, Wait};

/// The error for an operation that a model cannot do. The message names the models that can. As an
/// [`io::Error`], its kind is `Unsupported`.
///
/// ```
/// use switchboard_runtime::{Model, Style};
///
/// let refusal = Model::Threads.runs(Style::Protocol).unwrap_err();
/// assert_eq!(refusal.model, Model::Threads);
/// assert!(refusal.to_string().ends_with("use callbacks"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The model that cannot do it.
    pub model: Model,
    /// The operation, as a verb phrase such as `run a plain function`.
    pub operation: &'static str,
    need: Need,
}

/// A feature that an operation requires of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Handlers written in this style.
    Style(Style),
    /// Further flows beside the one that runs.
    Flows,
    /// Several flows on one thread.
    LocalFlows,
    /// An event loop.
    Loop,
    /// Plain code that waits, in the operation named here.
    PlainWait(&'static str),
}

impl Need {
    /// Checks that `model` meets this need.
    pub(crate) fn check(self, model: Model) -> Result<(), Refusal> {
        match self.is_met_by(model) {
            true => Ok(()),
            false => Err(self.refuse(model)),
        }
    }

    pub(crate) fn refuse(self, model: Model) -> Refusal {
        Refusal {
            model,
            operation: self.operation(),
            need: self,
        }
    }

    fn is_met_by(self, model: Model) -> bool {
        match self {
            Need::Style(style) => model.styles().contains(&style),
            Need::Flows => model.dispatch() != Dispatch::InTurn,
            Need::LocalFlows | Need::Loop => model.has_loop(),
            Need::PlainWait(_) => model.wait() != Wait::Task,
        }
    }

    fn operation(self) -> &'static str {
        match self {
            Need::Style(Style::Async) => "run an async function",
            Need::Style(Style::Plain) => "run a plain function",
            Need::Style(Style::Protocol) => "call a protocol",
            Need::Flows => "spawn",
            Need::LocalFlows => "start a flow on this thread beside another",
            Need::Loop => "run on a loop",
            Need::PlainWait(operation) => operation,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Need::Style(Style::Async) => "it calls methods of objects",
            Need::Style(Style::Plain) => "it would hold the loop",
            Need::Style(Style::Protocol) => "its flows call no objects",
            Need::Flows => "it runs one flow at a time",
            Need::LocalFlows => "it has no loop",
            Need::Loop => "it waits in blocking system calls",
            Need::PlainWait(_) => "it would hold the loop; await it, call it in `green::spawn`",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (model, operation, reason) = (self.model, self.operation, self.need.reason());
        let joint = match self.need {
            Need::PlainWait(_) => ", or",
            _ => ";",
        };
        write!(
            f,
            "model `{model}` cannot {operation}: {reason}{joint} use "
        )?;
        let able = |model: &Model| self.need.is_met_by(*model);
        let last = Model::ALL
            .iter()
            .filter(|model| able(model))
            .count()
            .saturating_sub(1);
        for (at, model) in Model::ALL.iter().filter(|model| able(model)).enumerate() {
            let joint = match at {
                0 => "",
                at if at == last => " or ",
                _ => ", ",
            };
            write!(f, "{joint}{model}")?;
        }
        Ok(())
    }
}

/// The same text as [`Display`](fmt::Display), because a `main` that returns an error prints this.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn message(need: Need, model: Model) -> String {
        need.check(model).unwrap_err().to_string()
    }

    #[test]
    fn a_refusal_names_the_models_that_can() {
        assert_eq!(
            message(Need::Style(Style::Plain), Model::Tasks),
            "model `tasks` cannot run a plain function: it would hold the loop; \
             use blocking, threads, pool, processes or green"
        );
        assert_eq!(
            message(Need::Flows, Model::Blocking),
            "model `blocking` cannot spawn: it runs one flow at a time; \
             use threads, pool, processes, tasks, green or callbacks"
        );
        assert_eq!(
            message(Need::Style(Style::Protocol), Model::Pool),
            "model `pool` cannot call a protocol: its flows call no objects; use callbacks"
        );
        assert_eq!(
            message(Need::PlainWait("make a blocking read"), Model::Tasks),
            "model `tasks` cannot make a blocking read: it would hold the loop; await it, call it in \
             `green::spawn`, or use blocking, threads, pool, processes or green"
        );
        assert_eq!(
            message(Need::Loop, Model::Threads),
            "model `threads` cannot run on a loop: it waits in blocking system calls; \
             use tasks, green or callbacks"
        );
    }
}

//! What a saying is.

use std::io;
use std::time::Duration;

use crate::experiment::Lab;

use super::effect::Effect;

/// A saying as a hypothesis, and the experiment that tests it.
pub(crate) trait Saying: Sync {
    /// Returns the name in tables, of one to three words; also that by which [`work`](Saying::work) is found.
    fn name(&self) -> &'static str;

    /// Returns the saying.
    fn saying(&self) -> &'static str;

    /// Returns what the experiment does, in one sentence.
    fn how(&self) -> &'static str;

    /// Estimates how long one round of it takes.
    fn round(&self) -> Duration;

    /// Measures by turns, and blocks until it is done. The verdict follows from what each effect claims.
    ///
    /// # Errors
    /// One line that says why nothing could be measured.
    fn effects(&self, lab: &Lab) -> io::Result<Vec<Effect>>;

    /// Does the work of one case in this process, which has no other thread, and returns one sample of each figure.
    /// [`in_child`](super::tools::in_child) runs it.
    ///
    /// # Errors
    /// One line that says why it could not be done; so for an unknown case.
    fn work(&self, case: &str) -> io::Result<Vec<f64>> {
        Err(unknown_case(self.name(), case))
    }
}

/// Returns the error of a case that a saying does not have.
pub(crate) fn unknown_case(saying: &str, case: &str) -> io::Error {
    io::Error::other(format!("the saying `{saying}` has no case `{case}`"))
}

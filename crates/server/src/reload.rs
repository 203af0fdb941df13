//! Reloading what a service has read at its start: certificates, routes, limits.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// An error of any kind that prints.
type AnyError = Box<dyn Error + Send + Sync>;
/// Puts what was read in place of what is used.
type Commit = Box<dyn FnOnce()>;
/// Reads, and checks what it has read.
type Prepare = Box<dyn FnMut() -> Result<Commit, AnyError> + Send>;

/// What a server reads again on SIGHUP. A clone is the same.
///
/// Each part reads and checks first; only if all parts are right, all are put in place. So a wrong file is
/// refused, with one line of the log, and what was used before goes on.
///
/// With worker processes, each reads for itself, and the supervisor does for the workers that it starts later.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use switchboard_server::Reload;
///
/// let motto = Arc::new(Mutex::new("one".to_owned()));
/// let reload = Reload::default();
/// let place = motto.clone();
/// reload.register("motto", move || {
///     let read = "two".to_owned();
///     let place = place.clone();
///     std::io::Result::Ok(move || *place.lock().unwrap() = read)
/// });
/// reload.reload()?;
/// assert_eq!(*motto.lock().unwrap(), "two");
///
/// reload.register("routes", || Err::<fn(), _>("line 3: no such host"));
/// let error = reload.reload().unwrap_err();
/// assert_eq!(error.to_string(), "routes: line 3: no such host");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Default)]
pub struct Reload(Arc<Mutex<Vec<(String, Prepare)>>>);

impl Reload {
    /// Has `prepare` called at each reload. It reads and checks, which may block, and returns what puts the
    /// result in place. Must not register further parts. `name` is what the log calls this part.
    pub fn register<C, E>(
        &self,
        name: impl Into<String>,
        mut prepare: impl FnMut() -> Result<C, E> + Send + 'static,
    ) where
        C: FnOnce() + 'static,
        E: Into<AnyError>,
    {
        let prepare = move || match prepare() {
            Ok(commit) => Ok(Box::new(commit) as Commit),
            Err(error) => Err(error.into()),
        };
        self.lock().push((name.into(), Box::new(prepare)));
    }

    /// Reads all parts, and puts them in place if all are right. Blocks for as long as they read.
    ///
    /// # Errors
    /// `InvalidData` with the name and the error of the first part that is wrong; then nothing has changed.
    pub fn reload(&self) -> io::Result<()> {
        let mut commits = Vec::new();
        for (name, prepare) in self.lock().iter_mut() {
            let commit = prepare().map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}"))
            })?;
            commits.push(commit);
        }
        commits.into_iter().for_each(|commit| commit());
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Prepare)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.lock();
        let names = parts.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

//! The files of a folder over HTTP: the answers, without a connection.
//!
//! | request | answer |
//! |---|---|
//! | a file | the file, or a part of it, or 304, as the header fields of the request ask |
//! | a folder | its index file, or a list of its files: a page, or JSON for clients that ask for it |
//! | a folder without the slash at its end | 301 to the path with the slash |
//! | what is not there, and hidden names | 404 |
//! | what may not be read, an absolute or a leaving link, a pipe, a device | 403, and the operator is told |
//! | methods other than GET, HEAD and OPTIONS | 405 |
//!
//! The path of a URL is read as the URL standard says: dots may be written as `%2e`, no path leads above the
//! folder, and a name with `%2f` is not there. Symbolic links are followed below the folder if they are
//! relative. Absolute ones are not, even if they lead into the folder, since `openat2` refuses them. Where the
//! kernel has no `openat2` (Linux before 5.6, other systems) none is followed.
//!
//! Conditions and ranges are evaluated in the order of RFC 9110. Entity tags are strong: they hold the time of
//! change in nanoseconds, the length and the inode of a file.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use switchboard_apps::files::{Files, FilesOptions};
//! use switchboard_http::{Request, serve_connection};
//! use switchboard_net::Listener;
//! use switchboard_runtime::Model;
//!
//! let files = Files::new("public", FilesOptions::default())?;
//! Model::Tasks.run(async {
//!     let listener = Listener::bind("127.0.0.1:8080")?;
//!     let (stream, _) = listener.accept().await?;
//!     let handler = |request: Request| async { Ok::<_, Infallible>(files.respond(request).await) };
//!     serve_connection(stream, handler).await
//! })?
//! # ; std::io::Result::Ok(())
//! ```

mod accept;
mod answer;
mod conditions;
mod folder;
mod kind;
mod listing;
mod options;
mod page;
mod parts;
mod path;
mod plain;
mod ranges;
mod users;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderValue, VARY, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, StatusCode};
use rustix::fs::FileType;
use rustix::io::Errno;
use switchboard_http::{Body, Request, Response};
use switchboard_reactor::{Hooks, Log};

use self::folder::{Folder, Opened};
use self::path::Target;
use crate::access::User;

pub use self::options::FilesOptions;
pub use self::users::Users;

/// The methods that files have.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// A folder that is served. A clone serves the same folder.
///
/// ```
/// use switchboard_apps::files::{Files, FilesOptions};
/// use switchboard_http::{Body, Request};
/// use switchboard_runtime::Model;
///
/// let files = Files::new(".", FilesOptions::default())?;
/// let mut request = Request::new(Body::empty());
/// *request.uri_mut() = "/Cargo.toml".parse().unwrap();
/// let response = Model::Tasks.run(files.respond(request))?;
/// assert_eq!(response.status(), 200);
/// assert!(response.headers().contains_key("etag"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Files(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    folder: Arc<Folder>,
    options: FilesOptions,
    hooks: Arc<dyn Hooks>,
}

/// Why a path has no answer of its own.
enum Problem {
    NotFound,
    /// What the operator is told.
    Forbidden(&'static str),
    /// The system's error.
    Failed(Errno),
}

impl From<Errno> for Problem {
    fn from(error: Errno) -> Problem {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => Problem::NotFound,
            Errno::ACCESS | Errno::PERM => Problem::Forbidden("permission denied"),
            Errno::XDEV => Problem::Forbidden("a symbolic link is absolute, or leaves the folder"),
            Errno::LOOP => Problem::Forbidden("its symbolic links lead in a circle"),
            Errno::NXIO | Errno::NODEV => Problem::Forbidden("it is a socket or a device"),
            error => Problem::Failed(error),
        }
    }
}

impl Files {
    /// Opens the folder `dir`. It stays the same one if it is renamed later.
    ///
    /// # Errors
    /// The system's, such as `NotFound`, and `NotADirectory` for a file.
    pub fn new(dir: impl AsRef<Path>, options: FilesOptions) -> io::Result<Files> {
        let folder = Arc::new(Folder::new(dir.as_ref())?);
        let hooks = Arc::new(Log);
        Ok(Files(Arc::new(Inner {
            folder,
            options,
            hooks,
        })))
    }

    /// Tells `hooks` of files that cannot be read; without this, they are logged as warnings.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchboard_apps::files::{Files, FilesOptions};
    /// use switchboard_reactor::Quiet;
    ///
    /// let files = Files::new(".", FilesOptions::default())?.hooks(Arc::new(Quiet));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn hooks(self, hooks: Arc<dyn Hooks>) -> Files {
        let inner = Arc::unwrap_or_clone(self.0);
        Files(Arc::new(Inner { hooks, ..inner }))
    }

    /// Returns the answer to a request. Opening and reading files blocks the thread, as
    /// [`Body::file`] does; listing a folder and checking a password wait for a thread of
    /// [`run_blocking`](switchboard_runtime::run_blocking). A dropped future has changed nothing.
    pub async fn respond(&self, request: Request) -> Response<Body> {
        // The body is kept, so that the connection reads it as it does for every handler.
        let (head, _body) = request.into_parts();
        let mut response = match self.admit(&head).await {
            Err(refusal) => refusal,
            Ok(None) => self.answer(&head).await,
            Ok(Some(user)) => {
                let mut response = self.answer(&head).await;
                response.extensions_mut().insert(user);
                response
            }
        };
        self.complete(response.headers_mut());
        response
    }

    /// Returns the user that a request is from, if there are users; else the answer to a request that is not
    /// for a file: another method, or no password.
    async fn admit(&self, head: &Parts) -> Result<Option<User>, Response<Body>> {
        let options = &self.0.options;
        // A browser asks whether it may ask without the password.
        if head.method == Method::OPTIONS {
            let mut response = plain::status(StatusCode::NO_CONTENT);
            let headers = response.headers_mut();
            headers.insert(ALLOW, METHODS);
            if options.cors.is_some() && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
                let fields = HeaderValue::from_static("*, authorization");
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fields);
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            }
            return Err(response);
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            let mut response = plain::text(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
            response.headers_mut().insert(ALLOW, METHODS);
            return Err(response);
        }
        let Some(users) = &options.users else {
            return Ok(None);
        };
        if let Some(user) = users.admit(&head.headers).await {
            return Ok(Some(user));
        }
        let mut response = plain::text(
            StatusCode::UNAUTHORIZED,
            "a name and a password are needed\n",
        );
        let realm = HeaderValue::from_static("Basic realm=\"files\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, realm);
        Err(response)
    }

    async fn answer(&self, head: &Parts) -> Response<Body> {
        let options = &self.0.options;
        let Some(target) = path::parse(head.uri.path(), options.hidden) else {
            return self.missing(head, None);
        };
        let (path, found) = match self.find(&target) {
            Ok(found) => found,
            Err(problem) => return self.explain(head, &target, problem),
        };
        match (found.kind(), target.is_folder) {
            (FileType::RegularFile, _) => self.file(head, &path, found),
            (FileType::Directory, false) => plain::redirect(head, target.name()),
            (FileType::Directory, true) if options.spa => self.missing(head, Some(&target)),
            (FileType::Directory, true) if options.listing => self.list(head, &target, found).await,
            (FileType::Directory, true) => {
                plain::text(StatusCode::FORBIDDEN, "this folder is not listed\n")
            }
            _ => self.explain(
                head,
                &target,
                Problem::Forbidden("it is a pipe or a device"),
            ),
        }
    }

    /// Opens what a request asks for: a file, or a folder that has no index file. Returns its path, too.
    fn find<'a>(&self, target: &'a Target<'_>) -> Result<(Cow<'a, [u8]>, Opened), Problem> {
        let folder = &self.0.folder;
        if target.is_folder
            && let Some(index) = &self.0.options.index
        {
            let path = join(&target.path, index.as_bytes());
            match folder.open(&path) {
                Ok(opened) if opened.kind() == FileType::Directory => {}
                Ok(opened) => return Ok((path.into(), opened)),
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let opened = folder.open(&target.path)?;
        match target.is_folder && opened.kind() != FileType::Directory {
            true => Err(Problem::NotFound),
            false => Ok((Cow::Borrowed(&target.path), opened)),
        }
    }

    /// Returns the answer for a path that is not there.
    fn missing(&self, head: &Parts, target: Option<&Target<'_>>) -> Response<Body> {
        let mut response = self
            .stand_in(head, target)
            .unwrap_or_else(|| plain::text(StatusCode::NOT_FOUND, "there is no such file\n"));
        if self.0.options.spa {
            response
                .headers_mut()
                .append(VARY, HeaderValue::from(ACCEPT));
        }
        response
    }

    /// Returns the page of an application that draws its pages itself.
    fn stand_in(&self, head: &Parts, target: Option<&Target<'_>>) -> Option<Response<Body>> {
        let options = &self.0.options;
        let index = options.index.as_ref().filter(|_| options.spa)?.as_bytes();
        let is_plain = target.is_some_and(|target| !target.name().contains(&b'.'));
        if !is_plain && !accept::wants_page(&head.headers) {
            return None;
        }
        let opened = self.0.folder.open(index).ok()?;
        let is_file = opened.kind() == FileType::RegularFile;
        is_file.then(|| self.file(head, index, opened))
    }

    /// Returns the answer for a path with a problem, and tells the operator what is his to mend.
    fn explain(&self, head: &Parts, target: &Target<'_>, problem: Problem) -> Response<Body> {
        match problem {
            Problem::NotFound => self.missing(head, Some(target)),
            Problem::Forbidden(why) => {
                let path = head.uri.path().escape_debug();
                let hooks = &self.0.hooks;
                hooks.notice(&format_args!("{path} was answered with 403: {why}"));
                plain::text(StatusCode::FORBIDDEN, "this may not be read\n")
            }
            Problem::Failed(error) => {
                let status = match error {
                    Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => {
                        StatusCode::SERVICE_UNAVAILABLE
                    }
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                self.fail(head, status, &error)
            }
        }
    }

    /// Returns the answer for what failed, and tells the operator why.
    fn fail(&self, head: &Parts, status: StatusCode, why: &dyn fmt::Display) -> Response<Body> {
        let (path, code) = (head.uri.path().escape_debug(), status.as_u16());
        let hooks = &self.0.hooks;
        hooks.notice(&format_args!("{path} was answered with {code}: {why}"));
        plain::text(status, "this could not be read\n")
    }

    /// Adds what each answer has.
    fn complete(&self, headers: &mut HeaderMap) {
        let options = &self.0.options;
        if let Some(origin) = &options.cors {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let fields = "accept-ranges, content-encoding, content-range, etag";
            let fields = HeaderValue::from_static(fields);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fields);
        }
        for (at, (name, value)) in options.headers.iter().enumerate() {
            // The first one takes the place of the server's own.
            match options.headers[..at]
                .iter()
                .any(|(before, _)| before == name)
            {
                true => drop(headers.append(name, value.clone())),
                false => drop(headers.insert(name, value.clone())),
            }
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, options) = (&self.0.folder, &self.0.options);
        f.debug_struct("Files")
            .field("folder", folder)
            .field("options", options)
            .finish()
    }
}

/// Returns a path below another one.
fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path.is_empty() {
        true => name.into(),
        false => [path, b"/", name].concat(),
    }
}

//! `switchboard serve files`.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use switchboard_apps::access::Access;
use switchboard_apps::files::{Files, FilesOptions, Users};
use switchboard_net::Stream;
use switchboard_runtime::Style;
use switchboard_server::{Bound, Report};

use super::options::{AFTER_HELP, HttpOptions, Options};
use super::tls::Front;
use super::{Watched, serve_prepared};
use crate::output::Failure;

/// The help about what is served.
const AFTER_FILES: &str = "Paths are those of files below DIR. A folder is answered with its index file, or else \
with a list of its files: a page, or JSON if the client accepts application/json. Symbolic links that leave DIR, \
or are absolute, files that may not be read, pipes and devices are answered with 403, and a line in the log says why.\n\nThe file of \
--auth-file has a line USER:HASH for each user, where the hash is one of bcrypt, as `htpasswd -B FILE USER` writes \
it. It is read at the start and on SIGHUP. Passwords are in the clear on the way without TLS.";

#[derive(Args)]
#[command(after_help = format!("{AFTER_FILES}\n\n{AFTER_HELP}"))]
pub(crate) struct FilesArgs {
    /// The folder to serve
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    options: Options,
    /// Name of the file that stands for its folder
    #[arg(long, default_value = "index.html", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    index: String,
    /// Answer 403 for a folder without an index file, and list none
    #[arg(long)]
    no_listing: bool,
    /// Answer with the index file of DIR where no file is, unless the last name of the path has a dot and the
    /// client does not ask for text/html. Folders are not listed then
    #[arg(long)]
    spa: bool,
    /// Serve names that begin with a dot too; without this option they are answered with 404, but for
    /// /.well-known/
    #[arg(long)]
    hidden: bool,
    /// Send FILE.br, FILE.zst or FILE.gz in place of FILE to clients that accept it, unless it is older than
    /// FILE
    #[arg(long)]
    precompressed: bool,
    /// Compress text of 1 KiB or more with gzip while it is sent
    #[arg(long)]
    compress: bool,
    /// The charset of text files but XML, which browsers decode them by; `none` leaves it out, so that pages can
    /// name it themselves
    #[arg(long, default_value = "utf-8", value_name = "NAME", value_parser = charset)]
    charset: String,
    /// The field cache-control of files, as `max-age=3600` [default: none, so that caches guess by the date]
    #[arg(long, value_name = "VALUE")]
    cache_control: Option<String>,
    /// A header field of each answer; may be given more than once
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Let pages of other origins read the answers: of all, or of one as --cors=https://example.org
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    cors: Option<String>,
    /// Ask for a name and a password of this file
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,
    #[command(flatten)]
    http: HttpOptions,
}

impl FilesArgs {
    pub(super) fn serve(self) -> Result<(), Failure> {
        let options = self.files_options()?;
        let users = options.users.clone();
        // What is wrong with the folder is said before anything is bound.
        let dir = self.dir.display();
        let files = Files::new(&self.dir, options);
        let files = files.map_err(|error| Failure::usage(format_args!("DIR {dir}: {error}")))?;
        let front = self.http.front(&self.options)?;
        let server = front.server(self.http.limits.first_bytes());
        let prepare = |bound: &Bound, watched: &Watched| {
            self.http.tls.open(&front, bound, &watched.log)?;
            if let (Some(path), Some(users)) = (self.auth_file.clone(), users) {
                let name = format!("--auth-file {}", path.display());
                bound.reload_handle().register(name, move || {
                    let (users, read) = (users.clone(), read_users(&path)?);
                    Ok::<_, String>(move || users.replace(&read))
                });
            }
            let files = files.hooks(watched.hooks.clone());
            Ok((files, watched.access.clone(), front))
        };
        serve_prepared(
            server,
            &self.options,
            "files",
            Style::Async,
            Some(&self.http),
            prepare,
            run,
        )
    }

    fn files_options(&self) -> Result<FilesOptions, Failure> {
        let value = |option: &str, text: &Option<String>| {
            let value = text.as_ref().map(|text| text.parse());
            let value = value.transpose();
            value.map_err(|error| Failure::usage(format_args!("{option}: {error}")))
        };
        if self.index.contains('/') {
            let index = &self.index;
            return Err(Failure::usage(format_args!(
                "--index {index}: use the name of a file, without a slash"
            )));
        }
        let mut options = FilesOptions {
            index: Some(self.index.clone()),
            listing: !self.no_listing,
            spa: self.spa,
            hidden: self.hidden,
            precompressed: self.precompressed,
            compress: self.compress,
            charset: Some(self.charset.clone()).filter(|name| name != "none"),
            cache_control: value("--cache-control", &self.cache_control)?,
            cors: value("--cors", &self.cors)?,
            users: self.users()?.map(Arc::new),
            ..FilesOptions::default()
        };
        for field in &self.headers {
            let added = options.header(field);
            added.map_err(|error| Failure::usage(format_args!("--header {error}")))?;
        }
        Ok(options)
    }

    fn users(&self) -> Result<Option<Users>, Failure> {
        let Some(path) = &self.auth_file else {
            return Ok(None);
        };
        let shown = path.display();
        let wrong = |error| Failure::usage(format_args!("--auth-file {shown}: {error}"));
        read_users(path).map(Some).map_err(wrong)
    }
}

fn read_users(path: &Path) -> Result<Users, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse()
}

/// Parses the name of a charset.
fn charset(text: &str) -> Result<String, String> {
    let is_name = |byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'+');
    match !text.is_empty() && text.bytes().all(is_name) {
        true if text.eq_ignore_ascii_case("none") => Ok("none".to_owned()),
        true => Ok(text.to_owned()),
        false => Err("use the name of a charset, as iso-8859-1, or `none`".to_owned()),
    }
}

/// Answers each request of each connection, until the server stops.
fn run(bound: Bound, (files, access, front): (Files, Option<Access>, Front)) -> io::Result<Report> {
    // Shared, so that a connection holds one word of it.
    let shared = Arc::new((files, access, front, bound.stop_handle()));
    bound.serve(move |stream: Stream| {
        let shared = shared.clone();
        async move {
            let (files, access, front, stop) = &*shared;
            let answer = |request| files.respond(request);
            let stop = pin!(stop.wait());
            front.serve(stream, access.as_ref(), answer, stop).await
        }
    })
}

//! The chat as lines of text: beside the page and WebSocket, or by itself under `callbacks`.

use std::io;
use std::thread;

use switchboard_chat::LineService;
use switchboard_net::Stream;
use switchboard_runtime::Style;
use switchboard_server::{Bound, Report, Server, Stop};

use super::bind::{addresses, configured};
use super::options::Options;
use super::{ReportLine, Watched, can_serve};
use crate::log::{self, Log};
use crate::output::Failure;

/// What a client is told whose address has as many connections as it may have.
const TOO_MANY: &[u8] = b"* error too_many: your address has as many connections as it may have\n";

/// A second server, whose clients speak lines.
pub(super) struct Lines {
    bound: Bound,
    service: LineService,
    /// Where the report goes, if anybody wants it.
    log: Option<Log>,
}

/// Returns a server that greets its clients.
pub(super) fn server() -> Server {
    Server::new().descriptors(1).refuse(|stream| async move {
        // It is closed, whether or not the client hears of it.
        let _ = stream.write_all(TOO_MANY).await;
        let _ = stream.close().await;
    })
}

impl Lines {
    /// Listens at `addr` as well, and says so.
    pub(super) fn bind(
        addr: &str,
        service: LineService,
        options: &Options,
        watched: &Watched,
    ) -> Result<Lines, Failure> {
        let driver = can_serve(options, Style::Async)?;
        let found = addresses("--lines", addr)?;
        // The first server looks after the process.
        let server = configured(server(), options, driver)?
            .until_eof(false)
            .managed(false)
            .hooks(watched.hooks.clone());
        let bound = server
            .bind(found.as_slice())
            .map_err(|error| Failure::usage(format_args!("--lines: {error}")))?;
        let listening = bound.local_addr();
        watched
            .log
            .line(format_args!("lines of text at {listening}"));
        let log = (!options.quiet).then(|| watched.log.clone());
        Ok(Lines {
            bound,
            service,
            log,
        })
    }

    /// Returns a handle that stops it.
    pub(super) fn stop_handle(&self) -> Stop {
        self.bound.stop_handle()
    }

    /// Serves while `first` does, whose server `stop` stops. Each ends with the other.
    pub(super) fn beside(
        self,
        stop: Stop,
        first: impl FnOnce() -> io::Result<Report>,
    ) -> io::Result<Report> {
        let Lines {
            bound,
            service,
            log,
        } = self;
        let own = bound.stop_handle();
        thread::scope(|scope| {
            let serve = move || {
                let served = bound.serve(move |stream: Stream| service.serve(stream));
                stop.stop();
                served
            };
            let lines = thread::Builder::new().name("lines".to_owned());
            let lines = lines.spawn_scoped(scope, serve)?;
            let report = first();
            own.stop();
            let served = lines
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the server of --lines panicked")))?;
            if let Some(log) = log {
                log.line_within(
                    log::PATIENCE,
                    format_args!("lines: {}", ReportLine(&served)),
                );
            }
            report
        })
    }
}

//! The triggers that stop a server: its stop handle, a signal, the end of stdin, its supervisor.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use switchboard_runtime::{self as runtime, Direction, Source, race};

use crate::caught::{Caught, Signals};
use crate::counts::Count;
use crate::manager::{Change, Manager};
use crate::settings::Settings;
use crate::stop::Stop;

/// The time after the first signal in which another one is the same request: `timeout` and others send a
/// signal to a process and then to its whole group.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// The part of a supervisor that its worker process knows.
#[derive(Clone)]
pub(crate) struct Supervised {
    /// The supervisor's process.
    pub(crate) by: u32,
    /// The number of this worker.
    pub(crate) index: usize,
    /// Whether signals stop the supervisor. They stop each worker.
    pub(crate) signals: bool,
    /// Readable once the supervisor cuts what its workers drain. All workers share it, so its byte is
    /// not taken.
    pub(crate) cut: Arc<UnixStream>,
}

/// Everything that can stop or change a server.
pub(crate) struct StopTriggers {
    stop: Stop,
    pub(crate) manager: Manager,
    signals: Option<Signals>,
    stdin: Option<Source>,
    /// The supervisor's word to cut. A worker's second signal may be the first of the whole group.
    supervisor: Option<Source>,
}

impl StopTriggers {
    /// Returns the triggers of a server, which take the signals that stop and change it.
    pub(crate) fn new(
        settings: &Settings,
        stop: &Stop,
        supervised: Option<&Supervised>,
        caught: &mut Caught,
    ) -> io::Result<StopTriggers> {
        let stdin = settings
            .until_eof
            .then(|| io::stdin().as_fd().try_clone_to_owned().map(Source::new))
            .transpose()?;
        let supervisor = supervised.map(|by| {
            let cut = by.cut.as_fd().try_clone_to_owned();
            cut.map(Source::new)
        });
        Ok(StopTriggers {
            stop: stop.clone(),
            manager: Manager::new(settings, supervised, caught),
            signals: caught.stop.take(),
            stdin,
            supervisor: supervisor.transpose()?,
        })
    }

    /// Waits until something stops the server, and sets its stop handle.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        while self.next().await? == Change::Reloaded {}
        Ok(())
    }

    /// Waits as [`wait`](StopTriggers::wait) does, or until everything was read again. May be dropped and
    /// called again.
    pub(crate) async fn next(&self) -> io::Result<Change> {
        let stopped = async { self.stopped().await.map(|()| Change::Stopped) };
        let next = race(stopped, self.manager.change()).await;
        if !matches!(next, Ok(Change::Reloaded)) {
            self.stop.stop();
            self.manager.stopping();
        }
        next
    }

    async fn stopped(&self) -> io::Result<()> {
        let eof = async {
            match &self.stdin {
                Some(stdin) => end_of(stdin).await,
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            self.stop.wait().await;
            Ok(())
        };
        race(stopped, race(self.signal(), eof)).await
    }

    /// Waits until something cuts the connections of a server that drains since `start`: its stop handle, the
    /// supervisor of this worker, or another signal. Sets the stop handle.
    ///
    /// # Errors
    /// The system's. The handle is set all the same.
    pub(crate) async fn wait_for_cut(&self, start: Instant) -> io::Result<()> {
        let again = async {
            if let Some(supervisor) = &self.supervisor
                && says_cut(supervisor).await?
            {
                return Ok(());
            }
            runtime::sleep(ONE_REQUEST.saturating_sub(start.elapsed())).await;
            self.forget_signals()?;
            self.signal().await
        };
        let told = async {
            self.stop.wait_for_cut().await;
            Ok(())
        };
        let result = race(told, again).await;
        self.stop.stop_now();
        result
    }

    /// Returns whether the connections of a server that drains since `start` are to be cut. Never blocks.
    pub(crate) fn is_cut(&self, start: Instant) -> io::Result<bool> {
        let signalled = self.forget_signals()?;
        if signalled && start.elapsed() >= ONE_REQUEST {
            self.stop.stop_now();
        }
        Ok(self.stop.is_cut())
    }

    async fn signal(&self) -> io::Result<()> {
        match &self.signals {
            Some(signals) => signals.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the signals that have arrived, and returns whether there were any.
    fn forget_signals(&self) -> io::Result<bool> {
        let signals = self.signals.as_ref();
        signals.map_or(Ok(false), Signals::forget)
    }
}

/// Tells the operator that open connections get the time to end.
pub(crate) fn notice_drain(
    settings: &Settings,
    supervised: Option<&Supervised>,
    connections: usize,
) {
    if connections == 0 {
        return;
    }
    let worker = supervised.map_or_else(String::new, |by| format!("worker {}: ", by.index));
    let now = match supervised.map_or(settings.signals, |by| by.signals) {
        true => "; SIGINT or SIGTERM stops now",
        false => "",
    };
    let count = Count(connections, "connection");
    let text = format_args!("{worker}draining {count}{now}");
    settings.hooks.notice(&text);
}

/// Waits for the supervisor's word, and returns `false` if the supervisor has ended without. The byte stays
/// in the socket, which all workers read.
async fn says_cut(supervisor: &Source) -> io::Result<bool> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    loop {
        supervisor.ready(Direction::Read).await?;
        match rustix::net::recv(supervisor, &mut [0; 1], flags) {
            Ok((_, length)) => return Ok(length > 0),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn end_of(stdin: &Source) -> io::Result<()> {
    loop {
        stdin.ready(Direction::Read).await?;
        match rustix::io::read(stdin, &mut [0; 1024]) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::sync::Mutex;

    use switchboard_runtime::{Driver, Hooks, Model};

    use super::*;
    use crate::{Report, Server};

    /// Runs a server whose handler never ends, until `stop` has run beside a client.
    fn stopped(model: Model, driver: Driver, stop: impl FnOnce(Stop) + Send + 'static) -> Report {
        let server = Server::new().model(model).driver(driver);
        let server = server.drain(Duration::from_secs(600));
        let server = server.bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().to_string();
        let handle = server.stop_handle();
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
            stop(handle);
            let _ = stream.read(&mut [0; 1]);
        });
        let report = server.serve(|stream| async move {
            stream.write_all(b"!").await?;
            while !stream.recv().await?.is_empty() {}
            io::Result::Ok(())
        });
        client.join().unwrap();
        report.unwrap()
    }

    /// Hooks that keep their notices.
    #[derive(Default)]
    struct Notices(Mutex<Vec<String>>);

    impl Hooks for Notices {
        fn notice(&self, text: &dyn std::fmt::Display) {
            self.0.lock().unwrap().push(text.to_string());
        }
    }

    #[test]
    fn a_drain_names_signals_only_where_they_stop_the_server() {
        let notices = Arc::new(Notices::default());
        let (cut, _supervisor) = UnixStream::pair().unwrap();
        let mut supervised = Supervised {
            by: 1,
            index: 3,
            signals: false,
            cut: Arc::new(cut),
        };
        let server = Server::new().hooks(notices.clone());
        notice_drain(server.settings(), None, 1);
        let server = server.on_signals(true);
        notice_drain(server.settings(), None, 2);
        // A worker process catches the signal by which its supervisor stops it.
        notice_drain(server.settings(), Some(&supervised), 1);
        supervised.signals = true;
        notice_drain(server.settings(), Some(&supervised), 1);
        let expected = [
            "draining 1 connection",
            "draining 2 connections; SIGINT or SIGTERM stops now",
            "worker 3: draining 1 connection",
            "worker 3: draining 1 connection; SIGINT or SIGTERM stops now",
        ];
        assert_eq!(*notices.0.lock().unwrap(), expected);
    }

    #[test]
    fn stopping_now_cuts_before_and_while_the_server_drains() {
        for model in [Model::Blocking, Model::Threads, Model::Pool, Model::Tasks] {
            for driver in Driver::ALL {
                let useless = driver != Driver::best() && !model.has_loop();
                if driver == Driver::Sim || useless || driver.open().is_err() {
                    continue;
                }
                let at_once = stopped(model, driver, |stop| stop.stop_now());
                let draining = stopped(model, driver, |stop| {
                    stop.stop();
                    std::thread::sleep(Duration::from_millis(20));
                    stop.stop_now();
                });
                assert_eq!((at_once.cut, draining.cut), (1, 1), "{model}/{driver}");
            }
        }
    }
}

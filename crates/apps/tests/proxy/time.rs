//! What takes time, on virtual time: all peers are flows of one simulated loop.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use switchboard_apps::access::{Access, Format};
use switchboard_apps::proxy::{Balance, Check, Mode, Proxy, Sender, Settings, To};
use switchboard_http::Body;
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Driver, Model, join, race};

use crate::Notices;

pub(crate) fn simulated<T>(future: impl Future<Output = T>) -> T {
    Model::Tasks.run_with(Driver::Sim, future).unwrap()
}

/// A path for the socket of a back end, in a directory of its own that is removed at the end.
pub(crate) struct SocketPath(PathBuf);

impl SocketPath {
    pub(crate) fn new(name: &str) -> SocketPath {
        let directory = std::env::temp_dir().join(format!("proxy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        SocketPath(directory.join("socket"))
    }

    pub(crate) fn to(&self) -> To {
        format!("unix:{}", self.0.display()).parse().unwrap()
    }

    pub(crate) fn listen(&self) -> Listener {
        let _ = std::fs::remove_file(&self.0);
        Listener::bind_unix(&self.0).unwrap()
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap_or(Path::new("/none")));
    }
}

pub(crate) fn settings(path: &SocketPath, check: Check) -> Settings {
    let mut settings = Settings::default();
    settings.pools[0].to = vec![path.to()];
    settings.pools[0].check = check;
    settings
}

pub(crate) fn proxy(settings: Settings) -> (Proxy, Notices) {
    let notices = Notices::default();
    let proxy = Proxy::with_hooks(settings, Arc::new(notices.clone())).unwrap();
    (proxy, notices)
}

/// Serves one connection, in which `client` and `server` do something; returns how it ended, and after how
/// long.
fn relayed<C, S>(
    name: &str,
    client: impl FnOnce(Stream) -> C,
    server: impl FnOnce(Stream) -> S,
) -> (std::io::Result<()>, Duration)
where
    C: Future<Output = Stream>,
    S: Future<Output = Stream>,
{
    let path = SocketPath::new(name);
    let listener = path.listen();
    let (proxy, _) = proxy(settings(&path, Check::Off));
    let (here, there) = Stream::pair().unwrap();
    simulated(async {
        let begin = runtime::now();
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            server(stream).await
        };
        let peers = join(client(here), answering);
        let served = async {
            let served = proxy.serve(there).await;
            (served, runtime::now() - begin)
        };
        // The peers keep their streams until the proxy has ended.
        let (served, _peers) = join(served, peers).await;
        served
    })
}

#[test]
fn a_connection_without_a_byte_is_cut() {
    let quiet = |stream| async { stream };
    let (result, lasted) = relayed("idle", quiet, quiet);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        error
            .to_string()
            .starts_with("the connection was idle for 600s; back end unix:"),
        "{error}"
    );
    assert!((600..=780).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn every_byte_renews_a_half_closed_connection() {
    let half_closing = |stream: Stream| async {
        stream.shutdown_write().unwrap();
        stream
    };
    let slow = |stream: Stream| async {
        for _ in 0..20 {
            runtime::sleep(Duration::from_secs(80)).await;
            stream.write_all(b"!").await.unwrap();
        }
        stream
    };
    let (result, lasted) = relayed("half", half_closing, slow);
    let error = result.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the connection was half-closed for 120s"),
        "{error}"
    );
    assert!((1720..=1760).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn checks_find_a_back_end_down_and_up_again() {
    let path = SocketPath::new("checks");
    let listener = path.listen();
    let (proxy, notices) = proxy(settings(&path, Check::Tcp));
    let to = path.to();
    simulated(async {
        let script = async {
            runtime::sleep(Duration::from_secs(60)).await;
            assert_eq!(notices.take(), [""; 0]);
            drop(listener);
            runtime::sleep(Duration::from_millis(3500)).await;
            assert_eq!(notices.take(), [""; 0], "two checks have failed at most");
            runtime::sleep(Duration::from_secs(4)).await;
            let [down] = &notices.take()[..] else {
                panic!("one notice")
            };
            assert!(
                down.starts_with(&format!("back end {to} is down: cannot connect to")),
                "{down}"
            );
            let (here, there) = Stream::pair().unwrap();
            let error = proxy.serve(there).await.unwrap_err();
            assert_eq!(error.to_string(), "every back end of pool default is down");
            drop(here);
            let _listener = path.listen();
            runtime::sleep(Duration::from_secs(5)).await;
            let up = format!("back end {to} is up; 1 of 1 in pool default can be used");
            assert_eq!(notices.take(), [up]);
        };
        race(script, proxy.watch()).await;
    });
}

#[test]
fn a_check_by_http_wants_a_good_status_in_time() {
    let path = SocketPath::new("http");
    let listener = path.listen();
    let (proxy, notices) = proxy(settings(&path, Check::Http("/health".to_owned())));
    simulated(async {
        let answer_with = async |answer: &str, times: usize| {
            for _ in 0..times {
                let (stream, _) = listener.accept().await.unwrap();
                let request = stream.recv().await.unwrap();
                assert!(request.starts_with(b"GET /health HTTP/1.1\r\nHost: localhost\r\n"));
                if answer.is_empty() {
                    while !stream.recv().await.unwrap().is_empty() {}
                } else {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            // The last answer has been read when the next check comes, or the pause before it.
            runtime::sleep(Duration::from_secs(1)).await;
            notices.take()
        };
        let script = async {
            assert_eq!(answer_with("HTTP/1.1 200 OK\r\n\r\n", 3).await, [""; 0]);
            let down = answer_with("HTTP/1.1 503 Service Unavailable\r\n\r\n", 3).await;
            assert!(
                down[0].contains("a check of /health was answered with `HTTP/1.1 503`"),
                "{down:?}"
            );
            assert_eq!(
                answer_with("HTTP/1.0 204 No Content\r\n\r\n", 2)
                    .await
                    .len(),
                1
            );
            let down = answer_with("", 3).await;
            assert!(
                down[0].contains("no answer to a check within 2s"),
                "{down:?}"
            );
        };
        race(script, proxy.watch()).await;
    });
}

#[test]
fn an_ejection_ends_after_its_time_and_doubles() {
    let path = SocketPath::new("ejected");
    let (proxy, notices) = proxy(settings(&path, Check::Off));
    simulated(async {
        let refused = async || {
            let (_here, there) = Stream::pair().unwrap();
            proxy.serve(there).await.unwrap_err().to_string()
        };
        for seconds in [1, 2, 4] {
            while notices.take().is_empty() {
                assert!(
                    refused()
                        .await
                        .starts_with("no back end of pool default answers")
                );
            }
            runtime::sleep(Duration::from_millis(seconds * 1000 - 100)).await;
            assert_eq!(refused().await, "every back end of pool default is down");
            runtime::sleep(Duration::from_millis(101)).await;
        }
        let listener = path.listen();
        let (here, there) = Stream::pair().unwrap();
        let peers = async {
            drop(listener.accept().await.unwrap());
            drop(here);
        };
        join(proxy.serve(there), peers).await.0.unwrap();
        let answers = format!(
            "back end {} answers again; 1 of 1 in pool default can be used",
            path.to()
        );
        assert_eq!(notices.take(), [answers]);
    });
}

#[test]
fn connections_above_the_limit_wait_for_a_place() {
    let path = SocketPath::new("places");
    let listener = path.listen();
    let mut settings = settings(&path, Check::Off);
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, _) = proxy(settings);
    simulated(async {
        let (first, served) = Stream::pair().unwrap();
        let serving = runtime::spawn_local({
            let proxy = proxy.clone();
            async move { proxy.serve(served).await }
        });
        let (at_back_end, _) = listener.accept().await.unwrap();
        // The second one waits as long as it may.
        let (_second, served) = Stream::pair().unwrap();
        let error = proxy.serve(served).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            error.to_string().ends_with("had no free place within 5s"),
            "{error}"
        );
        // The third one gets the place that the first one leaves.
        let (third, served) = Stream::pair().unwrap();
        let leaving = async {
            runtime::sleep(Duration::from_secs(1)).await;
            drop((first, at_back_end));
            serving.await.unwrap().unwrap();
            drop((listener.accept().await.unwrap(), third));
        };
        join(proxy.serve(served), leaving).await.0.unwrap();
    });
}

#[test]
fn new_settings_take_the_place_of_old_ones_and_wrong_ones_do_not() {
    let (path, other) = (SocketPath::new("old"), SocketPath::new("new"));
    let (proxy, notices) = proxy(settings(&path, Check::Tcp));
    simulated(async {
        let script = async {
            runtime::sleep(Duration::from_secs(1)).await;
            assert_eq!(notices.take().len(), 1, "the first check finds it down");
            let mut both = settings(&path, Check::Tcp);
            both.pools[0].to.push(other.to());
            let listener = other.listen();
            proxy.replace(both).unwrap();
            let (here, there) = Stream::pair().unwrap();
            here.shutdown_write().unwrap();
            // Checks connect too.
            let peers = async {
                loop {
                    drop(listener.accept().await.unwrap());
                }
            };
            // The old back end is known to be down, so that the new one is asked at once.
            race(proxy.serve(there), peers).await.unwrap();
            assert_eq!(notices.take(), [""; 0]);
            let mut wrong = Settings::default();
            wrong.pools[0].to.clear();
            let error = proxy.replace(wrong).unwrap_err();
            assert!(error.to_string().contains("has no back end"), "{error}");
            runtime::sleep(Duration::from_secs(10)).await;
            drop(listener);
            runtime::sleep(Duration::from_secs(10)).await;
            let down = notices.take();
            assert!(
                down[0].contains("0 of 2 in pool default"),
                "the checks go on: {down:?}"
            );
        };
        race(script, proxy.watch()).await;
    });
}

#[test]
fn a_back_end_that_checks_have_found_down_is_used_once_there_are_none() {
    let path = SocketPath::new("unchecked");
    let (proxy, notices) = proxy(settings(&path, Check::Tcp));
    simulated(async {
        let script = async {
            runtime::sleep(Duration::from_secs(1)).await;
            assert_eq!(notices.take().len(), 1, "the first check finds it down");
            let listener = path.listen();
            proxy.replace(settings(&path, Check::Off)).unwrap();
            runtime::sleep(Duration::from_millis(1)).await;
            let (here, there) = Stream::pair().unwrap();
            here.shutdown_write().unwrap();
            let accepting = async { drop(listener.accept().await.unwrap()) };
            let (served, ()) = join(proxy.serve(there), accepting).await;
            served.unwrap();
        };
        let script = runtime::timeout(Duration::from_secs(60), script);
        race(async { script.await.unwrap() }, proxy.watch()).await;
    });
}

/// Serves one client by HTTP, which sends a request; returns its answer. `server` does what the back end does.
fn asked<S: Future<Output = Stream>>(
    name: &str,
    server: impl FnOnce(Stream) -> S,
) -> (String, Vec<String>, Duration) {
    let path = SocketPath::new(name);
    let listener = path.listen();
    let settings = Settings {
        mode: Mode::Http,
        ..settings(&path, Check::Off)
    };
    let (proxy, notices) = proxy(settings);
    let (here, there) = Stream::pair().unwrap();
    let (answer, lasted) = simulated(async {
        let begin = runtime::now();
        let client = async {
            here.write_all(b"GET /x HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut all = Vec::new();
            loop {
                match here.recv().await {
                    Ok(chunk) if !chunk.is_empty() => all.extend_from_slice(&chunk),
                    _ => return (String::from_utf8(all).unwrap(), runtime::now() - begin),
                }
            }
        };
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            server(stream).await
        };
        let (answer, _peers) = join(client, join(proxy.serve(there), answering)).await;
        answer
    });
    (answer, notices.take(), lasted)
}

#[test]
fn a_back_end_that_does_not_answer_in_time_is_given_up() {
    let (answer, notices, lasted) = asked("silent", |stream| async { stream });
    assert!(
        answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"),
        "{answer}"
    );
    assert!((60..=61).contains(&lasted.as_secs()), "{lasted:?}");
    assert!(
        notices[0].starts_with("GET /x: 504: back end unix:"),
        "{notices:?}"
    );
    assert!(
        notices[0].ends_with(": first byte: no answer within 60s"),
        "{notices:?}"
    );
}

#[test]
fn an_answer_that_takes_long_between_its_pieces_is_cut() {
    let (answer, _, lasted) = asked("stalling", |stream| async {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for _ in 0..10 {
            runtime::sleep(Duration::from_secs(50)).await;
            stream.write_all(b"!").await.unwrap();
        }
        stream
    });
    assert!(answer.ends_with("\r\n\r\n!!!!!!!!!!"), "{answer}");
    assert!((560..=561).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn a_request_waits_for_a_place_at_the_back_end() {
    let path = SocketPath::new("queue");
    let listener = path.listen();
    let mut settings = Settings {
        mode: Mode::Http,
        ..settings(&path, Check::Off)
    };
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, notices) = proxy(settings);
    let ask = async || {
        let (here, there) = Stream::pair().unwrap();
        let client = async {
            here.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            here.recv().await.unwrap()[9..12].to_vec()
        };
        join(proxy.serve(there), client).await.1
    };
    let mut statuses = simulated(async {
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            // One connection serves all requests, each in four seconds.
            loop {
                if stream.recv().await.unwrap().is_empty() {
                    return;
                }
                runtime::sleep(Duration::from_secs(4)).await;
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .await
                    .unwrap();
            }
        };
        let asking = async { runtime::gather([ask(), ask(), ask()]).await };
        race(asking, async {
            answering.await;
            std::future::pending().await
        })
        .await
    });
    // Whichever comes last has waited for five seconds.
    statuses.sort();
    assert_eq!(statuses, [&b"204"[..], b"204", b"503"]);
    assert!(notices.take()[0].ends_with("had no free place within 5s"));
}

#[test]
fn a_connection_that_waits_for_a_request_is_closed_without_checks_too() {
    let path = SocketPath::new("waiting");
    let listener = path.listen();
    let (proxy, _) = proxy(Settings {
        mode: Mode::Http,
        ..settings(&path, Check::Off)
    });
    simulated(async {
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            stream.recv().await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            let began = runtime::now();
            assert!(stream.recv().await.unwrap().is_empty());
            runtime::now() - began
        };
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let asking = proxy.respond(Sender::default(), false, request);
        let script = runtime::timeout(Duration::from_secs(60), join(asking, answering));
        let script = async {
            let (answer, lasted) = script.await.unwrap();
            assert_eq!(answer.status(), 204);
            assert!((4..=6).contains(&lasted.as_secs()), "{lasted:?}");
        };
        race(script, proxy.watch()).await;
    });
}

#[test]
fn requests_that_no_back_end_takes_do_not_fill_the_log() {
    let path = SocketPath::new("quiet");
    let mut settings = Settings {
        mode: Mode::Http,
        ..settings(&path, Check::Off)
    };
    settings.pools[0].rules.ejection = Duration::from_secs(3600);
    settings.pools[0].rules.longest_ejection = Duration::from_secs(3600);
    let (proxy, notices) = proxy(settings);
    simulated(async {
        let ask = async || {
            let request = Request::builder().uri("/a\u{9b}'b");
            let request = request.body(Body::empty()).unwrap();
            proxy.respond(Sender::default(), false, request).await;
        };
        for _ in 0..3 {
            ask().await;
        }
        assert_eq!(notices.take().len(), 4, "three failures and the ejection");
        for _ in 0..10 {
            ask().await;
        }
        let line = "GET /a\\u{9b}\\'b: 503: every back end of pool default is down";
        assert_eq!(notices.take(), [line]);
        runtime::sleep(Duration::from_secs(1)).await;
        ask().await;
        assert_eq!(
            notices.take(),
            [format!("{line}; so it was for 9 more requests")]
        );
    });
}

/// Sends a request whose body stops after its first bytes, and returns the answer, and what the logs say.
fn stalled(name: &str) -> (String, Vec<String>, String, std::io::Result<()>) {
    let path = SocketPath::new(name);
    let listener = path.listen();
    let (proxy, notices) = proxy(Settings {
        mode: Mode::Http,
        ..settings(&path, Check::Off)
    });
    let (written, lines) = mpsc::channel();
    let access = Access::new().log(Format::Combined, move |line| {
        drop(written.send(line.to_owned()))
    });
    let (here, there) = Stream::pair().unwrap();
    let (answer, served) = simulated(async {
        let client = async {
            here.write_all(b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\nhello")
                .await
                .unwrap();
            let mut all = Vec::new();
            loop {
                match here.recv().await {
                    Ok(chunk) if !chunk.is_empty() => all.extend_from_slice(&chunk),
                    _ => break,
                }
            }
            drop(here);
            String::from_utf8(all).unwrap()
        };
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            while stream.recv().await.is_ok_and(|chunk| !chunk.is_empty()) {}
        };
        let never = std::future::pending();
        let serving = proxy.serve_until(there, never, Some(&access));
        let (answer, (served, ())) = join(client, join(serving, answering)).await;
        (answer, served)
    });
    (answer, notices.take(), lines.recv().unwrap(), served)
}

#[test]
fn a_client_whose_upload_stalls_is_told_and_so_is_the_log() {
    let (answer, notices, line, served) = stalled("upload");
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    let why = "the request's body: a request body that comes too slowly";
    assert_eq!(notices, [format!("POST /x: 408: {why}")]);
    assert!(line.contains("\"POST /x HTTP/1.1\" 408 "), "{line}");
    assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// A body that fails after a second.
struct Failing(runtime::Sleep);

impl HttpBody for Failing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let failed = std::io::Error::from(ErrorKind::ConnectionReset);
        let slept = Pin::new(&mut self.0).poll(context);
        slept.map(|()| Some(Err(failed)))
    }
}

#[test]
fn only_a_back_end_that_cuts_its_own_answers_is_left_out() {
    let path = SocketPath::new("cutting");
    let listener = path.listen();
    let (proxy, notices) = proxy(Settings {
        mode: Mode::Http,
        ..settings(&path, Check::Off)
    });
    let to = path.to();
    simulated(async {
        let answering = async |closes: bool| {
            let (stream, _) = listener.accept().await.unwrap();
            stream.recv().await.unwrap();
            let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello";
            stream.write_all(cut).await.unwrap();
            while !closes && !stream.recv().await.unwrap().is_empty() {}
        };
        let asking = async |body: Body| {
            let request = Request::builder().method("POST").uri("/");
            let request = request.body(body).unwrap();
            let answer = proxy.respond(Sender::default(), false, request).await;
            assert_eq!(answer.status(), 200);
            answer.into_body().bytes(100).await.unwrap_err().kind()
        };
        for _ in 0..3 {
            let body = Body::new(Failing(runtime::sleep(Duration::from_secs(1))));
            let (kind, ()) = join(asking(body), answering(false)).await;
            assert_eq!(kind, ErrorKind::ConnectionReset);
        }
        assert_eq!(notices.take(), [""; 0]);
        for _ in 0..3 {
            let (kind, ()) = join(asking(Body::empty()), answering(true)).await;
            assert_eq!(kind, ErrorKind::UnexpectedEof);
        }
        let [left_out] = &notices.take()[..] else {
            panic!("one notice")
        };
        let expected = format!("back end {to} fails and is left out for 1s: ");
        assert!(left_out.starts_with(&expected), "{left_out}");
    });
}

/// Takes connections for ever, each until its client has ended.
async fn take_all(listener: Listener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        runtime::spawn_local(async move { while !stream.recv().await.unwrap().is_empty() {} })
            .detach();
    }
}

/// Holds the only place of one of two back ends, and returns how long each of four further connections took.
fn beside_a_full_one(name: &str, balance: Balance) -> Vec<Duration> {
    let paths = ["a", "b"].map(|end| SocketPath::new(&format!("{name}-{end}")));
    let mut settings = settings(&paths[0], Check::Off);
    settings.pools[0].to.push(paths[1].to());
    settings.pools[0].balance = balance;
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, _) = proxy(settings);
    simulated(async {
        for path in &paths {
            runtime::spawn_local(take_all(path.listen())).detach();
        }
        let (holding, held) = Stream::pair().unwrap();
        let serving = {
            let proxy = proxy.clone();
            runtime::spawn_local(async move { proxy.serve(held).await })
        };
        holding.write_all(b"!").await.unwrap();
        // It has its place once time passes.
        runtime::sleep(Duration::from_millis(1)).await;
        let mut times = Vec::new();
        for _ in 0..4 {
            let began = runtime::now();
            let (here, there) = Stream::pair().unwrap();
            here.shutdown_write().unwrap();
            proxy.serve(there).await.unwrap();
            times.push(runtime::now() - began);
        }
        drop(holding);
        serving.await.unwrap().unwrap();
        times
    })
}

#[test]
fn connections_go_where_a_place_is_free() {
    for balance in [Balance::RoundRobin, Balance::Least, Balance::TwoChoices] {
        let times = beside_a_full_one(&balance.to_string(), balance);
        assert!(times.iter().all(|time| time.as_secs() == 0), "{times:?}");
    }
}

#[test]
fn connections_that_have_waited_for_long_enough_go_elsewhere() {
    // All clients of Unix sockets have the same key.
    let times = beside_a_full_one("hash", Balance::Hash(None));
    assert!(times.iter().all(|time| time.as_secs() == 5), "{times:?}");
}

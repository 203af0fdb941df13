//! Checks, ejections and new settings.

use std::time::Duration;

use switchboard_apps::proxy::{Check, Settings};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, join, race};

use super::{SocketPath, settings, simulated};
use crate::proxy;

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

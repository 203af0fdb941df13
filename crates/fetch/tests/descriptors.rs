//! The client when descriptors run out, under every model and driver.
//!
//! The limit is that of a whole process, so each test runs its client in a process of its own: this binary
//! again, with the server's port in the environment.

use std::convert::Infallible;
use std::fs::File;
use std::process::Command;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_fetch::{Client, Error, Limits, Phase};
use switchboard_http::{Request, Response, serve_connection};
use switchboard_net::Listener;
use switchboard_runtime::{self as runtime, Model};

use ways::{models_and_drivers, run};

#[path = "../../runtime/tests/support/ways.rs"]
mod ways;

const PORT: &str = "SWITCHBOARD_TEST_PORT";

/// Runs `client` with the port of a server that listens on every address of this machine and answers with
/// the number of the connection, in a child process that runs only the test `name`.
fn in_child(name: &str, client: impl Fn(u16)) {
    if let Ok(port) = std::env::var(PORT) {
        return client(port.parse().unwrap());
    }
    let listener = Listener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().as_tcp().unwrap().port();
    std::thread::spawn(move || {
        Model::Tasks.run(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let serve = serve_connection(stream, move |request: Request| async move {
                    if let Some(time) = request.uri().path().strip_prefix("/slow/") {
                        let time = Duration::from_millis(time.parse().unwrap());
                        runtime::sleep(time).await;
                    }
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(number.to_string())))
                });
                runtime::spawn_local(serve).detach();
            }
        })
    });
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PORT, port.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Sets the descriptor limit so that this process may open `more`.
fn leave(more: u64) {
    let free = File::open("/dev/null").unwrap();
    // The lowest free number is the number of those in use, if none below it was closed.
    let next = std::os::fd::AsRawFd::as_raw_fd(&free) as u64;
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(next + more);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

/// Opens files until none can be opened.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn get(client: &Client, host: &str, port: u16) -> Result<String, Error> {
    let url = format!("http://{host}:{port}/");
    client.get(&url).await?.text(100).await
}

#[test]
fn idle_connections_are_closed_when_no_descriptor_is_left() {
    in_child(
        "idle_connections_are_closed_when_no_descriptor_is_left",
        |port| {
            leave(20);
            for (model, driver) in models_and_drivers() {
                println!("{model} with {driver}");
                run(model, driver, async {
                    let client = Client::new();
                    for host in 1..=50 {
                        let page = get(&client, &format!("127.0.1.{host}"), port).await;
                        page.unwrap();
                    }
                    // The latest is kept.
                    let latest = get(&client, "127.0.1.51", port).await.unwrap();
                    let again = get(&client, "127.0.1.51", port).await.unwrap();
                    assert_eq!(latest, again);
                    // The look-up of a name needs descriptors too.
                    get(&client, "localhost", port).await.unwrap();
                });
            }
        },
    );
}

#[test]
fn requests_wait_for_the_descriptors_of_others() {
    in_child("requests_wait_for_the_descriptors_of_others", |port| {
        leave(20);
        for (model, driver) in models_and_drivers() {
            println!("{model} with {driver}");
            let client = Client::new();
            let requests = (1..=60).map(|host| {
                let client = client.clone();
                // Some share a host, and so its idle connections.
                async move { get(&client, &format!("127.0.1.{}", host % 50), port).await }
            });
            let pages = run(model, driver, runtime::gather(requests));
            for page in pages {
                page.unwrap();
            }
        }
    });
}

#[test]
fn requests_wait_longer_than_connecting_may_take() {
    in_child("requests_wait_longer_than_connecting_may_take", |port| {
        leave(20);
        let loops = models_and_drivers();
        for (model, driver) in loops.into_iter().filter(|(model, _)| model.has_loop()) {
            println!("{model} with {driver}");
            let fetch = |millis| {
                let slow = Duration::from_millis(millis);
                let limits = Limits {
                    resolve: slow - slow / 6,
                    connect: slow - slow / 6,
                    // Ten times as long as any of the others takes, and shorter than all of them.
                    descriptor: slow * 10,
                    ..Limits::default()
                };
                let client = Client::with(limits, None);
                let requests = (0..200).map(|n| {
                    let url = format!("http://127.0.1.{}:{port}/slow/{millis}", n % 3 + 1);
                    let client = client.clone();
                    async move { client.get(&url).await?.text(100).await }
                });
                let pages = run(model, driver, runtime::gather(requests));
                pages.into_iter().collect::<Result<Vec<_>, _>>()
            };
            // Where the server stands still for longer than that, all is made slower.
            let pages = fetch(120).or_else(|_| fetch(500)).or_else(|_| fetch(2_000));
            pages.unwrap();
        }
    });
}

#[test]
fn requests_of_threads_wait_for_the_descriptors_of_others() {
    in_child(
        "requests_of_threads_wait_for_the_descriptors_of_others",
        |port| {
            leave(30);
            for model in [Model::Blocking, Model::Threads, Model::Pool, Model::Tasks] {
                println!("{model}");
                let client = Client::new();
                std::thread::scope(|scope| {
                    for host in 1..=60 {
                        let client = client.clone();
                        let request =
                            async move { get(&client, &format!("127.0.1.{host}"), port).await };
                        // A loop has descriptors of its own, so that few threads can have one.
                        if !model.has_loop() || host <= 3 {
                            scope.spawn(move || model.run(request).unwrap().unwrap());
                        }
                    }
                });
            }
        },
    );
}

#[test]
fn a_request_without_a_descriptor_waits_for_one_and_then_fails_with_the_limit() {
    in_child(
        "a_request_without_a_descriptor_waits_for_one_and_then_fails_with_the_limit",
        |port| {
            leave(40);
            let limit = getrlimit(Resource::Nofile).current.unwrap();
            for (model, driver) in models_and_drivers() {
                println!("{model} with {driver}");
                let limits = Limits {
                    descriptor: Duration::from_millis(100),
                    ..Limits::default()
                };
                for (host, phase) in [("127.0.1.1", Phase::Connect), ("localhost", Phase::Resolve)]
                {
                    run(model, driver, async {
                        // The thread of a look-up that an earlier request has given up closes its
                        // descriptor at any moment.
                        let mut taken = Vec::new();
                        let error = loop {
                            let client = Client::with(limits, None);
                            taken.push(take_all());
                            match get(&client, host, port).await {
                                Err(error) => break error,
                                Ok(_) => assert!(taken.len() < 5, "a descriptor each time"),
                            }
                        };
                        assert_eq!(error.phase(), phase, "{error}");
                        let text = error.to_string();
                        let limit = format!("may have {limit} (RLIMIT_NOFILE)");
                        for part in ["Too many open files", "within 100ms", &limit, "ulimit -n"] {
                            assert!(text.contains(part), "{part}: {text}");
                        }
                        drop(taken);
                    });
                    run(model, driver, async {
                        let client = Client::new();
                        let taken = take_all();
                        // The request is polled first, and finds no descriptor.
                        let request = get(&client, host, port);
                        let free = async { drop(taken) };
                        let (page, ()) = runtime::join(request, free).await;
                        page.unwrap();
                    });
                }
            }
        },
    );
}

#[test]
fn no_more_connections_are_kept_than_the_client_may_keep() {
    in_child(
        "no_more_connections_are_kept_than_the_client_may_keep",
        |port| {
            for (model, driver) in models_and_drivers() {
                println!("{model} with {driver}");
                run(model, driver, async {
                    let before = open_descriptors();
                    let limits = Limits {
                        idle: 3,
                        ..Limits::default()
                    };
                    let client = Client::with(limits, None);
                    for host in 1..=20 {
                        let page = get(&client, &format!("127.0.1.{host}"), port).await;
                        page.unwrap();
                    }
                    // A completion driver closes a descriptor in a later turn; a blocking flow has a
                    // descriptor that wakes it.
                    let limit = runtime::now() + Duration::from_secs(10);
                    while open_descriptors() > before + 4 {
                        assert!(runtime::now() < limit, "{}", open_descriptors() - before);
                        runtime::yield_now().await;
                    }
                });
            }
        },
    );
}

//! Sites on loopback that are measured, and crawls of them.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod elsewhere;
pub(crate) mod graph;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_crawl::{Crawl, Report, Settings};
use switchboard_http::{Body, Request, Response, serve_connection};
use switchboard_net::Listener;
use switchboard_runtime::{self as runtime, Model};

/// The models that crawl.
pub(crate) const MODELS: [Model; 5] = [
    Model::Blocking,
    Model::Threads,
    Model::Pool,
    Model::Tasks,
    Model::Green,
];

/// What a site answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn html(body: impl Into<String>) -> Answer {
        Answer {
            status: 200,
            fields: vec![("content-type", "text/html".to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn text(body: impl Into<String>) -> Answer {
        Answer {
            status: 200,
            fields: vec![("content-type", "text/plain".to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn status(status: u16) -> Answer {
        Answer {
            status,
            fields: Vec::new(),
            body: String::new(),
        }
    }

    pub(crate) fn moved(to: impl Into<String>) -> Answer {
        Answer::status(302).with("location", to)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.fields.push((name, value.into()));
        self
    }
}

/// What a site has seen of its clients.
#[derive(Default)]
pub(crate) struct Seen {
    requests: Mutex<Vec<(String, Instant)>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Seen {
    /// The most requests that were answered at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// How often each path was asked for.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (path, _) in self.requests.lock().unwrap().iter() {
            *counts.entry(path.clone()).or_default() += 1;
        }
        counts
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The times between one request and the next.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        let requests = self.requests.lock().unwrap();
        requests
            .windows(2)
            .map(|pair| pair[1].1 - pair[0].1)
            .collect()
    }
}

/// A site that runs until its process ends.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) seen: Arc<Seen>,
}

impl Site {
    /// Serves what `answer` says of each path, each after `pause`.
    pub(crate) fn start(
        pause: Duration,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Site {
        Site::start_at("127.0.0.1:0", pause, answer)
    }

    /// As [`Site::start`], at an address.
    pub(crate) fn start_at(
        listen: &'static str,
        pause: Duration,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Site {
        let seen = Arc::<Seen>::default();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (watched, answer) = (seen.clone(), Arc::new(answer));
        thread::spawn(move || {
            let serving = async {
                let listener = Listener::bind(listen).unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (seen, answer) = (watched.clone(), answer.clone());
                    let serve = async move {
                        let handler = |request: Request| {
                            let (seen, answer) = (seen.clone(), answer.clone());
                            let path = request.uri().path_and_query().unwrap().to_string();
                            async move {
                                Ok::<_, Infallible>(respond(&seen, &*answer, path, pause).await)
                            }
                        };
                        // A client that goes away is no fault of the site.
                        let _ = serve_connection(stream, handler).await;
                    };
                    drop(runtime::spawn_local(serve));
                }
            };
            Model::Tasks.run(serving).unwrap();
        });
        let addr = receiver.recv().unwrap().to_string();
        Site {
            url: format!("http://127.0.0.1:{}", addr.rsplit(':').next().unwrap()),
            seen,
        }
    }
}

async fn respond(
    seen: &Seen,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    path: String,
    pause: Duration,
) -> Response<Body> {
    seen.requests
        .lock()
        .unwrap()
        .push((path.clone(), Instant::now()));
    let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most.fetch_max(now, Ordering::SeqCst);
    if !pause.is_zero() {
        runtime::sleep(pause).await;
    }
    let Answer {
        status,
        fields,
        body,
    } = answer(&path);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in fields {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    seen.now.fetch_sub(1, Ordering::SeqCst);
    response
}

/// A folder that is gone at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("crawl-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Settings for a crawl of a site on loopback, which may be asked as fast as it answers.
pub(crate) fn settings(site: &Site, folder: &Folder) -> Settings {
    Settings {
        seeds: vec![format!("{}/", site.url)],
        state: folder.path("state"),
        delay: Duration::ZERO,
        concurrency: 16,
        per_host: 16,
        pause: Duration::from_millis(10),
        ..Settings::default()
    }
}

pub(crate) fn crawl(settings: Settings) -> Report {
    Crawl::open(settings).unwrap().run().unwrap()
}

/// The rows of an output: each path, and its fate. A path that comes twice is an error.
pub(crate) fn rows(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut rows = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["seq"], at + 1, "rows are numbered one by one");
        let address = row["address"].as_str().unwrap();
        let path = format!("/{}", address.splitn(4, '/').nth(3).unwrap());
        let fate = row["fate"].as_str().unwrap().to_owned();
        let before = rows.insert(path.clone(), fate);
        assert_eq!(before, None, "{path} comes twice");
    }
    rows
}

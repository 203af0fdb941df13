//! Who is compared, and by what command line.

use std::path::{Path, PathBuf};

pub(crate) struct Contender {
    pub(crate) name: String,
    /// `URL` and `DIR` stand for the site and an empty folder, `SCRIPTS` and `PEERS` for folders of the bench.
    words: Vec<String>,
}

impl Contender {
    fn new(name: &str, line: &str) -> Contender {
        Contender {
            name: name.to_owned(),
            words: line.split_whitespace().map(str::to_owned).collect(),
        }
    }

    pub(crate) fn command(&self, url: &str, dir: &Path) -> Vec<String> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let fill = |word: &String| {
            word.replace("URL", url)
                .replace("DIR", &dir.display().to_string())
                .replace("SCRIPTS", &bench.join("scripts").display().to_string())
                .replace("PEERS", &bench.join("peers").display().to_string())
                .replace("SWITCHBOARD", &switchboard().display().to_string())
        };
        self.words.iter().map(fill).collect()
    }
}

/// The command of this repository, built by `cargo build --release` in its root.
pub(crate) fn switchboard() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/switchboard")
}

pub(crate) fn all() -> Vec<Contender> {
    let ours = |name: &str, how: &str| {
        let line = format!(
            "SWITCHBOARD crawl URL {how} --concurrency 32 --per-host 32 --delay 0s --no-robots --state DIR/state \
             --out DIR/pages.jsonl"
        );
        Contender::new(name, &line)
    };
    vec![
        ours("tasks/epoll", "--model tasks --driver epoll"),
        ours("tasks/uring", "--model tasks --driver uring"),
        ours("green/epoll", "--model green --driver epoll"),
        ours("threads", "--model threads"),
        Contender::new(
            "wget2",
            "wget2 --quiet --recursive --level=inf --max-threads=32 --no-robots --directory-prefix=DIR URL",
        ),
        Contender::new(
            "spider",
            "PEERS/spider/target/release/crawl-spider URL DIR/pages.txt",
        ),
        Contender::new(
            "scrapy",
            "python3 SCRIPTS/crawl_scrapy.py URL DIR/pages.jsonl",
        ),
        Contender::new(
            "aiohttp",
            "python3 SCRIPTS/crawl_aiohttp.py URL DIR/pages.jsonl",
        ),
    ]
}

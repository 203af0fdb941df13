//! The HTTP servers: one row for each thing that one of them does.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Service::{Files, Hello, Proxy, Tls};
use super::programs::{find, ours, succeeds};
use super::{Contender, Service};

/// Name, service, command line, configuration, which becomes the file `@FOLDER@/configuration`. `Told` has the
/// words with `@`.
type Row = (&'static str, Service, &'static str, &'static str);

macro_rules! peer {
    ($file:literal) => {
        include_str!(concat!("../../peers/", $file))
    };
}

const ROWS: &[Row] = &[
    ("raw-epoll", Hello, "http-raw-epoll 0.0.0.0:0", ""),
    (
        "raw-epoll",
        Files,
        "http-raw-epoll 0.0.0.0:0 @SITE@/files",
        "",
    ),
    ("raw-uring", Hello, "http-raw-uring 0.0.0.0:0", ""),
    (
        "tasks/epoll",
        Hello,
        "http-switchboard 0.0.0.0:0 hello tasks epoll",
        "",
    ),
    (
        "tasks/uring",
        Hello,
        "http-switchboard 0.0.0.0:0 hello tasks uring",
        "",
    ),
    (
        "green/epoll",
        Hello,
        "http-switchboard 0.0.0.0:0 hello green epoll",
        "",
    ),
    (
        "threads",
        Hello,
        "http-switchboard 0.0.0.0:0 hello threads",
        "",
    ),
    (
        "tasks/epoll",
        Files,
        "http-switchboard 0.0.0.0:0 @SITE@/files tasks epoll",
        "",
    ),
    (
        "tasks/uring",
        Files,
        "http-switchboard 0.0.0.0:0 @SITE@/files tasks uring",
        "",
    ),
    (
        "tasks/epoll",
        Tls,
        "http-switchboard 0.0.0.0:0 tls tasks epoll @SITE@/both.pem",
        "",
    ),
    (
        "tasks/uring",
        Tls,
        "http-switchboard 0.0.0.0:0 tls tasks uring @SITE@/both.pem",
        "",
    ),
    (
        "serve/epoll",
        Files,
        "switchboard serve files @SITE@/files --max-requests 0 --listen 0.0.0.0:@PORT@ --driver epoll",
        "",
    ),
    (
        "serve/uring",
        Files,
        "switchboard serve files @SITE@/files --max-requests 0 --listen 0.0.0.0:@PORT@ --driver uring",
        "",
    ),
    (
        "serve/epoll",
        Proxy,
        "switchboard serve proxy --mode http --max-requests 0 --to @TO@ --listen 0.0.0.0:@PORT@ --driver epoll",
        "",
    ),
    (
        "serve/uring",
        Proxy,
        "switchboard serve proxy --mode http --max-requests 0 --to @TO@ --listen 0.0.0.0:@PORT@ --driver uring",
        "",
    ),
    (
        "serve-tcp/epoll",
        Proxy,
        "switchboard serve proxy --mode tcp --to @TO@ --listen 0.0.0.0:@PORT@ --driver epoll",
        "",
    ),
    (
        "serve-tcp/uring",
        Proxy,
        "switchboard serve proxy --mode tcp --to @TO@ --listen 0.0.0.0:@PORT@ --driver uring",
        "",
    ),
    ("hyper", Hello, "http-hyper 0.0.0.0:0 hello", ""),
    ("hyper-untimed", Hello, "http-hyper 0.0.0.0:0 untimed", ""),
    ("hyper", Tls, "http-hyper 0.0.0.0:0 tls @SITE@/both.pem", ""),
    ("axum", Hello, "http-axum 0.0.0.0:0", ""),
    ("axum", Files, "http-axum 0.0.0.0:0 @SITE@/files", ""),
    ("actix-web", Hello, "http-actix 0.0.0.0:0", ""),
    ("nginx", Hello, NGINX, peer!("nginx-hello.conf")),
    ("nginx", Files, NGINX, peer!("nginx-files.conf")),
    ("nginx", Tls, NGINX, peer!("nginx-tls.conf")),
    ("nginx", Proxy, NGINX, peer!("nginx-proxy.conf")),
    ("h2o", Hello, "http-h2o @PORT@", ""),
    ("h2o", Files, H2O, peer!("h2o-files.yaml")),
    ("h2o", Tls, H2O, peer!("h2o-tls.yaml")),
    ("h2o", Proxy, H2O, peer!("h2o-proxy.yaml")),
    ("haproxy", Hello, HAPROXY, peer!("haproxy-hello.cfg")),
    ("haproxy", Tls, HAPROXY, peer!("haproxy-tls.cfg")),
    ("haproxy", Proxy, HAPROXY, peer!("haproxy-proxy.cfg")),
    ("caddy", Hello, CADDY, peer!("caddy-hello.txt")),
    ("caddy", Files, CADDY, peer!("caddy-files.txt")),
    ("caddy", Tls, CADDY, peer!("caddy-tls.txt")),
    ("caddy", Proxy, CADDY, peer!("caddy-proxy.txt")),
    ("go", Hello, "http-go 0.0.0.0:@PORT@ hello", ""),
    ("go", Files, "http-go 0.0.0.0:@PORT@ files @SITE@/files", ""),
    ("go", Tls, "http-go 0.0.0.0:@PORT@ tls @SITE@/both.pem", ""),
    ("go", Proxy, "http-go 0.0.0.0:@PORT@ proxy @TO@", ""),
];

const NGINX: &str = "nginx -p @FOLDER@ -c configuration";
const H2O: &str = "h2o -c @FOLDER@/configuration";
const HAPROXY: &str = "haproxy -f @FOLDER@/configuration";
const CADDY: &str = "caddy run --adapter caddyfile --config @FOLDER@/configuration";

/// Those that do `service`, with the reasons why some can't here.
pub fn http(service: Service) -> Vec<Contender> {
    let mut found = HashMap::new();
    let rows = ROWS.iter().filter(|row| row.1 == service);
    rows.map(|row| contender(row, &mut found)).collect()
}

/// Another build of `http-switchboard`, under every model that is known here.
pub fn http_beside(service: Service, program: &str) -> Vec<Contender> {
    let this = ours("http-switchboard");
    let ours = http(service).into_iter().filter(|one| one.program == this);
    ours.map(|one| Contender {
        name: format!("beside/{}", one.name),
        program: program.into(),
        ..one
    })
    .collect()
}

fn contender(row: &Row, found: &mut HashMap<&str, Result<PathBuf, String>>) -> Contender {
    let &(name, service, line, configuration) = row;
    let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let path = found
        .entry(program)
        .or_insert_with(|| find(program))
        .clone();
    let mut missing = path.as_ref().err().cloned();
    if let (Ok(path), "switchboard") = (&path, program) {
        let words: Vec<&str> = arguments.split(' ').take(2).collect();
        let command = words.join(" ");
        if !succeeds(path, &format!("{command} --help")) {
            missing = Some(format!("{} has no `{command}`", path.display()));
        }
    }
    Contender {
        name: name.to_owned(),
        service,
        program: path.unwrap_or_default(),
        arguments: arguments
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
        configuration,
        missing,
    }
}

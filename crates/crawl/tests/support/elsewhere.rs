//! A server that is several hosts, since all addresses of the loopback network are this machine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Answer, Site};

/// The same server under another address, which is another host.
pub(crate) fn at(site: &Site, host: &str, path: &str) -> String {
    let port = site.url.rsplit(':').next().unwrap();
    format!("http://{host}:{port}{path}")
}

/// Serves pages at any address of the loopback network. `PORT` in an answer stands for the server's port.
pub(crate) fn start(page: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Site {
    let port = Arc::new(OnceLock::<String>::new());
    let its = port.clone();
    let site = Site::start_at("0.0.0.0:0", Duration::ZERO, move |path| {
        let mut answer = page(path);
        let port = its.get().unwrap();
        answer.body = answer.body.replace("PORT", port);
        for (_, value) in &mut answer.fields {
            *value = value.replace("PORT", port);
        }
        answer
    });
    let number = site.url.rsplit(':').next().unwrap();
    port.set(number.to_owned()).unwrap();
    site
}

/// The paths of a site of which `/b` leads to a third host, once links to there are known from `/a`.
pub(crate) const LATE: [&str; 5] = ["/a", "/b", "/child", "/more", "/www"];

/// Serves the site of [`LATE`], and returns its seeds.
pub(crate) fn late() -> (Site, [String; 2]) {
    let is_known = AtomicBool::new(false);
    let site = start(move |path| match path {
        "/a" => Answer::html(
            "<a href=http://127.0.0.4:PORT/www></a><a href=http://127.0.0.4:PORT/more></a><a href=/child></a>",
        ),
        "/child" => {
            // The crawler asks for this page only after it has recorded all links of `/a`.
            is_known.store(true, Ordering::SeqCst);
            Answer::html("a page")
        }
        "/b" if is_known.load(Ordering::SeqCst) => Answer::moved("http://127.0.0.4:PORT/www"),
        "/b" => Answer::status(502),
        "/www" => Answer::html("<a href=/more></a>"),
        "/more" => Answer::html("a page"),
        _ => Answer::status(404),
    });
    let seeds = [at(&site, "127.0.0.1", "/a"), at(&site, "127.0.0.3", "/b")];
    (site, seeds)
}

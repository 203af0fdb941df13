//! A server that is several hosts, since all addresses of the loopback network are this machine.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Answer, Site};

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

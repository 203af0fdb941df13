//! Active checks: whether back ends answer, asked again and again.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use switchboard_net::DescriptorLimit;
use switchboard_runtime as runtime;
use switchboard_tls::TlsClient;

use super::backend::Backend;
use super::balance::mix;
use super::pool::Pool;

/// How much of an interval is left to chance, so that the checks of many proxies do not meet.
const JITTER: f64 = 0.1;

/// How a pool finds out whether its back ends are up.
///
/// ```
/// use switchboard_apps::proxy::Check;
///
/// assert_eq!("http:/health".parse(), Ok(Check::Http("/health".to_owned())));
/// assert!("ping".parse::<Check>().unwrap_err().contains("http:/PATH"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Only by what happens to connections and requests.
    Off,
    /// By connecting.
    #[default]
    Tcp,
    /// By a GET request for this path, by TLS where requests go by TLS, which must be answered with a status from
    /// 200 to 399.
    Http(String),
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Check, String> {
        let is_path =
            |path: &str| path.starts_with('/') && path.bytes().all(|it| it.is_ascii_graphic());
        match text {
            "off" => Ok(Check::Off),
            "tcp" => Ok(Check::Tcp),
            _ => match text.strip_prefix("http:").filter(|path| is_path(path)) {
                Some(path) => Ok(Check::Http(path.to_owned())),
                None => Err(format!(
                    "unknown check `{text}`: use tcp, http:/PATH or off"
                )),
            },
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Off => f.write_str("off"),
            Check::Tcp => f.write_str("tcp"),
            Check::Http(path) => write!(f, "http:{path}"),
        }
    }
}

/// Checks all back ends of a pool for ever, at once and each at its own interval. `tls` is there if one of them
/// has TLS.
pub(crate) async fn watch(pool: Arc<Pool>, tls: Option<&TlsClient>) {
    if pool.settings().check == Check::Off {
        // Nobody else would find a back end up that earlier checks have found down.
        for backend in pool.backends() {
            backend.health.forget_checks();
        }
        return std::future::pending().await;
    }
    let all = pool
        .backends()
        .iter()
        .map(|backend| watch_one(&pool, backend, tls));
    runtime::gather(all).await;
}

async fn watch_one(pool: &Pool, backend: &Arc<Backend>, tls: Option<&TlsClient>) {
    let settings = pool.settings();
    let mut rng = Rng::with_seed(mix(settings.seed ^ backend.hash()));
    loop {
        let error = check(pool, backend, tls).await.err();
        // A check for which this process has no descriptor says nothing of the back end.
        if error.as_ref().and_then(DescriptorLimit::of).is_none()
            && let Some(change) = backend.health.checked(error.is_none(), &settings.rules)
        {
            pool.report(backend, change, error.as_ref());
        }
        runtime::sleep(jittered(settings.check_interval, &mut rng)).await;
    }
}

fn jittered(interval: Duration, rng: &mut Rng) -> Duration {
    interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * rng.f64())
}

/// Checks a back end once.
async fn check(pool: &Pool, backend: &Arc<Backend>, tls: Option<&TlsClient>) -> io::Result<()> {
    let limit = pool.settings().check_timeout;
    let began = runtime::now();
    // It has its own limit, so that the back end hears of an address that keeps silent.
    let stream = pool.dial(backend, limit).await?;
    let Check::Http(path) = &pool.settings().check else {
        return Ok(());
    };
    let asked = async {
        let authority = backend.to().authority();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: switchboard\r\nConnection: close\r\n\r\n"
        );
        let mut line = [0; 12];
        match tls.filter(|_| backend.to().has_tls()) {
            Some(tls) => {
                let mut stream = tls.connect(&backend.to().host(), stream).await?;
                stream.write_all(request.as_bytes()).await?;
                stream.read_exact(&mut line).await?;
            }
            None => {
                stream.write_all(request.as_bytes()).await?;
                stream.read_exact(&mut line).await?;
            }
        }
        judge(path, &line)
    };
    let left = limit.saturating_sub(runtime::now() - began);
    match runtime::timeout(left, asked).await {
        Ok(result) => result,
        Err(_) => {
            let text = format!("no answer to a check within {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
    }
}

/// Looks at the beginning of the answer to a check of `path`.
fn judge(path: &str, line: &[u8; 12]) -> io::Result<()> {
    match line {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            _,
            b' ',
            b'2' | b'3',
            b'0'..=b'9',
            b'0'..=b'9',
        ] => Ok(()),
        _ => {
            let line = line.escape_ascii();
            let text = format!("a check of {path} was answered with `{line}`");
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
    }
}

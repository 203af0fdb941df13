//! The client: a request over an idle or a new connection, retries and redirects.

mod builder;
mod exchange;
mod open;
mod redirect;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use switchboard_runtime as runtime;

use crate::cookies::Jar;
use crate::error::{Error, Phase};
use crate::limits::{Limits, Total};
use crate::pool::Pool;
use crate::proxy::Proxies;
use crate::rate::Rate;
use crate::request::Request;
use crate::response::ClientResponse;
use crate::retry::Retries;
use crate::target::Target;

pub use self::builder::ClientBuilder;
use self::open::Tls;

/// An HTTP client that keeps idle connections. Clones share them; flows of any model may use one.
///
/// It speaks HTTP/1.1, and HTTP/2 with servers that choose it in the TLS handshake (ALPN). A connection of either
/// serves one request at a time, and is polled by the flow that waits for the response: nothing is spawned.
///
/// When no descriptor is left, the client closes idle connections, the oldest first. If none is idle, a
/// request waits until another one's connection ends or becomes idle, in the flow's own way; it fails if none does for
/// [`Limits::descriptor`].
///
/// The crate's page has an example.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    limits: Limits,
    roots: Option<Vec<u8>>,
    proxies: Proxies,
    retries: Retries,
    cookies: Option<Mutex<Jar>>,
    rate: Option<Arc<Rate>>,
    http2: bool,
    user_agent: HeaderValue,
    /// Made for the first https request: parsing the roots takes time.
    tls: Mutex<Option<Tls>>,
    pool: Arc<Pool>,
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Client {
    /// Creates a client with the default limits that trusts Mozilla's root certificates.
    pub fn new() -> Client {
        Client::builder().build()
    }

    /// Creates a client with other limits, which also trusts the certificates in `extra_roots`, a PEM
    /// text. A wrong PEM text is an error of the first https request, in [`Phase::Tls`].
    pub fn with(limits: Limits, extra_roots: Option<Vec<u8>>) -> Client {
        let builder = Client::builder().limits(limits);
        match extra_roots {
            Some(pem) => builder.roots(pem).build(),
            None => builder.build(),
        }
    }

    /// Begins the settings of a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Fetches a page: follows redirects and returns when the response's head has come. Waits in the
    /// flow's own way. The response's methods read the body. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    /// The phase that failed, and its cause. A status such as 404 is no error.
    pub async fn get(&self, url: &str) -> Result<ClientResponse, Error> {
        self.send(Request::get(url)).await
    }

    /// Sends a request: follows redirects, retries by the client's policy, and returns when the response's head has
    /// come. Waits in the flow's own way. Dropping the future closes the connection.
    ///
    /// Redirects follow the fetch standard: 301 and 302 make a GET of a POST, 303 of all but HEAD, 307 and 308 keep the
    /// method and the body; another origin gets none of the fields `Authorization`, `Cookie` and `Host` of the request;
    /// a fragment stays if the new URL has none. Bytes of a `Location` that are not ASCII are percent-encoded one by one.
    ///
    /// A request over a connection that was idle is sent once more over a new one if the server has closed it meanwhile,
    /// provided that nothing was sent or that sending it twice does no harm.
    ///
    /// # Errors
    /// Those of [`get`](Client::get).
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use switchboard_fetch::{Client, Method, Request, StatusCode};
    /// use switchboard_runtime::Model;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let url = format!("http://{}/", listener.local_addr()?);
    /// let server = std::thread::spawn(move || {
    ///     let (mut stream, _) = listener.accept()?;
    ///     stream.write_all(b"HTTP/1.1 303 See Other\r\nLocation: /done\r\nContent-Length: 0\r\n\r\n")?;
    ///     let mut request = [0; 4096];
    ///     let length = stream.read(&mut request)?;
    ///     Ok::<_, std::io::Error>(String::from_utf8_lossy(&request[..length]).into_owned())
    /// });
    /// let request = Request::new(Method::POST, url).body("a=b").redirects(0);
    /// let response = Model::Threads.run(Client::new().send(request))?.unwrap();
    /// assert_eq!(response.status(), StatusCode::SEE_OTHER);
    /// assert!(server.join().unwrap()?.starts_with("POST / HTTP/1.1\r\n"));
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn send(&self, request: Request) -> Result<ClientResponse, Error> {
        let total = Total::begin(self.0.limits.total);
        let mut target = Target::parse(&request.url)?;
        let mut request = request;
        let most = request.redirects.unwrap_or(self.0.limits.redirects);
        let mut followed = 0;
        loop {
            let response = self.send_again(&request, &target, total).await?;
            if request.redirects == Some(0) {
                return Ok(response);
            }
            let (status, headers) = (response.status(), response.headers());
            let Some(next) = redirect::follow(&mut request, &target, status, headers)? else {
                return Ok(response);
            };
            if followed == most {
                let text = format!("more than {most} redirects");
                return Err(Error::new(Phase::FirstByte, text));
            }
            followed += 1;
            discard(response).await;
            target = next;
        }
    }

    /// Sends a request to one target, and again as the policy says.
    async fn send_again(
        &self,
        request: &Request,
        target: &Target,
        total: Total,
    ) -> Result<ClientResponse, Error> {
        let mut tried = 0;
        loop {
            let result = self.send_once(request, target, total).await;
            if let (Some(jar), Ok(response)) = (&self.0.cookies, &result) {
                let mut jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
                jar.receive(&target.url, response.headers());
            }
            let pause = self.0.retries.pause(tried, request, &result);
            let Some(pause) = pause.filter(|pause| total.allows(*pause)) else {
                return result;
            };
            if let Ok(response) = result {
                discard(response).await;
            }
            runtime::sleep(pause).await;
            tried += 1;
        }
    }
}

/// Reads a body that nobody wants to its end, which lets the connection serve again. A long or slow one costs more than
/// a new connection.
async fn discard(response: ClientResponse) {
    let body = response.content(64 * 1024);
    let _ = runtime::timeout(Duration::from_secs(1), body).await;
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.0.limits)
    }
}

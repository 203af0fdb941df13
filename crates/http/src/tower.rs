//! Services of `tower` as handlers: an `axum` router, or any service with its layers.

use std::error::Error as StdError;
use std::future::{pending, poll_fn};
use std::io;

use http::Response;
use hyper::body::Body;
use switchboard_net::Stream;
use tower_service::Service;

use crate::{Request, serve_connection_until};

/// Serves HTTP/1.1 on a connection as [`serve_connection`](crate::serve_connection) does, with a clone of
/// `service` for each request, which is called once it is ready.
///
/// # Errors
/// Those of [`serve_connection`](crate::serve_connection); the service's error ends the connection.
///
/// ```no_run
/// # use std::convert::Infallible;
/// # use std::future::{Ready, ready};
/// # use std::task::{Context, Poll};
/// use http_body_util::Full;
/// use hyper::body::Bytes;
/// use switchboard_http::{Request, Response, serve_service};
/// use switchboard_server::{Model, Server};
///
/// #[derive(Clone)]
/// struct Hello;
///
/// impl tower_service::Service<Request> for Hello {
///     type Response = Response<Full<Bytes>>;
///     type Error = Infallible;
///     type Future = Ready<Result<Self::Response, Infallible>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, _: Request) -> Self::Future {
///         ready(Ok(Response::new(Full::from("hello"))))
///     }
/// }
///
/// let server = Server::new().model(Model::Green).bind("127.0.0.1:8080")?;
/// server.serve(|stream| serve_service(stream, Hello))?;
/// # std::io::Result::Ok(())
/// ```
pub async fn serve_service<S, B>(stream: Stream, service: S) -> io::Result<()>
where
    S: Service<Request, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    serve_service_until(stream, service, pending()).await
}

/// Serves as [`serve_service`] does, until `stop` completes, as
/// [`serve_connection_until`](crate::serve_connection_until) does.
///
/// # Errors
/// Those of [`serve_service`].
pub async fn serve_service_until<S, B>(
    stream: Stream,
    service: S,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Service<Request, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let handler = |request| {
        let mut service = service.clone();
        async move {
            poll_fn(|context| service.poll_ready(context)).await?;
            service.call(request).await
        }
    };
    serve_connection_until(stream, handler, stop).await
}

//! HTTP by axum on one thread of tokio; the second argument names a folder to serve by tower-http.

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use tower_http::services::ServeDir;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    let router = match std::env::args().nth(2) {
        None => Router::new().route("/hello", get(|| async { "Hello, world!" })),
        Some(folder) => Router::new().fallback_service(ServeDir::new(folder)),
    };
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // Without it, the last piece of an answer may wait.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await
    })
}

use std::io::Write;
use std::os::unix::net::UnixStream;

use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};

use super::*;
use crate::body::Body;
use crate::server::ServerLimits;

/// A client asks for `path` many times and reads nothing.
async fn stall(path: &str) {
    let (mut client, server) = UnixStream::pair().unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    client.write_all(request.repeat(500).as_bytes()).unwrap();
    let server = Stream::from(server);
    let chunk = server.recv().await.unwrap();
    let (buffer, limits) = (chunk.as_ptr(), ServerLimits::shared());
    let mut wire = Wire::new(server, limits);
    let handler = |request: Request| async move {
        let body = match request.uri().path() {
            "/small" => Body::from(vec![0; 4_000]),
            "/streamed" => Body::new(http_body_util::Full::new(Bytes::from(vec![0; 8 << 20]))),
            _ => {
                // A large file that is there.
                let file = std::fs::File::open(std::env::current_exe()?)?;
                let length = file.metadata()?.len();
                Body::file(file, 0..length)
            }
        };
        io::Result::Ok(Response::new(body))
    };
    let stopping = AtomicBool::new(false);
    let mut burst = pin!(serve_burst(&mut wire, &handler, &stopping, chunk));
    poll_fn(|context| {
        assert!(burst.as_mut().poll(context).is_pending());
        // The pool of the thread gives the buffer that came last.
        assert_eq!(Chunk::empty().as_ptr(), buffer, "{path}");
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_client_that_does_not_read_holds_no_chunk() {
    for path in ["/small", "/streamed", "/file"] {
        Model::Tasks.run_with(Driver::Poll, stall(path)).unwrap();
    }
}

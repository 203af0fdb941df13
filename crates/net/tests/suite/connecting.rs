//! Connecting to names, addresses and paths.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use switchboard_net::{Addr, Listener, PlainStream, Stream, resolve};
use switchboard_runtime::{self as runtime, Driver};

use crate::Way;

crate::stamp!(
    a_connection_is_made_to_everything_that_is_an_address
    a_look_up_does_not_wait_behind_jobs
    a_full_queue_of_a_unix_listener_is_waited_for
);

fn a_connection_is_made_to_everything_that_is_an_address(way: Way) {
    let dir = std::env::temp_dir();
    let path = dir.join(format!(
        "switchboard-connecting-{way:?}-{}",
        std::process::id()
    ));
    let unix = Listener::bind_unix(&path).unwrap();
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().as_tcp().unwrap();
    let port = addr.port();
    way.run(async {
        let peers: [Stream; 9] = [
            Stream::connect(&format!("127.0.0.1:{port}")).await.unwrap(),
            Stream::connect(format!("127.0.0.1:{port}")).await.unwrap(),
            Stream::connect(("127.0.0.1", port)).await.unwrap(),
            Stream::connect(("127.0.0.1".to_owned(), port))
                .await
                .unwrap(),
            Stream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap(),
            Stream::connect(addr).await.unwrap(),
            Stream::connect([addr]).await.unwrap(),
            Stream::connect(&[addr][..]).await.unwrap(),
            Stream::connect(Addr::Tcp(addr)).await.unwrap(),
        ];
        for peer in peers {
            assert_eq!(peer.peer_addr().unwrap().as_tcp(), Some(addr));
        }
        let there = Stream::connect(unix.local_addr().unwrap()).await.unwrap();
        assert_eq!(there.peer_addr().unwrap(), Addr::Unix(Some(path.clone())));
        let none = Stream::connect(Vec::<SocketAddr>::new()).await.unwrap_err();
        assert_eq!(none.kind(), std::io::ErrorKind::InvalidInput);
    });
    std::fs::remove_file(path).unwrap();
    // Plain code, outside of any flow.
    PlainStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
}

fn a_look_up_does_not_wait_behind_jobs(way: Way) {
    // One at a time, since each takes the whole pool.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (end, ended) = mpsc::channel::<()>();
    let ended = std::sync::Arc::new(Mutex::new(ended));
    way.run(async {
        let jobs: Vec<_> = (0..70)
            .map(|_| {
                let ended = ended.clone();
                runtime::run_blocking(move || ended.lock().unwrap().recv().is_err())
            })
            .collect();
        assert!(!resolve("localhost", 80).await.unwrap().is_empty());
        drop(end);
        for job in jobs {
            assert!(job.await.unwrap());
        }
    });
}

fn a_full_queue_of_a_unix_listener_is_waited_for(way: Way) {
    if way.1 == Driver::Sim {
        println!("skip: wait for a full queue under sim: never: its time leaps");
        return;
    }
    let dir = std::env::temp_dir();
    let path = dir.join(format!("switchboard-full-{way:?}-{}", std::process::id()));
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    socket.listen(0).unwrap();
    let queued = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let acceptor = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        [socket.accept().unwrap(), socket.accept().unwrap()]
    });
    way.run(async {
        let connect = Stream::connect_unix(&path);
        let stream = runtime::timeout(Duration::from_secs(60), connect).await;
        stream.unwrap().unwrap().write_all(b"hello").await.unwrap();
    });
    drop((queued, acceptor.join().unwrap()));
    std::fs::remove_file(path).unwrap();
}

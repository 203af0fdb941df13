//! Level mode: reported for as long as it is ready.

use std::time::Duration;

use switchboard_driver::{Driver, Interest, Ready, Token};

use crate::kit::{A, Bench, drain, send, tcp, unix};

pub(crate) fn reported_while_ready_and_no_longer(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (here, there) = unix();
    bench.register(&here, A, Interest::READ);
    bench.quiet();

    send(&there);
    for _ in 0..3 {
        let ready = bench.find(A, Ready::is_readable);
        assert!(ready.contains(Ready::READ) && !ready.is_writable());
    }
    assert_eq!(drain(&here), 4);
    bench.quiet();

    send(&there);
    bench.find(A, Ready::is_readable);
}

pub(crate) fn pipe_and_unix_beside_tcp(driver: Driver) {
    let mut bench = Bench::new(driver);
    let (out, into) = rustix::pipe::pipe().expect("a pipe");
    let (here, there) = unix();
    let (client, server) = tcp();
    bench.register(&out, Token(10), Interest::READ);
    bench.register(&into, Token(11), Interest::WRITE);
    bench.register(&here, Token(12), Interest::READ);
    bench.register(&client, Token(13), Interest::READ);

    bench.find(Token(11), Ready::is_writable);
    bench.deregister(&into);
    bench.quiet();

    rustix::io::write(&into, b"ring").expect("room");
    send(&there);
    send(&server);
    for token in [10, 12, 13] {
        bench.find(Token(token), Ready::is_readable);
    }

    // The writer of a pipe hangs up: there is an end to read.
    bench.deregister(&here);
    bench.deregister(&client);
    rustix::io::read(&out, &mut [0; 8]).expect("the bytes");
    bench.quiet();
    drop(into);
    bench.find(Token(10), Ready::is_readable);
    assert_eq!(rustix::io::read(&out, &mut [0; 8]), Ok(0));
    assert_eq!(bench.wait(Duration::from_secs(1)).len(), 1);
}

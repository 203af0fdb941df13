//! Level mode: a descriptor is reported for as long as it is ready.

use std::time::Duration;

use switchboard_driver::{Driver, Interest, Ready, Token};

use crate::support::{A, Fixture, drain, send, tcp, unix};

pub(crate) fn a_descriptor_is_reported_for_as_long_as_it_is_ready(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (here, there) = unix();
    fixture.register(&here, A, Interest::READ);
    fixture.assert_quiet();

    send(&there);
    for _ in 0..3 {
        let ready = fixture.wait_for(A, Ready::is_readable);
        assert!(ready.contains(Ready::READ) && !ready.is_writable());
    }
    assert_eq!(drain(&here), 4);
    fixture.assert_quiet();

    send(&there);
    fixture.wait_for(A, Ready::is_readable);
}

pub(crate) fn pipes_and_unix_sockets_are_reported_like_tcp(driver: Driver) {
    let mut fixture = Fixture::new(driver);
    let (out, into) = rustix::pipe::pipe().expect("the pipe opens");
    let (here, there) = unix();
    let (client, server) = tcp();
    fixture.register(&out, Token(10), Interest::READ);
    fixture.register(&into, Token(11), Interest::WRITE);
    fixture.register(&here, Token(12), Interest::READ);
    fixture.register(&client, Token(13), Interest::READ);

    fixture.wait_for(Token(11), Ready::is_writable);
    fixture.deregister(&into);
    fixture.assert_quiet();

    rustix::io::write(&into, b"ring").expect("the write succeeds");
    send(&there);
    send(&server);
    for token in [10, 12, 13] {
        fixture.wait_for(Token(token), Ready::is_readable);
    }

    // When the writer of a pipe closes it, the end of input can be read.
    fixture.deregister(&here);
    fixture.deregister(&client);
    rustix::io::read(&out, &mut [0; 8]).expect("the read succeeds");
    fixture.assert_quiet();
    drop(into);
    fixture.wait_for(Token(10), Ready::is_readable);
    assert_eq!(rustix::io::read(&out, &mut [0; 8]), Ok(0));
    assert_eq!(fixture.wait(Duration::from_secs(1)).len(), 1);
}

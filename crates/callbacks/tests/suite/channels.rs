//! Channels as a set: runs, waits, panics and drops.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{Channel, Channels, Dispatcher};
use switchboard_net::{Addr, Stream};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{CloseOnRead, Echo, pair, rest, until_empty};

crate::stamp!(
    a_run_ends_when_no_channel_is_left
    a_panic_closes_only_its_channel
    a_closed_channel_drops_its_dispatcher
    interest_is_updated_in_a_second_run
    two_flows_may_wait_until_empty
    channels_that_never_ran_close_their_sockets
);

fn a_run_ends_when_no_channel_is_left(driver: Driver) {
    let channels = Channels::new();
    channels.run_until_empty(driver).unwrap();
    let (stream, mut peer) = pair();
    channels.add(stream, Echo::default());
    assert_eq!(channels.len(), 1);
    let peer = std::thread::spawn(move || {
        peer.write_all(&[3; 5000]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        rest(peer)
    });
    channels.run_until_empty(driver).unwrap();
    assert!(channels.is_empty());
    assert_eq!(peer.join().unwrap(), [3; 5000]);
}

struct PanicOnRead;

impl Dispatcher for PanicOnRead {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 1])?;
        panic!("on purpose");
    }
}

fn a_panic_closes_only_its_channel(driver: Driver) {
    let ((bad, mut bad_peer), (good, mut good_peer)) = (pair(), pair());
    let channels = Channels::new();
    channels.add(bad, PanicOnRead);
    channels.add(good, Echo::default());
    let peers = std::thread::spawn(move || {
        bad_peer.write_all(b"x").unwrap();
        assert_eq!(rest(bad_peer), b"");
        good_peer.write_all(b"y").unwrap();
        good_peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(good_peer), b"y");
    });
    channels.run_until_empty(driver).unwrap();
    peers.join().unwrap();
}

/// Holds its own channel, a cycle of references.
#[derive(Default)]
struct HoldItself {
    own: Option<Channel>,
    held: Rc<()>,
}

impl Dispatcher for HoldItself {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        self.own = Some(channel.clone());
        channel.recv(&mut [0; 10]).map(drop)
    }
}

fn a_closed_channel_drops_its_dispatcher(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let held = Rc::new(());
    let channels = Channels::new();
    channels.add(
        stream,
        HoldItself {
            own: None,
            held: held.clone(),
        },
    );
    peer.shutdown(Shutdown::Write).unwrap();
    channels.run_until_empty(driver).unwrap();
    assert_eq!(Rc::strong_count(&held), 1);
    let _ = HoldItself::default().held;
}

/// Sets the flag that [`WriteWhenSet`] waits for.
struct SetFlag(Rc<Cell<bool>>);

impl Dispatcher for SetFlag {
    fn handle_read(&mut self, channel: &Channel) -> io::Result<()> {
        channel.recv(&mut [0; 10])?;
        self.0.set(true);
        Ok(())
    }
}

struct WriteWhenSet(Rc<Cell<bool>>);

impl Dispatcher for WriteWhenSet {
    fn writable(&self) -> bool {
        self.0.get()
    }
    fn handle_write(&mut self, channel: &Channel) -> io::Result<()> {
        channel.channels().close_all();
        Ok(())
    }
}

fn interest_is_updated_in_a_second_run(driver: Driver) {
    let channels = Channels::new();
    for _ in 0..2 {
        let ((first, mut peer), (one, mut speaks), (two, _other)) = (pair(), pair(), pair());
        channels.add(first, CloseOnRead);
        peer.write_all(b"x").unwrap();
        until_empty(driver, &channels);

        let flag = Rc::new(Cell::new(false));
        channels.add(two, WriteWhenSet(flag.clone()));
        channels.add(one, SetFlag(flag));
        speaks.write_all(b"x").unwrap();
        until_empty(driver, &channels);
    }
}

fn two_flows_may_wait_until_empty(driver: Driver) {
    let (stream, mut peer) = pair();
    let channels = Channels::new();
    let own = channels.clone();
    let waiting = async {
        channels.add(stream, CloseOnRead);
        let other = runtime::spawn_local(async move { own.until_empty().await });
        runtime::yield_now().await;
        peer.write_all(b"x").unwrap();
        channels.until_empty().await;
        other.await.unwrap();
    };
    let limit = runtime::timeout(Duration::from_secs(600), waiting);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
}

struct Accept;

impl Dispatcher for Accept {
    fn handle_accepted(&mut self, _: &Channel, _: Stream, _: Addr) -> io::Result<()> {
        Ok(())
    }
}

fn channels_that_never_ran_close_their_sockets(driver: Driver) {
    let (stream, peer) = pair();
    let channels = Channels::new();
    channels.add(stream, Accept);
    drop(channels);
    assert_eq!(rest(peer), b"");
    // The same holds if the wait is dropped after its first poll.
    let (stream, mut peer) = pair();
    let channels = Channels::new();
    channels.add(stream, CloseOnRead);
    let begun = Model::Callbacks.run_with(driver, async {
        let mut wait = pin!(channels.until_empty());
        poll_fn(|context| std::task::Poll::Ready(wait.as_mut().poll(context).is_pending())).await
    });
    assert!(begun.unwrap());
    drop(channels);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}

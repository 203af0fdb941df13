//! One connection or listener, used by several flows.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_net::{Listener, PlainStream, Stream};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{Way, pair};

crate::stamp!(
    each_line_of_two_writers_arrives_once
    a_writer_gets_its_turn_beside_a_busy_one
    a_dropped_write_has_sent_what_it_returned
    a_blocking_flow_in_a_task_sends_earlier_writes_first
    plain_calls_work_in_a_blocking_flow_within_a_task
    a_write_begun_in_a_task_completes_in_a_blocking_flow
    two_loops_that_claim_a_stream_at_once_lose_nothing
    connections_not_accepted_stay_in_the_queue
);

/// Each connection has a flow that writes to it, and one more flow writes to all of them.
fn each_line_of_two_writers_arrives_once(way: Way) {
    if way.0 == Model::Blocking {
        return; // The model runs one flow at a time.
    }
    const LINES: usize = 40;
    let (streams, peers): (Vec<_>, Vec<_>) = (0..10).map(|_| pair()).unzip();
    let readers = peers.into_iter().map(|peer| {
        let read = move || BufReader::new(peer).lines().map(Result::unwrap).collect();
        std::thread::spawn(read)
    });
    let readers: Vec<std::thread::JoinHandle<Vec<String>>> = readers.collect();
    way.run(async move {
        let write = async |stream: &Stream, who: &str, n: usize| {
            let line = format!("{who} {n}\n");
            assert_eq!(stream.write(line.as_bytes()).await.unwrap(), line.len());
        };
        let own = streams.iter().cloned().map(|stream| {
            runtime::spawn(async move {
                for n in 0..LINES {
                    write(&stream, "own", n).await;
                }
            })
        });
        let own: Vec<_> = own.collect();
        let all = runtime::spawn(async move {
            for n in 0..LINES {
                for stream in &streams {
                    write(stream, "all", n).await;
                }
            }
        });
        all.await.unwrap();
        for own in own {
            own.await.unwrap();
        }
    });
    let lines = |who| (0..LINES).map(move |n| format!("{who} {n}"));
    let expected: BTreeSet<String> = lines("own").chain(lines("all")).collect();
    for reader in readers {
        let got = reader.join().unwrap();
        assert_eq!(got.len(), expected.len(), "{got:?}");
        assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

fn a_writer_gets_its_turn_beside_a_busy_one(way: Way) {
    if way.0 == Model::Blocking {
        return; // The model runs one flow at a time.
    }
    let (stream, mut peer) = pair();
    let sink = std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    way.run(async move {
        let (done, is_done) = runtime::channel::<()>(1);
        let other = stream.clone();
        let busy = runtime::spawn(async move {
            while is_done.try_recv().is_err() {
                other.write_all(&[b'a'; 100]).await.unwrap();
                runtime::yield_now().await;
            }
        });
        for _ in 0..100 {
            stream.write_all(b"b").await.unwrap();
        }
        done.send(()).await.unwrap();
        busy.await.unwrap();
    });
    sink.join().unwrap().unwrap();
}

fn a_dropped_write_has_sent_what_it_returned(way: Way) {
    let (stream, mut peer) = pair();
    let sent = way.run(async move {
        let mut sent = Vec::new();
        for n in 0..20_u8 {
            let bytes = [b'a' + n; 5];
            match poll_once(stream.write(&bytes)).await {
                Some(wrote) => sent.extend(&bytes[..wrote.unwrap()]),
                None if n % 2 == 0 => runtime::yield_now().await,
                None => {}
            }
            stream.write_all(b",").await.unwrap();
            sent.push(b',');
        }
        sent
    });
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(String::from_utf8(got), String::from_utf8(sent));
}

/// A flow holds the thread until the answer to a request that another flow wrote before.
fn a_blocking_flow_in_a_task_sends_earlier_writes_first(way: Way) {
    if !way.0.has_loop() {
        return; // Its flows do not share a thread.
    }
    let ((ask, mut asked), (answer, mut answers)) = (pair(), pair());
    let peer = std::thread::spawn(move || {
        asked.read_exact(&mut [0; 2]).unwrap();
        answers.write_all(b"answer").unwrap();
    });
    let length = way.run(async move {
        let asks = runtime::spawn(async move {
            ask.write_all(b"a").await.unwrap();
            ask.write_all(b"?").await.unwrap();
        });
        let holds = runtime::spawn(async move {
            let read = async { answer.recv().await.unwrap().len() };
            Model::Blocking.run(read).unwrap()
        });
        asks.await.unwrap();
        holds.await.unwrap()
    });
    assert_eq!(length, 6);
    peer.join().unwrap();
}

fn plain_calls_work_in_a_blocking_flow_within_a_task(way: Way) {
    let (stream, mut peer) = pair();
    let peer = std::thread::spawn(move || {
        let mut line = [0; 4];
        peer.read_exact(&mut line).unwrap();
        peer.write_all(&line).unwrap();
    });
    way.run(async move {
        let plain = async {
            let mut stream = PlainStream::from(stream);
            stream.write_all(b"ping").unwrap();
            let mut line = [0; 4];
            stream.read_exact(&mut line).unwrap();
            line
        };
        let line = Model::Blocking.run(plain).unwrap();
        assert_eq!(&line, b"ping");
        // After the blocking flow, this one waits as its model does again.
        runtime::sleep(Duration::from_millis(1)).await;
    });
    peer.join().unwrap();
}

fn a_write_begun_in_a_task_completes_in_a_blocking_flow(way: Way) {
    if !way.0.has_loop() {
        return; // A write completes at its first poll.
    }
    let (stream, mut peer) = pair();
    way.run(async move {
        stream.write_all(b"<").await.unwrap();
        let (mut one, mut two) = (pin!(stream.write_all(b"1")), pin!(stream.write_all(b"2")));
        let polled = |context: &mut Context<'_>| {
            assert!(one.as_mut().poll(context).is_ready(), "it is alone");
            Poll::Ready(two.as_mut().poll(context).is_ready())
        };
        let done = poll_fn(polled).await;
        let rest = async {
            if !done {
                two.await?;
            }
            stream.write_all(b">").await
        };
        Model::Blocking.run(rest).unwrap().unwrap();
    });
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"<12>");
}

/// Both loops claim a stream without an owner at the same time.
fn two_loops_that_claim_a_stream_at_once_lose_nothing(way: Way) {
    // The other models have no loop, or one of the same kind; `sim` has no other threads.
    if way.0 != Model::Tasks || way.1 == Driver::Sim {
        return;
    }
    for round in 0..50 {
        let (stream, mut peer) = pair();
        let meet = Arc::new(Barrier::new(2));
        let (say, said) = mpsc::channel();
        for _ in 0..2 {
            let (stream, meet, say) = (stream.clone(), meet.clone(), say.clone());
            std::thread::spawn(move || {
                let read = way.run(async move {
                    meet.wait();
                    stream.recv().await.map(|chunk| chunk.len())
                });
                say.send(read.unwrap()).unwrap();
            });
        }
        for n in 0..2 {
            peer.write_all(b"x").unwrap();
            let read = said.recv_timeout(Duration::from_secs(600));
            assert_eq!(read, Ok(1), "byte {n} of round {round}");
        }
    }
}

fn connections_not_accepted_stay_in_the_queue(way: Way) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::from(listener.as_fd().try_clone_to_owned().unwrap());
    let addr = other.local_addr().unwrap();
    let clients: Vec<_> = (0..9).map(|_| TcpStream::connect(addr).unwrap()).collect();
    let accepted = way.run(async move {
        let mut accepted = vec![];
        for _ in 0..3 {
            accepted.push(listener.accept().await.unwrap());
            runtime::yield_now().await;
        }
        accepted
    });
    other.set_nonblocking(true).unwrap();
    let left = other.incoming().take_while(Result::is_ok).count();
    assert_eq!((accepted.len(), left), (3, clients.len() - 3));
}

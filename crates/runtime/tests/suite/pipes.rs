//! Pipes between flows.

use std::io::{self, Write};
use std::time::Duration;

use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};
use switchboard_runtime::pipe::pipe;
use switchboard_runtime::{self as runtime, race};

use crate::beside;
use crate::ways::Way;

crate::ways::stamp!(
    a_full_pipe_suspends_its_writer
    a_read_of_a_pipe_that_loses_a_race_loses_nothing
    a_closed_pipe_is_an_error_and_an_end
    the_traits_of_the_ecosystem_read_and_write_pipes
    a_pipe_migrates_between_flows
    a_writer_that_waited_is_closed_when_it_is_dropped
);

fn a_full_pipe_suspends_its_writer(way: Way) {
    way.run(async {
        let (reader, writer) = pipe().unwrap();
        let sent: Vec<u8> = (0..1 << 20).map(|n: u32| n as u8).collect();
        let bytes = sent.clone();
        let write = async move { writer.write_all(&bytes).await };
        let (written, read) = runtime::join(write, reader.read_to_end()).await;
        written.unwrap();
        assert!(read.unwrap() == sent);
    });
}

fn a_read_of_a_pipe_that_loses_a_race_loses_nothing(way: Way) {
    way.run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let reader = runtime::pipe::PipeReader::from_fd(reader.into()).unwrap();
        let other = std::thread::spawn(move || {
            for number in 0..50 {
                std::thread::sleep(Duration::from_micros(300));
                writer.write_all(&[number]).unwrap();
            }
        });
        let mut read = Vec::new();
        while read.len() < 50 {
            let mut buffer = [0; 8];
            let bytes = async { reader.read(&mut buffer).await.unwrap() };
            let tick = async {
                runtime::sleep(Duration::from_micros(200)).await;
                0
            };
            let length = race(tick, bytes).await;
            read.extend_from_slice(&buffer[..length]);
        }
        assert!(read.into_iter().eq(0..50));
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
        other.join().unwrap();
    });
}

fn a_closed_pipe_is_an_error_and_an_end(way: Way) {
    way.run(async {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let error = writer.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);

        let (reader, mut writer) = pipe().unwrap();
        let other = beside(way, async move {
            runtime::sleep(Duration::from_millis(1)).await;
            writer.close();
            let closed = PipeError(writer.write(b"x").await.unwrap_err().kind());
            (closed, writer)
        });
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
        let (closed, _writer) = other.await.unwrap();
        assert_eq!(closed.0, io::ErrorKind::BrokenPipe);
    });
}

struct PipeError(io::ErrorKind);

fn the_traits_of_the_ecosystem_read_and_write_pipes(way: Way) {
    way.run(async {
        let (reader, mut writer) = pipe().unwrap();
        let other = beside(way, async move {
            AsyncWriteExt::write_all(&mut writer, b"one\ntwo\n")
                .await
                .unwrap();
            AsyncWriteExt::close(&mut writer).await.unwrap();
            writer
        });
        let lines: Vec<_> = BufReader::new(reader).lines().collect().await;
        let lines: io::Result<Vec<String>> = lines.into_iter().collect();
        assert_eq!(lines.unwrap(), ["one", "two"]);
        other.await.unwrap();
    });
}

fn a_pipe_migrates_between_flows(way: Way) {
    let (reader, writer) = pipe().unwrap();
    for _ in 0..3 {
        // Each run has a loop of its own, if it has one.
        let (read, writer) = (reader.clone(), writer.clone());
        way.run(async move {
            let mut buffer = [0; 8];
            let late = runtime::timeout(Duration::from_millis(1), read.read(&mut buffer)).await;
            assert!(late.is_err());
            let other = beside(way, async move { writer.write_all(b"hello").await });
            assert_eq!(read.read(&mut buffer).await.unwrap(), 5);
            other.await.unwrap().unwrap();
        });
    }
}

fn a_writer_that_waited_is_closed_when_it_is_dropped(way: Way) {
    way.run(async {
        let (mut reader, writer) = io::pipe().unwrap();
        let writer = runtime::pipe::PipeWriter::from_fd(writer.into()).unwrap();
        let late =
            runtime::timeout(Duration::from_millis(1), writer.write_all(&[0; 1 << 20])).await;
        assert!(late.is_err());
        drop(writer);
        // The flow holds its loop meanwhile.
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        assert!(!bytes.is_empty() && bytes.len() < 1 << 20);
    });
}

//! Files, and the descriptors of a process's input and output.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_lite::future::poll_once;
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use switchboard_runtime::fs::File;
use switchboard_runtime::stdio::{Input, Output};
use switchboard_runtime::{self as runtime, race};

use crate::ways::Way;

crate::ways::stamp!(
    a_file_is_written_and_read
    a_file_is_used_at_offsets_by_several_flows
    the_errors_of_files_are_the_systems
    a_file_as_input_is_read_to_its_end
    an_input_that_is_not_ready_holds_no_other_wait
    a_read_of_an_input_that_loses_a_race_loses_nothing
    a_device_is_an_input
    a_file_as_output_has_what_was_written_in_order
    a_full_output_holds_no_other_wait
    a_full_terminal_holds_no_other_wait
);

const MS: Duration = Duration::from_millis(1);

/// A directory that is removed at the end of its test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str, way: Way) -> Dir {
        let name = format!("sb-{name}-{way:?}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn a_file_is_written_and_read(way: Way) {
    let dir = Dir::new("written", way);
    way.run(async {
        let (inner, path) = (dir.file("a/b"), dir.file("a/b/text"));
        runtime::fs::create_dir_all(&inner).await.unwrap();
        runtime::fs::write(&path, "hello").await.unwrap();
        assert_eq!(runtime::fs::read(&path).await.unwrap(), b"hello");
        let other = dir.file("other");
        runtime::fs::rename(&path, &other).await.unwrap();
        assert_eq!(runtime::fs::read_to_string(&other).await.unwrap(), "hello");
        assert_eq!(runtime::fs::metadata(&other).await.unwrap().len(), 5);
        runtime::fs::remove_file(&other).await.unwrap();
        assert!(!other.exists());
    });
}

fn a_file_is_used_at_offsets_by_several_flows(way: Way) {
    let dir = Dir::new("offsets", way);
    way.run(async {
        let path = dir.file("numbers");
        let file = File::create(&path).await.unwrap();
        let writes = (0..10_u8).map(|number| {
            let file = file.clone();
            async move {
                file.write_all_at(vec![number; 100], u64::from(number) * 100)
                    .await
            }
        });
        for written in runtime::gather(writes).await {
            written.unwrap();
        }
        file.sync_all().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 1000);
        file.set_len(950).await.unwrap();

        let file = File::open(&path).await.unwrap();
        let last = file.read_at(1000, 900).await.unwrap();
        assert_eq!(last, [9; 50]);
        assert_eq!(
            file.read_at(10, 95).await.unwrap(),
            [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
        );
        assert!(file.read_at(10, 950).await.unwrap().is_empty());
    });
}

fn the_errors_of_files_are_the_systems(way: Way) {
    way.run(async {
        let missing = Path::new("/no/such/file");
        let error = runtime::fs::read(missing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = File::open(missing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        // Opened to read only.
        let file = File::open("/dev/null").await.unwrap();
        assert!(file.write_at("x", 0).await.is_err());
    });
}

fn a_file_as_input_is_read_to_its_end(way: Way) {
    let dir = Dir::new("input", way);
    let text: String = (0..20_000)
        .map(|number| format!("line {number}\n"))
        .collect();
    fs::write(dir.file("lines"), &text).unwrap();
    way.run(async {
        let file = fs::File::open(dir.file("lines")).unwrap();
        let mut input = Input::from_fd(file.into()).unwrap();
        let mut begin = vec![0; 8];
        // Given up, unless the thread was faster, and found by the next read.
        let first = poll_once(input.read(&mut begin)).await;
        begin.truncate(first.map_or(0, Result::unwrap));
        let input = futures_lite::AsyncReadExt::chain(&*begin, input);
        let lines: Vec<_> = BufReader::new(input).lines().collect().await;
        assert!(lines.into_iter().map(Result::unwrap).eq(text.lines()));
    });
}

fn an_input_that_is_not_ready_holds_no_other_wait(way: Way) {
    way.run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let (mut input, mut buffer) = (Input::from_fd(reader.into()).unwrap(), [0; 16]);
        let ticks = async {
            for _ in 0..3 {
                runtime::sleep(MS).await;
            }
            writer.write_all(b"hello").unwrap();
            writer
        };
        let (length, writer) = runtime::join(input.read(&mut buffer), ticks).await;
        assert_eq!(&buffer[..length.unwrap()], b"hello");
        drop(writer);
        assert_eq!(input.read(&mut buffer).await.unwrap(), 0);
    });
}

fn a_read_of_an_input_that_loses_a_race_loses_nothing(way: Way) {
    way.run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut input = Input::from_fd(reader.into()).unwrap();
        let other = std::thread::spawn(move || {
            for number in 0..50 {
                std::thread::sleep(Duration::from_micros(300));
                writer.write_all(&[number]).unwrap();
            }
        });
        let mut read = Vec::new();
        while read.len() < 50 {
            let mut buffer = [0; 8];
            let bytes = async { input.read(&mut buffer).await.unwrap() };
            let tick = async {
                runtime::sleep(Duration::from_micros(200)).await;
                0
            };
            let length = race(tick, bytes).await;
            read.extend_from_slice(&buffer[..length]);
        }
        assert!(read.into_iter().eq(0..50));
        other.join().unwrap();
    });
}

fn a_device_is_an_input(way: Way) {
    way.run(async {
        for (path, expected) in [("/dev/null", 0), ("/dev/zero", 8)] {
            let mut input = Input::from_fd(fs::File::open(path).unwrap().into()).unwrap();
            assert_eq!(input.read(&mut [1; 8]).await.unwrap(), expected, "{path}");
        }
        let null = fs::File::options().write(true).open("/dev/null").unwrap();
        let mut output = Output::from_fd(null.into()).unwrap();
        output.write_all(&[0; 10_000]).await.unwrap();
    });
}

fn a_file_as_output_has_what_was_written_in_order(way: Way) {
    let dir = Dir::new("output", way);
    way.run(async {
        let path = dir.file("text");
        let file = fs::File::create(&path).unwrap();
        // As 2>&1: both write where the other one ended.
        let mut output = Output::from_fd(file.try_clone().unwrap().into()).unwrap();
        let mut errors = Output::from_fd(file.into()).unwrap();
        let mut expected = Vec::new();
        for number in 0..100_u8 {
            let bytes = vec![number; 1000];
            match number % 2 {
                0 => output.write_all(&bytes).await.unwrap(),
                _ => errors.write_all(&bytes).await.unwrap(),
            }
            expected.extend(bytes);
        }
        let large = vec![b'x'; 200_000];
        AsyncWriteExt::write_all(&mut output, &large).await.unwrap();
        AsyncWriteExt::flush(&mut output).await.unwrap();
        expected.extend(large);
        assert!(fs::read(&path).unwrap() == expected);

        let read_only = fs::File::open(&path).unwrap();
        let mut output = Output::from_fd(read_only.into()).unwrap();
        assert!(output.write_all(b"x").await.is_err());
    });
}

fn a_full_output_holds_no_other_wait(way: Way) {
    way.run(async {
        let (mut reader, writer) = io::pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let mut output = Output::from_fd(writer.into()).unwrap();
        let sent = vec![b'x'; 300_000];
        let (written, other) = runtime::join(output.write_all(&sent), async {
            for _ in 0..3 {
                runtime::sleep(MS).await;
            }
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                bytes
            })
        })
        .await;
        written.unwrap();
        // Other processes find the mode as it was.
        let flags = rustix::fs::fcntl_getfl(&shared).unwrap();
        assert!(!flags.contains(OFlags::NONBLOCK));
        drop((output, shared));
        assert!(other.join().unwrap() == sent);
    });
}

fn a_full_terminal_holds_no_other_wait(way: Way) {
    // Elsewhere terminals are not opened once more.
    if !cfg!(target_os = "linux") {
        return;
    }
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
    let shared = terminal.try_clone().unwrap();
    let mut output = Output::from_fd(terminal).unwrap();
    way.run(async {
        // The last piece that the terminal takes is not a whole one.
        output.write_all(b"xxx").await.unwrap();
        let sent = vec![b'x'; 100_000];
        let (written, reader) = runtime::join(output.write_all(&sent), async {
            for _ in 0..3 {
                runtime::sleep(MS).await;
            }
            std::thread::spawn(move || {
                let mut bytes = vec![0; 100_003];
                fs::File::from(master).read_exact(&mut bytes).unwrap();
                bytes
            })
        })
        .await;
        written.unwrap();
        // Other processes find the mode as it was.
        let flags = rustix::fs::fcntl_getfl(&shared).unwrap();
        assert!(!flags.contains(OFlags::NONBLOCK));
        assert!(reader.join().unwrap().iter().all(|byte| *byte == b'x'));
    });
}

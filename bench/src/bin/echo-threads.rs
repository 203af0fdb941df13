//! Echo on the standard library: a thread for each connection.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    loop {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        std::thread::spawn(move || {
            let mut buffer = vec![0; switchboard_bench::BUFFER];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        });
    }
}

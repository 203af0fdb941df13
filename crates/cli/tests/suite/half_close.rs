//! Clients of the slow site that send everything and shut down their sending side, as `nc -N` does, under
//! every model, driver and kind of workers.

use std::io::{Read, Write};
use std::net::Shutdown;

use switchboard_runtime::Style;

use crate::matrix::rows;
use crate::served::Served;

/// Sends `bytes` and the end of input, and returns what comes back up to the end.
fn exchange(served: &Served, bytes: &str) -> String {
    let mut client = served.connect();
    client.write_all(bytes.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_half_closed_client_of_the_slow_site_gets_its_answers() {
    for row in rows(Style::Async) {
        let options = ["slow-site", "--listen", "127.0.0.1:0", "--latency", "20ms"];
        let served = Served::start(&[&options[..], &row].concat(), None);
        let text = exchange(&served, "GET / HTTP/1.0\r\n\r\n");
        // The version is the server's own: a client of 1.0 reads 1.1, as RFC 9112 has it.
        assert!(text.starts_with("HTTP/1.1 200"), "{row:?}: {text}");
        assert!(text.ends_with("</html>\n"), "{row:?}: {text}");
        let request = "GET /page/1 HTTP/1.1\r\nhost: here\r\n\r\n";
        let text = exchange(&served, &request.repeat(3));
        assert_eq!(text.matches("HTTP/1.1 200").count(), 3, "{row:?}: {text}");
        assert_eq!(text.matches("</html>").count(), 3, "{row:?}: {text}");
        let text = exchange(&served, "GET / HTT");
        assert!(text.starts_with("HTTP/1.1 400"), "{row:?}: {text}");
        let report = served.stop();
        assert!(
            report.contains("accepted 3, panicked 0, failed 1"),
            "{report}"
        );
    }
}

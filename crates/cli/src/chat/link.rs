//! The begin and the end of a connection.

use std::io;
use std::time::Duration;

use switchboard_runtime as runtime;
use switchboard_websocket::{ClientStream, CloseCode, CloseFrame, Options, WebSocket, connect};

/// How a connection has ended.
pub(super) enum Ended {
    /// The user has left.
    Left,
    /// Another one is made, for this reason; the client was too fast.
    Lost(String, bool),
    /// There is no use in another one.
    Refused(String),
}

/// Connects within a limit.
pub(super) async fn connected(
    address: &str,
    options: &Options,
    limit: Duration,
) -> io::Result<WebSocket<ClientStream>> {
    within(limit, connect(address, options)).await
}

pub(super) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the server does not answer");
    runtime::timeout(limit, future).await.map_err(late)?
}

/// Says good-bye. The server need not hear it.
pub(super) async fn close(socket: &mut WebSocket<ClientStream>) {
    let _ = socket
        .close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        }))
        .await;
}

/// Returns what follows from a server's close.
pub(super) fn closed(frame: Option<CloseFrame>) -> Ended {
    let Some(frame) = frame else {
        return Ended::Lost("the server has closed it".to_owned(), false);
    };
    let code = u16::from(frame.code);
    let why = match frame.reason.is_empty() {
        true => format!("the server has closed it with code {code}"),
        false => frame.reason.to_string(),
    };
    match code {
        // What was sent is refused, and would be again.
        1002 | 1003 | 1007..=1010 | 4500..=4999 => {
            Ended::Refused(format!("the server has ended the connection: {why}"))
        }
        _ => Ended::Lost(why, code == 4003),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_chat::Bye;

    use super::*;

    #[test]
    fn a_close_says_whether_to_come_back() {
        let close = |code: u16| {
            let (code, reason) = (CloseCode::from(code), "".into());
            closed(Some(CloseFrame { code, reason }))
        };
        for bye in Bye::ALL {
            let comes_back = matches!(close(bye.code()), Ended::Lost(..));
            assert_eq!(comes_back, bye.reconnect(), "{bye:?}");
        }
        for code in [1000, 1001, 1006, 1011, 1012, 1013, 3000] {
            assert!(matches!(close(code), Ended::Lost(_, false)), "{code}");
        }
        // What is too large would be sent again.
        for code in [1002, 1007, 1009] {
            assert!(matches!(close(code), Ended::Refused(_)), "{code}");
        }
        assert!(matches!(close(4003), Ended::Lost(_, true)));
    }
}

//! Connecting, and the simplest way to ask.

use crate::{Failure, RedisUrl, Reply, Wire};

/// Connects to a server, logs in, and chooses the database. Waits as long as the system does for a connection, and for
/// the server: give it a time. Dropping the future closes the connection.
///
/// # Errors
/// Those of the connection, and what the server refuses. A wrong password, or something that is no Redis, lasts.
pub async fn log_in(url: &RedisUrl) -> Result<Wire, Failure> {
    let mut wire = Wire::connect(url).await?;
    if let Some(password) = &url.password {
        let mut auth = vec!["AUTH"];
        auth.extend(url.user.as_deref());
        auth.push(password);
        if let Reply::Error(error) = wire.ask(&auth).await? {
            return Err(refused(&error));
        }
    }
    ask(&mut wire, &["PING"]).await?;
    if url.database != 0 {
        ask(&mut wire, &["SELECT", &url.database.to_string()]).await?;
    }
    Ok(wire)
}

/// Returns the failure of a login. A server that has no such command repeats what it was sent: the password.
fn refused(error: &str) -> Failure {
    let told = error.split(", with args").next().unwrap_or_default();
    Failure::refused(told)
}

/// Sends a command and waits for its reply; no other one is under way. A wire whose `ask` was dropped is of no use.
///
/// # Errors
/// Those of the connection, and an error that the server answers.
pub async fn ask<P: AsRef<[u8]>>(wire: &mut Wire, parts: &[P]) -> Result<Reply, Failure> {
    match wire.ask(parts).await? {
        Reply::Error(text) => Err(Failure::refused(&text)),
        reply => Ok(reply),
    }
}

/// Returns the text of a reply; empty for what has none.
pub fn text(reply: Reply) -> String {
    match reply {
        Reply::SimpleString(bytes) | Reply::BulkString(bytes) => {
            String::from_utf8(bytes).unwrap_or_default()
        }
        Reply::Integer(number) => number.to_string(),
        Reply::Error(text) => text,
        Reply::Array(_) | Reply::Null => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_is_refused_does_not_show_the_password() {
        let error = "ERR unknown command 'AUTH', with args beginning with: 'secret' ";
        assert_eq!(
            refused(error).to_string(),
            "it refuses (ERR unknown command 'AUTH')"
        );
    }
}

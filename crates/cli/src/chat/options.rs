//! The options of `switchboard chat`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use switchboard_chat::Name;
use switchboard_tls::TlsClient;
use switchboard_websocket::{self as websocket, Deflate};
use url::Url;

use crate::output::Failure;

/// The environment variables that a token and a password are taken from.
const TOKEN: &str = "SWITCHBOARD_CHAT_TOKEN";
const PASSWORD: &str = "SWITCHBOARD_CHAT_PASSWORD";

#[derive(Args)]
#[command(
    after_help = "When the connection is lost, another one is made by itself; what was said meanwhile is shown then, and \
what is typed meanwhile is sent.\n\nIn a terminal, lines are edited as in a shell, and a message that comes leaves the line alone. A line is \
said in the room that the prompt names, unless it begins with a slash: /help shows the commands, which Tab completes. \
The terminal keeps what was said.\n\nElsewhere, each line of stdin is said as it is in the first --room, and each \
message is one line on stdout: `TIME #ROOM NAME: TEXT`, or `TIME @NAME: TEXT` if it is to you alone, with line feeds and \
other control characters written out; `* …` where messages are missing. Remarks go to stderr. After the end of stdin, \
what was sent is acknowledged within --timeout before this ends.\n\nA token that proves the name is better not in the \
command line, which all users of this machine can read: use --token-file, or the environment variable \
SWITCHBOARD_CHAT_TOKEN. The password of a name is taken from --password-file or SWITCHBOARD_CHAT_PASSWORD; names get \
one at the page.\n\nExamples:\n  switchboard chat http://127.0.0.1:8080/ --name ann --room tea\n  \
echo 'the build is done' | switchboard chat wss://chat.example/ --name builder --room team\n\nExit status: 0 if all was \
said, no command has failed and the user has left, 1 if something was not said or done, the server refuses the user, or it cannot be reached at first; \
2 for wrong usage. If the reader of stdout closes it, this ends at once, with 0."
)]
pub(crate) struct Options {
    /// The address of the server's page: http://HOST:PORT/ or https://…; ws://… and wss://… will do
    url: String,
    /// Your name [default: that of the user of this machine]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// A room to enter; may be given more than once
    #[arg(long = "room", value_name = "ROOM", value_parser = room)]
    rooms: Vec<String>,
    /// A token that proves the name, where the server asks for one
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with the password of the name, if it has one
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Seconds to wait for an answer
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Certificates to trust in addition to Mozilla's, a PEM file
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Trust whatever certificate the server shows
    #[arg(long, conflicts_with = "cacert")]
    insecure: bool,
}

/// The options, once they are checked.
pub(super) struct Checked {
    pub(super) address: String,
    pub(super) nick: String,
    pub(super) token: Option<String>,
    pub(super) password: Option<String>,
    pub(super) rooms: Vec<String>,
    pub(super) timeout: Duration,
    pub(super) websocket: websocket::Options,
}

impl Options {
    /// Checks all options, before there is a connection.
    pub(super) fn check(&self, is_terminal: bool) -> Result<Checked, Failure> {
        let address = address(&self.url)?;
        if self.rooms.is_empty() && !is_terminal {
            let text = "--room is missing: name the room in which the lines of stdin are said";
            return Err(Failure::usage(text));
        }
        let mut rooms: Vec<String> = Vec::new();
        for room in &self.rooms {
            if !rooms.contains(room) {
                rooms.push(room.clone());
            }
        }
        Ok(Checked {
            nick: self.nick()?,
            token: self.token()?,
            password: secret(PASSWORD, "--password-file", self.password_file.as_deref())?,
            timeout: Duration::from_secs(self.timeout.into()),
            websocket: self.websocket(address.starts_with("wss:"))?,
            address,
            rooms,
        })
    }

    fn nick(&self) -> Result<String, Failure> {
        let of_user = || {
            let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
            user.ok().and_then(|user| name(&user).ok())
        };
        let missing = || Failure::usage("--name is missing: say who you are");
        self.name.clone().or_else(of_user).ok_or_else(missing)
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        match &self.token {
            Some(token) => Ok(Some(token.trim().to_owned())),
            None => secret(TOKEN, "--token-file", self.token_file.as_deref()),
        }
    }

    fn websocket(&self, is_tls: bool) -> Result<websocket::Options, Failure> {
        // A server may tell the history of a room, or who is in it, in one message.
        let options = websocket::Options::new()
            .max_message(64 << 20)
            .deflate(Deflate::new());
        let tls = match &self.cacert {
            Some(path) => {
                let tls = TlsClient::with_roots(&read("--cacert", path)?);
                Some(tls.map_err(|error| wrong("--cacert", path, &error))?)
            }
            None if self.insecure => Some(TlsClient::insecure()?),
            None => None,
        };
        match tls {
            Some(_) if !is_tls => {
                let option = if self.insecure {
                    "--insecure"
                } else {
                    "--cacert"
                };
                let text = format!("{option}: {} is spoken to without TLS", self.url);
                Err(Failure::usage(text))
            }
            Some(tls) => Ok(options.tls(tls)),
            None => Ok(options),
        }
    }
}

/// Returns what is in the file, or else in the environment.
fn secret(variable: &str, option: &str, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(path) = file else {
        let given = std::env::var(variable).ok();
        return Ok(given.map(|secret| secret.trim().to_owned()));
    };
    let secret = String::from_utf8(read(option, path)?);
    let secret = secret.map_err(|_| wrong(option, path, &"no text"))?;
    match secret.trim() {
        "" => Err(wrong(option, path, &"the file is empty")),
        secret => Ok(Some(secret.to_owned())),
    }
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| wrong(option, path, &error))
}

fn wrong(option: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format_args!("{option} {}: {error}", path.display()))
}

fn name(text: &str) -> Result<String, String> {
    let name: Result<Name, _> = text.parse();
    name.map(|name| name.to_string())
        .map_err(|error| error.to_string())
}

fn room(text: &str) -> Result<String, String> {
    name(text.strip_prefix('#').unwrap_or(text))
}

/// Returns the address of a server's WebSocket, which is beside its page.
fn address(text: &str) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format_args!("URL {text}: {why}: write ws://HOST:PORT/"))
    };
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("ws://{text}"),
    };
    let mut url = Url::parse(&full).map_err(|error| wrong(&error))?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        other => return Err(wrong(&format_args!("`{other}` is no protocol of a chat"))),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            &"a name belongs to --name, and a secret to --token-file",
        ));
    }
    // These schemes have one form.
    let _ = url.set_scheme(scheme);
    match url.path().ends_with("/ws") {
        true => url.set_fragment(None),
        false => url = url.join("ws").map_err(|error| wrong(&error))?,
    }
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_beside_the_page() {
        let known = [
            ("ws://127.0.0.1:8080/", "ws://127.0.0.1:8080/ws"),
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
            ("ws://127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws"),
            ("http://chat.example/#room=tea", "ws://chat.example/ws"),
            ("https://chat.example/team/", "wss://chat.example/team/ws"),
            ("wss://chat.example:8443/", "wss://chat.example:8443/ws"),
            ("localhost:8080", "ws://localhost:8080/ws"),
            ("http://[::1]:8080/", "ws://[::1]:8080/ws"),
        ];
        for (url, expected) in known {
            let found = address(url).map_err(Failure::into_text);
            assert_eq!(found.as_deref(), Ok(expected), "{url}");
        }
        for url in [
            "ftp://x/",
            "ws://",
            "http://ann:secret@x/",
            "",
            "ws://x:99999/",
        ] {
            let why = address(url).unwrap_err().into_text();
            assert!(why.starts_with(&format!("URL {url}: ")), "{why}");
        }
    }
}

//! Basic authentication.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use switchboard_runtime::run_blocking;
use switchboard_runtime::sync::Semaphore;

use crate::access::User;

/// How many passwords are checked at once: each takes a processor for a while, and clients choose how many
/// wrong ones they send.
const CHECKS: usize = 2;
/// The most credentials that are remembered.
const REMEMBERED: usize = 1024;

/// Base64, with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type Remembered = HashMap<[u64; 2], Arc<str>>;

/// The users that may see the files, and the hashes of their passwords.
///
/// ```
/// use switchboard_apps::files::Users;
///
/// // As `htpasswd -nbB anna secret` prints it.
/// let users = "# staff\nanna:$2y$05$mJrBo37sMc6DM/cwkTHDBuTxetDhzYcEBFt7eLRtbuvnXdRI8DetG\n";
/// assert!(users.parse::<Users>().is_ok());
/// let plain = "anna:secret".parse::<Users>().unwrap_err();
/// assert!(plain.contains("line 1") && plain.contains("htpasswd -B"));
/// ```
pub struct Users {
    list: RwLock<Arc<List>>,
    checks: Arc<Semaphore>,
}

/// Users that were read together.
struct List {
    hashes: HashMap<String, String>,
    /// The hash that takes longest. It is checked for unknown users, so that the time does not tell them apart.
    slowest: String,
    /// Fingerprints of credentials that were right, and their users: a password that is checked for each
    /// request would cost more than the request. They are keyed by secrets of this process.
    right: Mutex<Remembered>,
    keys: [RandomState; 2],
}

/// Parses lines of `USER:HASH`, where the hash is one of bcrypt (`$2y$…`), as `htpasswd -B` writes them.
/// Empty lines and lines that begin with `#` are skipped. An error names the line and says what to do.
impl std::str::FromStr for Users {
    type Err = String;

    fn from_str(text: &str) -> Result<Users, String> {
        let mut hashes = HashMap::new();
        let mut slowest = (0, String::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {}: {what}", at + 1);
            let Some((user, hash)) = line.split_once(':') else {
                return Err(wrong(
                    "no `USER:HASH`; add users with htpasswd -B FILE USER",
                ));
            };
            let Ok(parts) = hash.parse::<bcrypt::HashParts>() else {
                return Err(wrong(
                    "the password is not hashed by bcrypt; write the line with htpasswd -B FILE USER",
                ));
            };
            if parts.get_cost() > slowest.0 {
                slowest = (parts.get_cost(), hash.to_owned());
            }
            if hashes.insert(user.to_owned(), hash.to_owned()).is_some() {
                return Err(wrong(&format!(
                    "the user `{user}` is there twice; remove one"
                )));
            }
        }
        if hashes.is_empty() {
            return Err("no users; add one with htpasswd -B FILE USER".to_owned());
        }
        let list = List {
            hashes,
            slowest: slowest.1,
            right: Mutex::default(),
            keys: [RandomState::new(), RandomState::new()],
        };
        Ok(Users {
            list: RwLock::new(Arc::new(list)),
            checks: Arc::new(Semaphore::new(CHECKS)),
        })
    }
}

impl Users {
    /// Takes the users of `other` instead of these, as when their file has changed. Requests that come from then
    /// on are those of the new users; a password that was right is checked again.
    ///
    /// ```
    /// use switchboard_apps::files::Users;
    ///
    /// let line = "anna:$2y$05$mJrBo37sMc6DM/cwkTHDBuTxetDhzYcEBFt7eLRtbuvnXdRI8DetG";
    /// let users = line.parse::<Users>()?;
    /// users.replace(&line.replace("anna", "bert").parse()?);
    /// # Ok::<(), String>(())
    /// ```
    pub fn replace(&self, other: &Users) {
        let list = other.list();
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = list;
    }

    fn list(&self) -> Arc<List> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.clone()
    }

    /// Returns the user whose name and password a request has. Waits for a check of the password, the first
    /// time that this process sees it; other flows go on.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Option<User> {
        let field = headers.get(AUTHORIZATION)?;
        let list = self.list();
        let fingerprint = [0, 1].map(|at: usize| list.keys[at].hash_one(field.as_bytes()));
        if let Some(user) = list.remembered().get(&fingerprint) {
            return Some(User(user.clone()));
        }
        let (user, password) = field.to_str().ok().and_then(credentials)?;
        let hash = list.hashes.get(&user);
        let known = hash.is_some();
        let hash = hash.unwrap_or(&list.slowest).clone();
        let check = move || bcrypt::verify(password, &hash);
        if !(matches!(self.in_turn(check).await, Some(Ok(true))) && known) {
            return None;
        }
        let user: Arc<str> = user.into();
        let mut remembered = list.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(fingerprint, user.clone());
        Some(User(user))
    }

    /// Runs a check in a thread, [`CHECKS`] at most at once. A check goes on when its client has hung up, and
    /// it counts until it has ended. `None` if it panicked.
    async fn in_turn<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.checks.acquire_arc().await;
        let check = move || {
            let _turn = turn;
            check()
        };
        run_blocking(check).await.ok()
    }
}

impl List {
    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.list().hashes.len())
    }
}

/// Returns the name and the password of a field `authorization`.
fn credentials(field: &str) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_lite::future::poll_once;
    use switchboard_runtime::Model;

    use super::*;

    const FAST: &str = "$2y$05$hGuRLFEkdHTGBZ.tFOBpDOZ3QVOgfQbbfTacGs7rxW5Wf5a0sjTCq";
    const SLOW: &str = "$2y$11$hGuRLFEkdHTGBZ.tFOBpDOZ3QVOgfQbbfTacGs7rxW5Wf5a0sjTCq";

    #[test]
    fn a_check_counts_until_it_has_ended_though_its_client_hung_up() {
        let users: Users = format!("anna:{FAST}").parse().unwrap();
        let (begun, begins) = channel();
        let ends = [(); CHECKS].map(|()| {
            let (end, ended) = channel::<()>();
            let begun = begun.clone();
            let check = move || {
                begun.send(()).unwrap();
                ended.recv().unwrap();
            };
            let hangs_up = async {
                assert!(poll_once(users.in_turn(check)).await.is_none());
                begins.recv().unwrap();
            };
            Model::Tasks.run(hangs_up).unwrap();
            end
        });
        assert!(users.checks.try_acquire().is_none());
        for end in ends {
            end.send(()).unwrap();
        }
        assert_eq!(
            Model::Tasks.run(users.in_turn(|| "next")).unwrap(),
            Some("next")
        );
    }

    #[test]
    fn unknown_users_take_as_long_as_the_slowest() {
        for text in [
            format!("anna:{FAST}\nbert:{SLOW}"),
            format!("anna:{SLOW}\nbert:{FAST}"),
        ] {
            assert_eq!(text.parse::<Users>().unwrap().list().slowest, SLOW);
        }
    }

    #[test]
    fn credentials_are_decoded() {
        let of = |field| credentials(field);
        let aladdin = Some(("Aladdin".to_owned(), b"open sesame".to_vec()));
        assert_eq!(of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), aladdin);
        assert_eq!(of("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"), aladdin);
        assert_eq!(
            of("Basic YTpiOmM="),
            Some(("a".to_owned(), b"b:c".to_vec()))
        );
        assert_eq!(of("Basic !"), None);
        assert_eq!(of("Basic"), None);
        assert_eq!(of("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), None);
    }

    #[test]
    fn wrong_files_are_refused_by_their_line() {
        for (text, parts) in [
            ("", ["no users", "htpasswd"]),
            ("# nobody\n\n", ["no users", "htpasswd"]),
            ("\nanna", ["line 2", "USER:HASH"]),
            ("anna:{SHA}abc", ["line 1", "bcrypt"]),
            ("anna:$2y$05$short", ["line 1", "bcrypt"]),
        ] {
            let error = text.parse::<Users>().unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        let twice = format!("anna:{FAST}\nanna:{FAST}");
        assert!(twice.parse::<Users>().unwrap_err().contains("line 2"));
    }
}

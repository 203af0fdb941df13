//! Tokens: proofs that a name is one's own.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{Bye, Name, Now};

/// Returns a token that proves `nick` until `life` from now: `CLAIMS.SIGNATURE`, both in base64url, where the claims are
/// JSON and the signature is HMAC-SHA-256 of the first part with `secret`.
///
/// ```
/// use std::time::Duration;
/// use switchboard_chat::{Now, sign};
///
/// let token = sign(b"secret", &"ann".parse()?, Now::read(), Duration::from_secs(3600));
/// assert_eq!(token.split('.').count(), 2);
/// # Ok::<(), switchboard_chat::BadName>(())
/// ```
pub fn sign(secret: &[u8], nick: &Name, now: Now, life: Duration) -> String {
    let expires = now.after(life).unix / 1000;
    let claims = Claims {
        nick: nick.to_string(),
        expires,
    };
    // A text and a number are JSON.
    let claims = serde_json::to_vec(&claims).expect("claims are JSON");
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, claims.as_bytes());
    format!("{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[derive(Serialize, Deserialize)]
struct Claims {
    nick: String,
    /// Seconds since 1970.
    #[serde(rename = "exp")]
    expires: u64,
}

/// Checks a token. Returns until when it is good, in seconds since 1970.
pub(crate) fn verify(secret: &[u8], token: &str, nick: &Name, now: Now) -> Result<u64, Bye> {
    let claims = signed(secret, token, nick).ok_or(Bye::Unauthorized)?;
    match claims.expires > now.unix / 1000 {
        true => Ok(claims.expires),
        false => Err(Bye::Expired),
    }
}

fn signed(secret: &[u8], token: &str, nick: &Name) -> Option<Claims> {
    let (claims, signature) = token.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, claims.as_bytes(), &signature).ok()?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    (claims.nick.to_lowercase() == nick.folded()).then_some(claims)
}

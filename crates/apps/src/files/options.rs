//! What a file server does beside sending files.

use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, HeaderName,
    HeaderValue, TRANSFER_ENCODING,
};

use super::kind::UTF_8;
use super::users::Users;

/// Header fields that say what the bytes of an answer are, and that the server alone can know.
const OWN: [HeaderName; 7] = [
    ACCEPT_RANGES,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    DATE,
    TRANSFER_ENCODING,
];

/// What [`Files`](super::Files) do beside sending files.
///
/// ```
/// use switchboard_apps::files::FilesOptions;
///
/// let mut options = FilesOptions { spa: true, ..FilesOptions::default() };
/// options.header("X-Frame-Options: DENY")?;
/// assert!(options.header("Content-Length: 5").unwrap_err().contains("the server"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct FilesOptions {
    /// The name of the file that stands for its folder; `index.html` at first.
    pub index: Option<String>,
    /// Whether a folder without such a file is listed; true at first. Status 403 otherwise.
    pub listing: bool,
    /// Whether a path that is not there is answered with the index file of the whole folder, if it has no
    /// dot in its last name or if the client names `text/html`: for applications that draw their pages
    /// themselves. Folders are not listed then.
    pub spa: bool,
    /// Whether names that begin with a dot are served. `/.well-known/` always is.
    pub hidden: bool,
    /// Whether `FILE.br`, `FILE.zst` and `FILE.gz` are sent in place of `FILE` to clients that accept them. One
    /// that is older than `FILE` is not.
    pub precompressed: bool,
    /// Whether text of 1 KiB or more is compressed with gzip while it is sent. Such an answer has a weak
    /// entity tag and no ranges.
    pub compress: bool,
    /// The charset that the types of text files name; `utf-8` at first. XML and JSON bring theirs with them.
    pub charset: Option<String>,
    /// The field `cache-control` of files.
    pub cache_control: Option<HeaderValue>,
    /// Fields that each answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The origin whose pages may read the answers: `*`, or one origin.
    pub cors: Option<HeaderValue>,
    /// The users that may see the files; everybody at first.
    pub users: Option<Arc<Users>>,
}

impl Default for FilesOptions {
    fn default() -> FilesOptions {
        FilesOptions {
            index: Some("index.html".to_owned()),
            listing: true,
            spa: false,
            hidden: false,
            precompressed: false,
            compress: false,
            charset: Some(UTF_8.to_owned()),
            cache_control: None,
            headers: Vec::new(),
            cors: None,
            users: None,
        }
    }
}

impl FilesOptions {
    /// Adds a field of each answer, as `Name: value`.
    ///
    /// # Errors
    /// One line that says what is wrong with the field.
    pub fn header(&mut self, field: &str) -> Result<(), String> {
        let wrong = |what| format!("`{field}`: {what}");
        let parts = field.split_once(':');
        let (name, value) = parts.ok_or_else(|| wrong("use `Name: value`"))?;
        let name = HeaderName::try_from(name.trim());
        let name = name.map_err(|_| wrong("this is no name of a header field"))?;
        let value = HeaderValue::try_from(value.trim());
        let value = value.map_err(|_| wrong("the value has bytes that no field may have"))?;
        if OWN.contains(&name) {
            return Err(wrong("the server sets this field"));
        }
        self.headers.push((name, value));
        Ok(())
    }
}

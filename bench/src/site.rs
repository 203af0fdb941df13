//! The folder that a run of the bench makes for its servers, and removes.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exchange::body;

/// Lengths of the files that are served; each is called by its length, such as `4096.txt`.
const FILES: [usize; 4] = [13, 4 << 10, 100 << 10, 1 << 20];

/// Files to serve, a certificate and its key, and a folder for each server that runs.
pub struct Site {
    folder: PathBuf,
    servers: AtomicU64,
}

/// What a server is told: the words `@PORT@` and so on in its command line and its configuration.
pub(crate) struct Told<'a> {
    pub(crate) site: &'a Site,
    pub(crate) folder: &'a Path,
    pub(crate) port: u16,
    /// The back end of a proxy.
    pub(crate) to: Option<SocketAddr>,
}

/// The folder that a process would make, in the system's folder for temporary files.
pub fn folder(process: u32) -> PathBuf {
    std::env::temp_dir().join(format!("switchboard-bench.{process}"))
}

impl Site {
    /// Makes one.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Site> {
        let folder = folder(std::process::id());
        fs::create_dir_all(folder.join("files"))?;
        for length in FILES {
            fs::write(folder.join(format!("files/{length}.txt")), body(length))?;
        }
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.map_err(io::Error::other)?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(folder.join("certificate.pem"), &certificate)?;
        fs::write(folder.join("key.pem"), &key)?;
        // One file, as HAProxy wants it.
        fs::write(folder.join("both.pem"), certificate + &key)?;
        Ok(Site {
            folder,
            servers: AtomicU64::new(0),
        })
    }

    /// The certificate that servers show.
    ///
    /// # Errors
    /// The system's.
    pub fn certificate(&self) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join("certificate.pem"))
    }

    /// Makes a folder for a server.
    pub(crate) fn server(&self) -> io::Result<PathBuf> {
        let number = self.servers.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("server.{number}"));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Told<'_> {
    /// Returns `text` with what its words stand for.
    pub(crate) fn fill(&self, text: &str) -> String {
        let to = self.to.map_or(String::new(), |to| to.to_string());
        text.replace("@PORT@", &self.port.to_string())
            .replace("@FOLDER@", &self.folder.display().to_string())
            .replace("@SITE@", &self.site.folder.display().to_string())
            .replace("@TO@", &to)
    }
}

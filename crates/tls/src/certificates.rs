//! The certificates of a server, and which of them a client is shown.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::{fmt, io};

use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use crate::invalid;
use crate::load::load;

/// The certificates that are shown from now on, which can be replaced while connections are open.
pub(crate) struct Shown {
    table: RwLock<Arc<Table>>,
    /// The files of chains and keys, if the certificates come from files.
    files: Vec<(PathBuf, PathBuf)>,
}

/// Certificates by the names of hosts, the preferred ones first.
struct Table {
    names: HashMap<String, Vec<Arc<CertifiedKey>>>,
    default: Arc<CertifiedKey>,
    warnings: Vec<String>,
}

impl Shown {
    pub(crate) fn new(pairs: Vec<(String, CertifiedKey)>) -> io::Result<Shown> {
        Ok(Shown {
            table: RwLock::new(Arc::new(Table::new(pairs)?)),
            files: Vec::new(),
        })
    }

    pub(crate) fn from_files(files: Vec<(PathBuf, PathBuf)>) -> io::Result<Shown> {
        let table = Table::read(&files)?;
        Ok(Shown {
            table: RwLock::new(Arc::new(table)),
            files,
        })
    }

    /// Reads the files again. If that fails, what is shown stays.
    pub(crate) fn reload(&self) -> io::Result<()> {
        if self.files.is_empty() {
            let text = "these certificates do not come from files: make a server of new ones, and pass it to `replace`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        self.set(Arc::new(Table::read(&self.files)?));
        Ok(())
    }

    pub(crate) fn replace(&self, other: &Shown) {
        self.set(other.table());
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.table().warnings.clone()
    }

    fn set(&self, table: Arc<Table>) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    fn table(&self) -> Arc<Table> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table();
        let fits = |key: &&Arc<CertifiedKey>| {
            let scheme = key.key.choose_scheme(hello.signature_schemes());
            scheme.is_some()
        };
        let named = hello.server_name().and_then(|name| table.find(name));
        let chosen = named.and_then(|keys| keys.iter().find(fits));
        Some(chosen.unwrap_or(&table.default).clone())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table().names.keys()).finish()
    }
}

impl Table {
    fn read(files: &[(PathBuf, PathBuf)]) -> io::Result<Table> {
        let load = |(chain, key): &(PathBuf, PathBuf)| {
            let name = chain.display().to_string();
            Ok((name, read(chain, key)?))
        };
        Table::new(files.iter().map(load).collect::<io::Result<_>>()?)
    }

    /// Makes a table of certificates, each with what messages call it by.
    fn new(pairs: Vec<(String, CertifiedKey)>) -> io::Result<Table> {
        let mut names: HashMap<String, Vec<_>> = HashMap::new();
        let mut default = None;
        let mut warnings = Vec::new();
        for (file, key) in pairs {
            let key = Arc::new(key);
            let certificate = key.end_entity_cert().map_err(invalid)?;
            let certificate = EndEntityCert::try_from(certificate).map_err(|error| {
                invalid(format!("{file}: the certificate cannot be used: {error}"))
            })?;
            let mut unnamed = true;
            for name in certificate.valid_dns_names() {
                unnamed = false;
                let keys = names.entry(name.to_ascii_lowercase()).or_default();
                keys.push(key.clone());
            }
            if unnamed && default.is_some() {
                warnings.push(format!(
                    "{file}: the certificate names no host, so that no client is shown it"
                ));
            }
            warnings.extend(expiry(&certificate).map(|text| format!("{file}: {text}")));
            default.get_or_insert(key);
        }
        Ok(Table {
            names,
            default: default.ok_or_else(|| invalid("a server needs a certificate"))?,
            warnings,
        })
    }

    /// Returns the certificates of a host: those with its name, or those for all hosts of its domain.
    fn find(&self, host: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        self.names.get(host).or_else(|| {
            let (_, domain) = host.split_once('.')?;
            self.names.get(&format!("*.{domain}"))
        })
    }
}

fn read(chain: &Path, key: &Path) -> io::Result<CertifiedKey> {
    let bytes = |path: &Path| {
        let read = std::fs::read(path);
        read.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    load(
        &bytes(chain)?,
        &bytes(key)?,
        &chain.display().to_string(),
        &key.display().to_string(),
    )
}

/// Returns what is wrong with the time of a certificate.
fn expiry(certificate: &EndEntityCert<'_>) -> Option<String> {
    // The times are looked at before the issuer is, and nobody is trusted here.
    let checked = certificate.verify_for_usage(
        &[],
        &[],
        &[],
        UnixTime::now(),
        KeyUsage::server_auth(),
        None,
        None,
    );
    let days = |from: UnixTime, to: UnixTime| to.as_secs().saturating_sub(from.as_secs()) / 86_400;
    match checked.err()? {
        webpki::Error::CertExpired { time, not_after } => Some(format!(
            "the certificate expired {} days ago: clients will refuse it; renew it",
            days(not_after, time)
        )),
        webpki::Error::CertNotValidYet { time, not_before } => Some(format!(
            "the certificate is not valid yet, for {} days: clients will refuse it; look at this machine's clock",
            days(time, not_before)
        )),
        _ => None,
    }
}

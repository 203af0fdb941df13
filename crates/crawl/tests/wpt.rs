//! The URL cases of the web platform tests, as the `url` crate ships them.
//!
//! They are read from the crate's source, which `cargo metadata` finds, and not from a copy: so they are always those
//! which our `url` was made by, and no licence of theirs has to be carried here.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use switchboard_crawl::{Address, AddressError};
use url::Url;

/// The file with the cases; an error says why it is not there.
fn cases() -> Result<Vec<Value>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut metadata = Command::new(cargo);
    metadata
        .args([
            "metadata",
            "--format-version=1",
            "--offline",
            "--manifest-path",
        ])
        .arg(manifest);
    let output = metadata.output().map_err(|error| error.to_string())?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let url = packages
        .iter()
        .find(|package| package["name"] == "url")
        .ok_or("no url crate")?;
    let file = PathBuf::from(url["manifest_path"].as_str().ok_or("no path")?)
        .with_file_name("tests/urltestdata.json");
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// What our rules make of a serialised URL, written another way than the crate does it.
fn by_our_rules(href: &str) -> String {
    let href = href.split('#').next().unwrap();
    let (scheme, rest) = href.split_once("://").unwrap();
    let (authority, rest) = rest.split_at(rest.find('/').unwrap());
    let host = authority.rsplit('@').next().unwrap();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, format!(":{port}")),
        _ => (host, String::new()),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let rest = match rest.split_once('?') {
        Some((path, "")) => path,
        _ => rest,
    };
    let mut pieces = rest.split('%');
    let mut out = format!("{scheme}://{name}{port}{}", pieces.next().unwrap());
    for piece in pieces {
        let digits = piece
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte.into())
            }
            Some(byte) => out += &format!("%{byte:02X}"),
            None => out.push('%'),
        }
        out += if digits.is_some() { &piece[2..] } else { piece };
    }
    out
}

#[test]
fn every_case_gives_its_address_or_a_named_error() {
    let cases = match cases() {
        Ok(cases) => cases,
        Err(reason) => {
            return println!("skipped, the cases of the url crate are not there: {reason}");
        }
    };
    let (mut addresses, mut schemes, mut hosts, mut failures) = (0, 0, 0, 0);
    for case in cases.iter().filter(|case| case.is_object()) {
        let input = case["input"].as_str().unwrap();
        let result = match case["base"].as_str() {
            None => Address::parse(input),
            Some(base) => {
                Address::join(&Url::parse(base).unwrap(), input).map(|(address, _)| address)
            }
        };
        let Some(href) = case["href"].as_str() else {
            failures += 1;
            assert!(
                matches!(
                    result,
                    Err(AddressError::NoUrl(_) | AddressError::Scheme(_))
                ),
                "{case} gave {result:?}"
            );
            continue;
        };
        match result {
            Ok(address) => {
                addresses += 1;
                assert_eq!(address.as_str(), by_our_rules(href), "{case}");
                assert_eq!(Address::parse(address.as_str()), Ok(address), "{case}");
            }
            Err(AddressError::Host(host)) => {
                hosts += 1;
                assert!(host == "." || host.ends_with(".."), "{case} gave {host}");
            }
            Err(AddressError::Scheme(scheme)) => {
                schemes += 1;
                assert!(
                    href.starts_with(&format!("{scheme}:"))
                        && !matches!(&*scheme, "http" | "https"),
                    "{case} gave {scheme}"
                );
            }
            Err(error) => {
                // What `url` itself is known not to do; all of it is about other schemes.
                let protocol = case["protocol"].as_str().unwrap();
                assert!(
                    !matches!(protocol, "http:" | "https:"),
                    "{case} gave {error}"
                );
            }
        }
    }
    println!(
        "{addresses} addresses, {schemes} other schemes, {hosts} hosts refused, {failures} failures"
    );
    let of_ours = cases.iter().filter(|case| {
        case["protocol"]
            .as_str()
            .is_some_and(|protocol| matches!(protocol, "http:" | "https:"))
    });
    assert_eq!(addresses + hosts, of_ours.count());
    assert!(addresses > 200 && schemes > 300 && failures > 200);
}

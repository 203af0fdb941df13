//! Where programs are, and how those of other languages are made.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is compiled here, and how. `@FROM@` is the folder of this package.
const COMPILED: [(&str, &str); 3] = [
    ("echo-go", "go build -o @TO@ @FROM@/scripts/echo.go"),
    ("http-go", "go build -o @TO@ @FROM@/peers/http.go"),
    (
        "http-h2o",
        "cc -O2 -DH2O_USE_LIBUV=0 -o @TO@ @FROM@/peers/h2o.c -lh2o-evloop -lssl -lcrypto",
    ),
];

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The path of a program that was built with this one.
pub(super) fn ours(program: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap_or_default();
    path.set_file_name(program);
    path
}

/// Compiles one of [`COMPILED`], beside this program.
///
/// # Errors
/// What the compiler said.
pub(super) fn compile(program: &str) -> Result<PathBuf, String> {
    let path = ours(program);
    let Some((_, how)) = COMPILED.iter().find(|(name, _)| *name == program) else {
        return Ok(path);
    };
    let mut words = how.split(' ').map(|word| {
        let word = word.replace("@TO@", &path.display().to_string());
        word.replace("@FROM@", HERE)
    });
    let compiler = words.next().unwrap_or_default();
    let output = Command::new(&compiler).args(words).output();
    let output =
        output.map_err(|error| format!("{program} is not compiled: {compiler}: {error}"))?;
    match output.status.success() {
        true => Ok(path),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said
                .lines()
                .find(|line| line.contains("error"))
                .unwrap_or_default();
            Err(format!("{program} is not compiled: {said}"))
        }
    }
}

/// Finds a program: one built or compiled with this one, the checkout's `switchboard`, or one of the system.
///
/// # Errors
/// Why it is not there.
pub(super) fn find(program: &str) -> Result<PathBuf, String> {
    let built = ["http-", "chat-", "websocket-"];
    if built.iter().any(|start| program.starts_with(start)) {
        let path = compile(program)?;
        let why = || format!("{program} is not built; run `cargo build --release` first");
        return path.exists().then_some(path).ok_or_else(why);
    }
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin";
    let checkout = Path::new(HERE).join("../target/release");
    let folders = std::iter::once(checkout).chain(path.split(':').map(PathBuf::from));
    let mut all = folders.map(|folder| folder.join(program));
    let why = || format!("there is no program {program}; bench/README.md says how to install it");
    all.find(|path| path.is_file()).ok_or_else(why)
}

/// Whether a command succeeds, as `switchboard serve files --help` does once there is such a service.
pub(super) fn succeeds(program: &Path, arguments: &str) -> bool {
    Command::new(program)
        .args(arguments.split_ascii_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

//! The machine that measures, and the placement of threads on its cores.

mod limits;

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use crate::report::Figure;

use limits::within;

pub use limits::Limits;
pub(crate) use limits::group_folders;

/// A description of the machine that measured.
///
/// ```
/// let machine = switchboard_lab::machine();
/// assert!(machine.cores >= 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor's name, or its architecture where the system does not report the name.
    pub cpu: String,
    /// The number of cores that this process may use.
    pub cores: usize,
    /// The clock of a core in MHz when the run began; `None` where the system does not report it.
    pub mhz: Option<f64>,
    /// Bytes of memory; 0 where the system does not report it.
    pub memory_bytes: u64,
    /// The kernel's name and release.
    pub kernel: String,
    /// What it runs in, as far as that shows: `virtual machine (KVM)`, `container (docker)`.
    pub within: Vec<String>,
    /// What limits processes.
    pub limits: Limits,
    /// Seconds of a fixed computation, timed before, between and after what was measured: its spread is the drift of
    /// the machine's speed.
    pub control: Option<Figure>,
}

/// Returns the description of this machine.
pub fn machine() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| {
        let kib: u64 = text.strip_suffix(" kB")?.parse().ok()?;
        kib.checked_mul(1024)
    });
    let processor = read("/proc/cpuinfo");
    let name = rustix::system::uname();
    Machine {
        cpu: field(&processor, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: cores().len(),
        mhz: field(&processor, "cpu MHz").and_then(|text| text.parse().ok()),
        memory_bytes: memory.unwrap_or(0),
        kernel: format!(
            "{} {}",
            name.sysname().to_string_lossy(),
            name.release().to_string_lossy()
        ),
        within: within(&processor),
        limits: Limits::here(),
        control: None,
    }
}

/// Returns the value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Returns the numbers of the cores that this thread may run on; at least one.
pub fn cores() -> Vec<usize> {
    affinity::allowed().unwrap_or_else(|| {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        (0..count).collect()
    })
}

/// Pins a thread to one core, together with all threads and processes that it starts later. The thread is
/// given by its id, which for a process's first thread is the process id; `None` is the calling thread.
///
/// # Errors
/// `InvalidInput` for an impossible id or core; the system's for a thread or core that does not exist;
/// `Unsupported` where the system has no such call.
pub fn pin(thread: Option<u32>, core: usize) -> io::Result<()> {
    affinity::pin(thread, core)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod affinity {
    use std::io;

    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) fn allowed() -> Option<Vec<usize>> {
        // The call fails on machines with more cores than a `CpuSet` can hold.
        let set = sched_getaffinity(None).ok()?;
        Some((0..CpuSet::MAX_CPU).filter(|&n| set.is_set(n)).collect())
    }

    pub(super) fn pin(thread: Option<u32>, core: usize) -> io::Result<()> {
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        if core >= CpuSet::MAX_CPU {
            return Err(invalid(format!("there is no core {core}")));
        }
        // The system takes 0 for the calling thread; from a caller it is a wrong id.
        let named = |id: u32| {
            let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
            pid.ok_or_else(|| invalid(format!("{id} is no thread's id")))
        };
        let mut set = CpuSet::new();
        set.set(core);
        Ok(sched_setaffinity(thread.map(named).transpose()?, &set)?)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod affinity {
    use std::io;

    pub(super) fn allowed() -> Option<Vec<usize>> {
        None
    }

    pub(super) fn pin(_thread: Option<u32>, _core: usize) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this platform has no call that keeps a thread on a core",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: A: B\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_is_pinned_to_a_core_it_may_use() {
        let core = *cores().last().unwrap();
        std::thread::spawn(move || {
            pin(None, core).unwrap();
            assert_eq!(cores(), [core]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn an_impossible_id_or_core_pins_no_thread() {
        let before = cores();
        assert!(pin(None, usize::MAX).is_err());
        assert!(pin(Some(0), before[0]).is_err());
        assert!(pin(Some(u32::MAX), before[0]).is_err());
        assert_eq!(cores(), before);
    }
}

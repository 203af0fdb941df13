//! The limits of processes, and what the machine runs in.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

/// What limits the processes of this machine. `None` is no limit, or one that the system does not report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Descriptors of a process (`RLIMIT_NOFILE`, soft).
    pub descriptors: Option<u64>,
    /// Descriptors to which a process may raise that (`RLIMIT_NOFILE`, hard).
    pub descriptors_most: Option<u64>,
    /// Threads of a user (`RLIMIT_NPROC`, soft).
    pub processes: Option<u64>,
    /// Threads of the machine (`kernel.threads-max`).
    pub threads_max: Option<u64>,
    /// Process ids, which threads have too (`kernel.pid_max`).
    pub pid_max: Option<u64>,
    /// Mappings of a process (`vm.max_map_count`); a thread's stack takes two or more.
    pub max_map_count: Option<u64>,
    /// Threads in the control group (`pids.max`).
    pub group_pids: Option<u64>,
    /// Cores' time of the control group (`cpu.max`): 1.5 is that of a core and a half.
    pub group_cores: Option<f64>,
    /// Bytes of memory of the control group (`memory.max`).
    pub group_memory_bytes: Option<u64>,
}

impl Limits {
    /// Reads the limits of this process.
    pub(super) fn here() -> Limits {
        let number = |path| number(&read(Path::new(path)));
        let files = getrlimit(Resource::Nofile);
        let groups = read(Path::new("/proc/self/cgroup"));
        let least = |controller: &str, file: &str| {
            let folders = group_folders(&groups, controller).into_iter();
            folders
                .filter_map(|at| self::number(&read(&at.join(file))))
                .min()
        };
        let cores = group_folders(&groups, "cpu").into_iter();
        let cores = cores.filter_map(|at| share(&read(&at.join("cpu.max"))));
        let old = Path::new("/sys/fs/cgroup");
        Limits {
            descriptors: files.current,
            descriptors_most: files.maximum,
            processes: processes(),
            threads_max: number("/proc/sys/kernel/threads-max"),
            pid_max: number("/proc/sys/kernel/pid_max"),
            max_map_count: number("/proc/sys/vm/max_map_count"),
            group_pids: least("pids", "pids.max"),
            group_cores: cores.min_by(f64::total_cmp).or_else(|| old_share(old)),
            group_memory_bytes: least("memory", "memory.max").or_else(|| {
                let bytes = least("memory", "memory.limit_in_bytes")?;
                // The first version says no limit by a number near the greatest.
                (bytes < 1 << 60).then_some(bytes)
            }),
        }
    }
}

#[cfg(target_os = "linux")]
fn processes() -> Option<u64> {
    getrlimit(Resource::Nproc).current
}

#[cfg(not(target_os = "linux"))]
fn processes() -> Option<u64> {
    None
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Returns the folders of a controller's control groups by `/proc/PID/cgroup`, from the process's own upwards, in
/// both versions of the hierarchy.
pub(crate) fn group_folders(cgroup: &str, controller: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let root = match controllers {
            "" => root.to_owned(),
            named if named.split(',').any(|each| each == controller) => root.join(named),
            _ => continue,
        };
        let own = root.join(path.trim_start_matches('/'));
        let above = own.ancestors().take_while(|each| each.starts_with(&root));
        found.extend(above.map(Path::to_owned));
    }
    found
}

/// Parses `cpu.max`: `150000 100000` is a core and a half, `max 100000` no limit.
fn share(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    Some(quota / period).filter(|share| share.is_finite() && *share > 0.0)
}

/// Returns the share by the first version of control groups.
fn old_share(root: &Path) -> Option<f64> {
    let of = |name: &str| read(&root.join("cpu").join(name)).trim().to_owned();
    share(&format!(
        "{} {}",
        of("cpu.cfs_quota_us"),
        of("cpu.cfs_period_us")
    ))
}

/// Returns what the machine is within, as far as that shows.
pub(super) fn within(processor: &str) -> Vec<String> {
    let mut found = Vec::new();
    let flags = processor
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    let vendor = read(Path::new("/sys/class/dmi/id/sys_vendor"));
    if flags.split_whitespace().any(|flag| flag == "hypervisor") {
        found.push(match vendor.trim() {
            "" => "virtual machine".to_owned(),
            vendor => format!("virtual machine ({vendor})"),
        });
    }
    let first = read(Path::new("/proc/1/cgroup"));
    let marks = [
        (
            "docker",
            Path::new("/.dockerenv").exists() || first.contains("docker"),
        ),
        ("podman", Path::new("/run/.containerenv").exists()),
        (
            "kubernetes",
            std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() || first.contains("kubepods"),
        ),
        ("lxc", first.contains("lxc")),
    ];
    let names: Vec<&str> = marks
        .iter()
        .filter(|(_, is)| *is)
        .map(|(name, _)| *name)
        .collect();
    if !names.is_empty() {
        found.push(format!("container ({})", names.join(", ")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_cores_is_a_quotient() {
        assert_eq!(share("150000 100000\n"), Some(1.5));
        for none in ["max 100000\n", "", "-1 100000", "5 0"] {
            assert_eq!(share(none), None, "{none}");
        }
    }

    #[test]
    fn groups_are_found_in_both_hierarchies() {
        let text = "8:pids:/a/b\n4:memory:/x\n0::/c\n";
        let found = group_folders(text, "pids");
        let expected = ["pids/a/b", "pids/a", "pids", "c", ""];
        let expected: Vec<PathBuf> = expected
            .iter()
            .map(|each| Path::new("/sys/fs/cgroup").join(each))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_limits_of_this_process_are_read() {
        let limits = Limits::here();
        assert_eq!(limits.descriptors, getrlimit(Resource::Nofile).current);
        assert!(
            limits.max_map_count.is_some_and(|count| count > 1000),
            "{limits:?}"
        );
        assert!(
            limits.pid_max.is_some() && limits.threads_max.is_some(),
            "{limits:?}"
        );
    }
}

//! How much memory there is for compiling: that of this machine, or of the control group that the program runs in.

use std::fs;
use std::path::Path;

/// Where control groups of version 2 are told about.
const GROUPS: &str = "/sys/fs/cgroup";

/// The memory that this program may use, bytes; `None` where the system does not say.
pub(super) fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|told| total(&told));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group(&own).and_then(|group| limit(Path::new(GROUPS), group));
    machine.into_iter().chain(group).min()
}

/// `MemTotal` of `/proc/meminfo`.
fn total(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The group of version 2 in `/proc/self/cgroup`.
fn group(told: &str) -> Option<&str> {
    told.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The least `memory.max` of a group and those that it is in.
fn limit(root: &Path, group: &str) -> Option<u64> {
    let own = root.join(group);
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    // A group without a limit says "max".
    let limits = groups.filter_map(|group| fs::read_to_string(group.join("memory.max")).ok());
    limits.filter_map(|limit| limit.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        let told = "MemFree:  1 kB\nMemTotal:       24684096 kB\nMemAvailable:   24043000 kB\n";
        assert_eq!(total(told), Some(24_684_096 << 10));
        assert_eq!(total("MemTotal: many kB"), None);
        assert_eq!(
            group("4:memory:/x\n0::/system.slice/openpact.service\n"),
            Some("system.slice/openpact.service")
        );
        assert_eq!(group("4:memory:/x\n"), None);
        assert!(memory().is_some_and(|bytes| bytes > 1 << 20), "of this machine");
    }

    #[test]
    fn the_least_limit_of_the_groups_around_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("system.slice/openpact.service");
        fs::create_dir_all(&own).unwrap();
        let told = || limit(root.path(), "system.slice/openpact.service");
        assert_eq!(told(), None);
        fs::write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(told(), None);
        fs::write(own.join("memory.max"), "2000\n").unwrap();
        assert_eq!(told(), Some(2000));
        fs::write(root.path().join("system.slice/memory.max"), "1000\n").unwrap();
        assert_eq!(told(), Some(1000));
        assert_eq!(limit(root.path(), ""), None, "the root has none");
    }
}

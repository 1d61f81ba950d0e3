//! What a process's groups leave it of the CPUs: time (`cpu.max`) and places (`cpuset.cpus`). See the
//! kernel's `admin-guide/cgroup-v2.rst`, `scheduler/sched-bwc.rst` and `admin-guide/cgroup-v1/cpusets.rst`.

use std::path::Path;

use super::locate::{Controller, Level, Location, Version, locate};
use super::tightest;
use crate::sources::Absent;
use crate::sources::cpus::CpuList;
use crate::sources::file::read_text;

/// Whose groups.
pub struct Membership {
    text: String,
    pid: u32,
}

impl Membership {
    /// `root` stands for `/`. Without a `pid`, this process's.
    pub fn read(root: &Path, pid: Option<u32>) -> Result<Self, Absent> {
        let text = match pid {
            None => read_text(&root.join("proc/self/cgroup"), "proc/self/cgroup"),
            Some(pid) => read_text(&root.join(format!("proc/{pid}/cgroup")), "proc/<pid>/cgroup"),
        }?;
        Ok(Self { text, pid: pid.unwrap_or_else(std::process::id) })
    }

    /// The CPU time that the process may use, in CPUs: the tightest quota of its group and those
    /// around it that can be seen.
    pub fn quota(&self, root: &Path) -> Result<f64, Absent> {
        let Location { version, levels } = locate(root, &self.text, self.pid, Controller::Cpu)?;
        let quotas = levels.iter().map(|level| match version {
            Version::V1 => quota_v1(level),
            Version::V2 => parse_max(&read(level, "cpu.max")?),
        });
        tightest(quotas.enumerate()).map_or(Err(Absent::Unlimited("cpu.max")), |(_, quota)| quota)
    }

    /// The CPUs of the process's cpuset. Either version keeps it within that of the group around it.
    pub fn cpuset(&self, root: &Path) -> Result<CpuList, Absent> {
        let Location { version, levels } = locate(root, &self.text, self.pid, Controller::Cpuset)?;
        let level = levels.first().ok_or(Absent::Because("the process is in no cpuset cgroup"))?;
        let files: &[&'static str] = match version {
            // The first since Linux 3.17: what of the second is online.
            Version::V1 => &["cpuset.effective_cpus", "cpuset.cpus"],
            Version::V2 => &["cpuset.cpus.effective"],
        };
        let lists = files.iter().map(|&file| CpuList::parse(&read(level, file)?, file));
        lists.reduce(|first, second| first.or(second)).unwrap_or(Err(Absent::Malformed("cpuset.cpus")))
    }
}

fn read(level: &Level, name: &'static str) -> Result<String, Absent> {
    read_text(&level.directory.join(name), name)
}

fn quota_v1(level: &Level) -> Result<f64, Absent> {
    let (quota, period) = (read(level, "cpu.cfs_quota_us")?, read(level, "cpu.cfs_period_us")?);
    parse_cfs(&quota, &period)
}

/// Microseconds in each period, and the period: `150000 100000`, or `max 100000`.
fn parse_max(text: &str) -> Result<f64, Absent> {
    const NAME: &str = "cpu.max";
    match text.trim_end().split_once(' ') {
        Some(("max", _)) => Err(Absent::Unlimited(NAME)),
        Some((quota, period)) => cpus(quota, period).ok_or(Absent::Malformed(NAME)),
        None => Err(Absent::Malformed(NAME)),
    }
}

/// The same in two files; no quota is -1.
fn parse_cfs(quota: &str, period: &str) -> Result<f64, Absent> {
    const NAME: &str = "cpu.cfs_quota_us";
    match quota.trim_end() {
        "-1" => Err(Absent::Unlimited(NAME)),
        quota => cpus(quota, period.trim_end()).ok_or(Absent::Malformed(NAME)),
    }
}

/// The kernel takes neither a quota nor a period under 1 ms (sched-bwc.rst).
fn cpus(quota: &str, period: &str) -> Option<f64> {
    let positive = |text: &str| text.parse().ok().filter(|&number: &u64| number > 0);
    Some(positive(quota)? as f64 / positive(period)? as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MALFORMED: Absent = Absent::Malformed("cpu.max");

    /// Of `__test__/fixtures/container/<case>`: the quota, and how many CPUs the cpuset has.
    fn read_case(case: &str, pid: Option<u32>) -> (Result<f64, Absent>, Result<u64, Absent>) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("__test__/fixtures/container").join(case);
        match Membership::read(&root, pid) {
            Ok(groups) => (groups.quota(&root), groups.cpuset(&root).map(|list| list.len())),
            Err(reason) => (Err(reason), Err(reason)),
        }
    }

    #[test]
    fn fixtures() {
        assert_eq!(read_case("v2-docker", None), (Ok(1.5), Ok(7)));
        assert_eq!(read_case("v2-pod", None), (Ok(0.5), Ok(2)), "the quota of the group around is tighter");
        assert_eq!(read_case("v2-login", None), (Err(Absent::Unlimited("cpu.max")), Ok(2)));
        assert_eq!(read_case("v1-docker", None), (Ok(0.5), Ok(2)));
        assert_eq!(read_case("v1-pod", None), (Ok(2.5), Ok(8)), "without effective_cpus");
        assert_eq!(read_case("other-process", Some(4711)), (Ok(3.0), Ok(2)));
        let broken = Err(Absent::Malformed("cpuset.cpus.effective"));
        assert_eq!(read_case("v2-broken", None), (Err(MALFORMED), broken));
        let unseen = read_case("no-cgroup", None);
        assert!(matches!(unseen, (Err(Absent::Because(_)), Err(Absent::Because(_)))), "{unseen:?}");
        let gone = Absent::File("proc/<pid>/cgroup", libc::ENOENT);
        assert_eq!(read_case("other-process", Some(1)), (Err(gone), Err(gone)));
    }

    #[test]
    fn quotas_version_2() {
        assert_eq!(parse_max("150000 100000\n"), Ok(1.5));
        assert_eq!(parse_max("25000 100000\n"), Ok(0.25));
        assert_eq!(parse_max("max 100000\n"), Err(Absent::Unlimited("cpu.max")));
        for bad in ["", "100000\n", "0 100000\n", "1 0\n", "-1 100000\n", "1 2 3\n", "a b\n"] {
            assert_eq!(parse_max(bad), Err(MALFORMED), "{bad:?}");
        }
    }

    #[test]
    fn quotas_version_1() {
        assert_eq!(parse_cfs("50000\n", "100000\n"), Ok(0.5));
        assert_eq!(parse_cfs("400000\n", "100000\n"), Ok(4.0));
        assert_eq!(parse_cfs("-1\n", "100000\n"), Err(Absent::Unlimited("cpu.cfs_quota_us")));
        for (quota, period) in [("", ""), ("-2", "100000"), ("1", "0"), ("1", "")] {
            assert_eq!(parse_cfs(quota, period), Err(Absent::Malformed("cpu.cfs_quota_us")));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(quota in any::<String>(), period in any::<String>()) {
            let _ = parse_max(&quota);
            let _ = parse_cfs(&quota, &period);
        }

        #[test]
        fn a_quota_is_a_positive_number(quota in "[0-9]{0,21}", period in "[0-9]{0,21}") {
            for cpus in [parse_max(&format!("{quota} {period}")), parse_cfs(&quota, &period)].into_iter().flatten() {
                prop_assert!(cpus > 0.0 && cpus.is_finite());
            }
        }
    }
}

//! Sets of CPUs, as the kernel lists them: which are online, and which a process may run on.

use std::path::Path;

use super::Absent;
use super::file::{read_text, values};

const ONLINE: &str = "sys/devices/system/cpu/online";

/// A list such as `0-3,8,10-11`: the first and the last of each range, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList(Vec<(u32, u32)>);

impl CpuList {
    /// `name` is what the file is called in notes. An empty list is malformed: a process that runs has
    /// a CPU to run on.
    pub fn parse(text: &str, name: &'static str) -> Result<Self, Absent> {
        let malformed = Absent::Malformed(name);
        let mut ranges = Vec::new();
        let mut next = 0;
        for range in text.trim().split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first: u32 = first.parse().map_err(|_| malformed)?;
            let last: u32 = last.parse().map_err(|_| malformed)?;
            if first < next || last < first {
                return Err(malformed);
            }
            next = last.checked_add(1).ok_or(malformed)?;
            ranges.push((first, last));
        }
        Ok(Self(ranges))
    }

    /// How many CPUs it has.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Those that are in both lists.
    pub fn intersection(&self, other: &Self) -> Self {
        let common = |&(a, b): &(u32, u32), &(c, d): &(u32, u32)| {
            let (first, last) = (a.max(c), b.min(d));
            (first <= last).then_some((first, last))
        };
        Self(
            self.0.iter().flat_map(|ours| other.0.iter().filter_map(|theirs| common(ours, theirs))).collect(),
        )
    }
}

/// The CPUs that the kernel schedules on. `root` stands for `/`.
pub fn online(root: &Path) -> Result<CpuList, Absent> {
    CpuList::parse(&read_text(&root.join(ONLINE), ONLINE)?, ONLINE)
}

/// The CPUs that a process may run on, `Cpus_allowed_list` (proc(5)): its affinity mask, which the
/// kernel keeps within its cpuset (sched_setaffinity(2)). It may name CPUs that are not online. Without
/// a `pid`, this process's.
pub fn allowed(root: &Path, pid: Option<u32>) -> Result<CpuList, Absent> {
    let (path, name) = match pid {
        None => (root.join("proc/self/status"), "proc/self/status"),
        Some(pid) => (root.join(format!("proc/{pid}/status")), "proc/<pid>/status"),
    };
    parse_allowed(&read_text(&path, name)?, name)
}

fn parse_allowed(status: &str, name: &'static str) -> Result<CpuList, Absent> {
    const LINE: &str = "Cpus_allowed_list";
    let [value] = values(status, b':', [LINE]);
    CpuList::parse(value.ok_or(Absent::NoLine(name, LINE))?, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATUS_NODE: &str = include_str!("../../__test__/fixtures/proc/status-node20");

    fn list(text: &str) -> Result<CpuList, Absent> {
        CpuList::parse(text, "list")
    }

    fn len(text: &str) -> Result<u64, Absent> {
        list(text).map(|list| list.len())
    }

    #[test]
    fn lists() {
        assert_eq!(len("0\n"), Ok(1));
        assert_eq!(len("0-3,8,10-11\n"), Ok(7));
        assert_eq!(len("0-4294967294\n"), Ok(4_294_967_295));
        for bad in ["", "\n", "0-", "-1", "3-0", "0,0", "0-3,2", "a", "0,,1", "0x1", "4294967296", "0 1"] {
            assert_eq!(list(bad), Err(Absent::Malformed("list")), "{bad:?}");
        }
    }

    #[test]
    fn intersections() {
        let common = |a, b| Ok::<_, Absent>(list(a)?.intersection(&list(b)?));
        assert_eq!(common("0-127", "0-1"), list("0-1"));
        assert_eq!(common("0-3,8,10-11", "2-10"), list("2-3,8,10"));
        assert_eq!(common("0-1", "2-3").map(|list| list.len()), Ok(0));
    }

    #[test]
    fn a_node_process_may_run_somewhere() {
        assert!(parse_allowed(STATUS_NODE, "status").is_ok_and(|list| list.len() >= 1));
        let missing = Err(Absent::NoLine("status", "Cpus_allowed_list"));
        assert_eq!(parse_allowed("Name:\tnode\nCpus_allowed:\t3\n", "status"), missing);
    }

    #[test]
    fn the_mask_is_what_the_scheduler_says() {
        let root = Path::new("/");
        // SAFETY: a cpu_set_t is a plain bit mask, of the size given; sched_getaffinity(2).
        let scheduler = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
            libc::CPU_COUNT(&set)
        };
        let ours = allowed(root, None).and_then(|mask| Ok(mask.intersection(&online(root)?).len()));
        assert_eq!(ours, Ok(scheduler as u64));
        assert_eq!(allowed(root, Some(std::process::id())), allowed(root, None));
    }

    #[test]
    fn what_is_missing_is_named() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(online(nowhere), Err(Absent::File(ONLINE, libc::ENOENT)));
        assert_eq!(allowed(nowhere, Some(1)), Err(Absent::File("proc/<pid>/status", libc::ENOENT)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse_allowed(&text, "status");
            let _ = len(&text);
        }

        #[test]
        fn no_list_panics(a in "[0-9]{0,11}(-[0-9]{0,11})?(,[0-9]{1,4}(-[0-9]{1,4})?){0,4}", b in "[0-9-]{1,6}") {
            if let (Ok(a), Ok(b)) = (list(&a), list(&b)) {
                let common = a.intersection(&b).len();
                prop_assert!(common <= a.len() && common <= b.len());
            }
        }
    }
}

//! Readings of one instant, put together.

mod stats;

pub use stats::Stats;

use std::time::Duration;

use crate::sources::cgroup::{self, Cgroup};
use crate::sources::process::{self, Process};
use crate::sources::{Absent, Figure};

/// The native half of a snapshot; V8's half comes from JavaScript, which alone can ask it.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// What the kernel counts for the process.
    pub process: Process,
    /// What the live allocator counts.
    pub stats: Stats,
    /// What the kernel counts for the process's memory cgroup.
    pub cgroup: Cgroup,
    /// RSS minus V8's resident heap. Negative where V8 counts pages that the kernel took back.
    pub gap: Result<i64, Absent>,
}

/// For the JavaScript thread: the allocator's and the cgroup's figures may be `max_age` old.
/// `v8_resident` is the isolate's `total_physical_size`.
pub fn take(max_age: Duration, v8_resident: u64) -> Snapshot {
    let process = process::Source::own().read();
    let cgroup = cgroup::Source::own().read(max_age);
    let stats = Stats::read(max_age);
    Snapshot {
        process,
        stats: Stats { overdue: stats.overdue || cgroup.overdue, ..stats },
        cgroup: cgroup.value,
        gap: gap(process.rss, v8_resident),
    }
}

/// For other threads: refreshes what [`take`] may have had to reuse, whatever it takes.
pub fn refresh() {
    Stats::refresh();
    cgroup::Source::own().refresh();
}

fn gap(rss: Figure, v8_resident: u64) -> Result<i64, Absent> {
    let too_large = Absent::Because("RSS or V8's heap is beyond 2^63 bytes");
    rss?.checked_signed_diff(v8_resident).ok_or(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_may_be_negative_but_not_wrong() {
        assert_eq!(gap(Ok(480), 280), Ok(200));
        assert_eq!(gap(Ok(280), 480), Ok(-200));
        assert!(gap(Ok(u64::MAX), 0).is_err());
        let reason = Absent::File("proc/self/status", libc::EACCES);
        assert_eq!(gap(Err(reason), 1), Err(reason));
    }
}

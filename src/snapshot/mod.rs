//! Readings of one instant, put together.

pub mod inspection;
pub mod ledger;
pub mod mappings;
pub mod outside;
mod stats;

pub use stats::Stats;

use std::time::Duration;

use crate::sources::cgroup::{self, Cgroup};
use crate::sources::process::{self, Process};
use crate::sources::{Absent, Figure};
use ledger::{Held, Ledger, V8};

/// The native half of a snapshot; V8's half comes from JavaScript, which alone can ask it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the kernel counts for the process.
    pub process: Process,
    /// What the live allocator counts.
    pub stats: Stats,
    /// What the kernel counts for the process's memory cgroup.
    pub cgroup: Cgroup,
    /// RSS minus V8's resident heap. Negative where V8 counts pages that the kernel took back.
    pub gap: Result<i64, Absent>,
    /// RSS by parts, from these counters alone.
    pub ledger: Ledger,
}

/// For the JavaScript thread: the allocator's and the cgroup's figures may be `max_age` old.
pub fn take(max_age: Duration, v8: &V8) -> Snapshot {
    let process = process::Source::own().read();
    let cgroup = cgroup::Source::own().read(max_age);
    let stats = Stats::read(max_age);
    Snapshot {
        process,
        stats: Stats { overdue: stats.overdue || cgroup.overdue, ..stats },
        cgroup: cgroup.value,
        gap: gap(process.rss, v8.heap),
        ledger: ledger::from_counters(&process, v8, &Held::from(&stats)),
    }
}

/// For other threads: refreshes what [`take`] may have had to reuse.
pub fn refresh_if_due() {
    Stats::refresh_if_due();
    cgroup::Source::own().refresh_if_due();
}

fn gap(rss: Figure, v8_resident: u64) -> Result<i64, Absent> {
    let too_large = Absent::Because("RSS or V8's heap is beyond 2^63 bytes");
    rss?.checked_signed_diff(v8_resident).ok_or(too_large)
}

/// What a purge can be expected to take off RSS.
pub fn purgeable(stats: &Stats, anon: Figure, v8_resident: u64) -> Figure {
    touched(stats.freed()?, stats, anon, v8_resident)
}

/// How much of `part`, one of the figures that make up `resident`, can be in RSS.
///
/// jemalloc counts pages that were never touched (5.3.1 rounds a 64 KiB block up to 80 KiB, to vary
/// where it starts), and those are not in RSS. Where it says that more is resident than the kernel
/// leaves room for beside V8's heap, the part's pages are taken to be untouched in the same proportion
/// as all others.
pub fn touched(part: u64, stats: &Stats, anon: Figure, v8_resident: u64) -> Figure {
    let resident = stats.resident?;
    let room = anon?.saturating_sub(v8_resident);
    if resident <= room {
        return Ok(part);
    }
    // 128 bits, because the product of two sizes does not fit in 64.
    let share = u128::from(part) * u128::from(room) / u128::from(resident);
    Ok(u64::try_from(share).unwrap_or(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(dirty: u64, muzzy: u64, resident: u64) -> Stats {
        let absent = Stats::read(Duration::MAX);
        Stats { dirty: Ok(dirty), muzzy: Ok(muzzy), resident: Ok(resident), ..absent }
    }

    #[test]
    fn all_freed_pages_are_purgeable_where_the_kernel_has_room_for_them() {
        assert_eq!(purgeable(&stats(400, 20, 500), Ok(600), 100), Ok(420));
    }

    #[test]
    fn untouched_pages_are_left_out_in_proportion() {
        assert_eq!(purgeable(&stats(400, 0, 500), Ok(500), 100), Ok(320));
        assert_eq!(purgeable(&stats(400, 0, 500), Ok(50), 100), Ok(0));
        let huge = stats(u64::MAX, 0, u64::MAX);
        assert_eq!(purgeable(&huge, Ok(1 << 40), 0), Ok(1 << 40));
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        let reason = Absent::NoKey("stats.arenas.4096.pdirty");
        let unknown = Stats { dirty: Err(reason), ..stats(0, 0, 0) };
        assert_eq!(purgeable(&unknown, Ok(1), 0), Err(reason));
        assert!(purgeable(&stats(1, 1, 1), Err(reason), 0).is_err());
    }

    #[test]
    fn the_gap_may_be_negative_but_not_wrong() {
        assert_eq!(gap(Ok(480), 280), Ok(200));
        assert_eq!(gap(Ok(280), 480), Ok(-200));
        assert!(gap(Ok(u64::MAX), 0).is_err());
        let reason = Absent::File("proc/self/status", libc::EACCES);
        assert_eq!(gap(Err(reason), 1), Err(reason));
    }
}

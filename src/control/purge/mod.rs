//! Making the live allocator give free memory back to the kernel.

mod calls;
mod kept;

pub use calls::flush_thread_cache;
pub use kept::Kept;

use std::path::Path;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::live::{Kind, allocator};
use crate::snapshot::{self, Stats};
use crate::sources::smaps::{self, Rollup};
use crate::sources::{Absent, Figure, jemalloc, process};

/// What a purge did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The call that gave memory back.
    pub method: Result<&'static str, Absent>,
    /// RSS just before and just after.
    pub rss_before: Figure,
    pub rss_after: Figure,
    /// What was to be expected; see [`snapshot::purgeable`].
    pub purgeable: Figure,
    /// The allocator's figures just before and just after.
    pub before: Stats,
    pub after: Stats,
    /// How often the allocator was asked.
    pub attempts: u32,
    /// All of it, waiting between attempts included.
    pub duration: Duration,
    /// What of the freed pages had been due to be returned by decay.
    overdue: u64,
    /// What is still there, and why; the largest first.
    pub kept: Vec<Kept>,
}

impl Report {
    /// How far RSS fell; negative where the process grew meanwhile.
    pub fn released(&self) -> Result<i64, Absent> {
        self.method?;
        let too_large = Absent::Because("RSS is beyond 2^63 bytes");
        self.rss_before?.checked_signed_diff(self.rss_after?).ok_or(too_large)
    }

    /// Why `kept` does not say it all.
    pub fn unexplained(&self) -> Option<Absent> {
        self.method.err().or_else(|| match allocator().kind {
            Kind::Glibc => Some(Absent::Because(
                "glibc does not tell how much of `stats.after.free` is still resident, and what pins it",
            )),
            Kind::Mimalloc => Some(Absent::Because(
                "mimalloc gives back what ended threads left and what no thread owns; what a running thread has \
                 freed, that thread gives back itself, and mimalloc does not tell how much it is",
            )),
            _ => None,
        })
    }
}

/// One at a time: jemalloc answers success at once, having done nothing, while another purge of the same
/// arena runs.
static RUNNING: Mutex<()> = Mutex::new(());

/// Asks the live allocator once, without looking whether it worked; `None` while another purge runs.
/// `dirty` is what there is to give back.
pub fn once(dirty: u64) -> Option<Result<&'static str, Absent>> {
    let _running = match RUNNING.try_lock() {
        Ok(running) => running,
        Err(TryLockError::Poisoned(running)) => running.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    Some(calls::give_back(dirty))
}

/// Purges, and looks whether it worked. For other threads than JavaScript's: it blocks for as long
/// as the kernel takes, some 60 ms a GiB. `v8_resident` is the heap of the isolate that asks.
pub fn purge(v8_resident: u64) -> Report {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let mut report = Report::before(v8_resident);
    report.decay();
    report.run();
    report.duration = started.elapsed();
    if report.method.is_ok() {
        report.kept = kept::kept(&report.case(v8_resident));
    }
    report
}

/// The waits between attempts: long enough for a purge in another thread, such as jemalloc's own
/// background thread, to finish.
const WAITS: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
];

impl Report {
    fn before(v8_resident: u64) -> Self {
        let before = Stats::refresh();
        let anon = process::Source::own().read().anon;
        let rss = process::Source::own().rss();
        Self {
            method: Err(Absent::Unread(allocator().kind.name())),
            rss_before: rss,
            rss_after: rss,
            purgeable: snapshot::purgeable(&before, anon, v8_resident),
            before,
            after: before,
            attempts: 0,
            duration: Duration::ZERO,
            overdue: 0,
            kept: Vec::new(),
        }
    }

    /// Tells pages that were due from those that were not, before the purge takes both. No more than were
    /// due: jemalloc dates pages when it next looks at them, so that those freed since then are new to it.
    fn decay(&mut self) {
        if allocator().kind == Kind::Jemalloc {
            calls::return_what_is_due();
            let left = Stats::refresh().dirty;
            self.overdue = self.before.dirty.unwrap_or(0).saturating_sub(left.unwrap_or(u64::MAX));
        }
    }

    /// Asks until the freed pages are gone, or patience is.
    fn run(&mut self) {
        let mut waits = WAITS.iter();
        loop {
            self.method = calls::give_back(self.after.dirty.unwrap_or(0));
            if self.method.is_err() {
                return;
            }
            self.attempts += 1;
            self.look_again();
            match waits.next() {
                Some(wait) if !self.is_done() => thread::sleep(*wait),
                _ => return,
            }
        }
    }

    /// What tells why RSS is not lower: read once, afterwards.
    fn case(&self, v8_resident: u64) -> kept::Case {
        let is_jemalloc = allocator().kind == Kind::Jemalloc;
        kept::Case {
            before: self.before,
            after: self.after,
            rss: self.rss_after,
            anon: process::Source::own().read().anon,
            purgeable: self.purgeable,
            released: self.released().unwrap_or(0),
            v8_resident,
            rollup: smaps::rollup(Path::new("/")).unwrap_or_else(Rollup::absent),
            classes: if is_jemalloc { jemalloc::size_classes() } else { Vec::new() },
            decay: if is_jemalloc { jemalloc::decay() } else { None },
            overdue: self.overdue,
        }
    }

    fn look_again(&mut self) {
        self.after = Stats::refresh();
        self.rss_after = process::Source::own().rss();
    }

    /// Whether the freed pages are gone from the allocator and from RSS; true where it does not count
    /// them, because nothing tells whether asking again would help. A busy process makes new dirty
    /// pages all the time, so a tenth may remain, and RSS may have grown by half as much again.
    fn is_done(&self) -> bool {
        const NOISE: u64 = 1 << 20;
        let (Ok(before), Ok(after)) = (self.before.freed(), self.after.freed()) else { return true };
        let expected = self.purgeable.unwrap_or(0) / 2;
        let gone = after <= before / 10 + NOISE;
        let fallen = self.released().unwrap_or(0) >= expected.saturating_sub(NOISE) as i64;
        gone && fallen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_grew_released_less_than_nothing() {
        let report = Report {
            method: Ok("malloc_trim"),
            rss_before: Ok(100),
            rss_after: Ok(130),
            ..Report::before(0)
        };
        assert_eq!(report.released(), Ok(-30));
    }

    #[test]
    fn what_was_not_purged_released_nothing_that_is_known() {
        let reason = Absent::Unread("musl");
        let report = Report { method: Err(reason), ..Report::before(0) };
        assert_eq!(report.released(), Err(reason));
    }
}

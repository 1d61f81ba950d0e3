//! Making the live allocator give free memory back to the kernel.

use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::live::{Kind, allocator, forward, symbols};
use crate::snapshot::{self, Stats};
use crate::sources::{Absent, Figure, process};

/// What a purge did.
#[derive(Clone, Copy, Debug)]
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
}

impl Report {
    /// How far RSS fell; negative where the process grew meanwhile.
    pub fn released(&self) -> Result<i64, Absent> {
        self.method?;
        let too_large = Absent::Because("RSS is beyond 2^63 bytes");
        self.rss_before?.checked_signed_diff(self.rss_after?).ok_or(too_large)
    }
}

/// Hands what this thread's cache keeps back to its arenas, where a purge can reach it. Cheap enough
/// for the JavaScript thread, and useless in any other: a cache can be flushed by its own thread only
/// (jemalloc(3), thread.tcache.flush).
pub fn flush_thread_cache() {
    if allocator().kind == Kind::Jemalloc {
        // EFAULT where this thread has no cache: then there is nothing to flush.
        let _ = forward::act(c"thread.tcache.flush");
    }
}

/// Purges, and looks whether it worked. For other threads than JavaScript's: it blocks for as long
/// as the kernel takes, some 60 ms a GiB. `v8_resident` is the heap of the isolate that asks.
pub fn purge(v8_resident: u64) -> Report {
    // One at a time: jemalloc answers success at once, having done nothing, while another purge of
    // the same arena runs.
    static RUNNING: Mutex<()> = Mutex::new(());
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let mut report = Report::before(v8_resident);
    match allocator().kind {
        Kind::Jemalloc => purge_jemalloc(&mut report),
        Kind::Glibc => trim_glibc(&mut report),
        _ => {}
    }
    report.duration = started.elapsed();
    report
}

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
        }
    }

    fn look_again(&mut self) {
        self.after = Stats::refresh();
        self.rss_after = process::Source::own().rss();
    }

    /// Whether the freed pages are gone from the allocator and from RSS. A busy process makes new dirty
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

/// The waits between attempts: long enough for a purge in another thread, such as jemalloc's own
/// background thread, to finish.
const WAITS: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
];

fn purge_jemalloc(report: &mut Report) {
    let mut waits = WAITS.iter();
    loop {
        report.attempts += 1;
        // 4096 is MALLCTL_ARENAS_ALL: every arena, by one call (jemalloc(3), arena.<i>.purge).
        if let Err(errno) = forward::act(c"arena.4096.purge") {
            report.method = Err(refused(errno));
            return;
        }
        report.method = Ok("arena.4096.purge");
        report.look_again();
        match waits.next() {
            Some(wait) if !report.is_done() => thread::sleep(*wait),
            _ => return,
        }
    }
}

fn refused(errno: c_int) -> Absent {
    match errno {
        libc::ENOENT => Absent::NoKey("arena.4096.purge"),
        _ => Absent::Because("jemalloc refused arena.4096.purge"),
    }
}

fn trim_glibc(report: &mut Report) {
    type MallocTrim = unsafe extern "C" fn(usize) -> c_int;
    // SAFETY: the type is that of malloc.h.
    let Some(trim) = (unsafe { symbols::function::<MallocTrim>(c"malloc_trim") }) else {
        report.method = Err(Absent::Because("this libc has no malloc_trim"));
        return;
    };
    report.attempts = 1;
    // SAFETY: malloc_trim(3) takes any pad and is thread-safe. Its answer is 1 even when nothing was
    // released: RSS tells.
    unsafe { trim(0) };
    report.method = Ok("malloc_trim");
    report.look_again();
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
        let reason = Absent::Unread("mimalloc");
        let report = Report { method: Err(reason), ..Report::before(0) };
        assert_eq!(report.released(), Err(reason));
    }
}

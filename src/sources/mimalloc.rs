//! mimalloc, by `mi_process_info`. As it is released it counts no objects, only what it has committed.
//!
//! Left alone: its `current_rss`, which is `committed` again; and `mi_stats_print_out`, which has nothing
//! more in a release build but `reserved`, rounded to four digits, and merges the calling thread's
//! statistics to print them.

use std::ffi::c_int;
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use super::refreshed::{Refreshed, Sample};
use super::{Absent, Figure};
use crate::live::symbols;

/// One reading, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mimalloc {
    /// `current_commit`: what can be resident. Some versions commit a GiB at once, and touch little of it.
    pub committed: Figure,
}

static LAST: Refreshed<Mimalloc> = Refreshed::new();

/// For the JavaScript thread; see [`Refreshed::sync`].
pub fn read(max_age: Duration) -> Sample<Mimalloc> {
    LAST.sync(max_age, |_| Duration::ZERO, now)
}

/// For other threads; rests where it has proved to be slow.
pub fn refresh_if_due() -> Sample<Mimalloc> {
    LAST.refresh_if_due(now)
}

/// For other threads: fresh figures, whatever it takes.
pub fn refresh() -> Sample<Mimalloc> {
    LAST.refresh(now)
}

fn now() -> Mimalloc {
    static CALLS: OnceLock<Option<Calls>> = OnceLock::new();
    let absent = Absent::Because("this mimalloc does not tell");
    let calls = CALLS.get_or_init(Calls::find).as_ref().ok_or(absent);
    Mimalloc { committed: calls.and_then(Calls::committed) }
}

/// Elapsed, user and system time; RSS and its peak; commit and its peak; page faults.
type ProcessInfo = unsafe extern "C" fn(
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
);

struct Calls {
    version: c_int,
    process_info: ProcessInfo,
}

impl Calls {
    fn find() -> Option<Self> {
        // SAFETY: the types are those of mimalloc.h.
        unsafe {
            let version: unsafe extern "C" fn() -> c_int = symbols::function(c"mi_version")?;
            Some(Self { version: version(), process_info: symbols::function(c"mi_process_info")? })
        }
    }

    fn committed(&self) -> Figure {
        can_count(self.version)?;
        let mut committed = 0usize;
        let null = ptr::null_mut();
        // SAFETY: any of the pointers may be null (mimalloc's stats.c).
        unsafe { (self.process_info)(null, null, null, null, null, &mut committed, null, null) };
        u64::try_from(committed).map_err(|_| Absent::Because("mimalloc's commit is beyond 2^64 bytes"))
    }
}

/// 2.0.9 takes a freed block of 20 MB off its count twice, so that it wraps below zero; 2.1.2 does not.
fn can_count(version: c_int) -> Result<(), Absent> {
    let reason = Absent::Because("mimalloc before 2.1.2 miscounts what it has committed");
    if version < 212 { Err(reason) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_miscounts_is_not_believed() {
        assert!(can_count(209).is_err());
        for version in [212, 224, 315, 20205] {
            assert_eq!(can_count(version), Ok(()));
        }
    }

    #[test]
    fn without_mimalloc_there_is_no_figure() {
        assert!(refresh().value.committed.is_err());
    }
}

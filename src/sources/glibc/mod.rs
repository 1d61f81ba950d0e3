//! glibc's own figures, from its counters; `malloc_info.rs`, by size; `heaps.rs`, by a walk of its heaps.

mod buffer;
pub mod heaps;
pub mod malloc_info;
mod pages;
mod walk;

use std::ffi::c_int;
use std::time::Duration;

use super::refreshed::{Refreshed, Sample};
use super::{Absent, Figure, process};
use crate::live::mallinfo::{Counters, Mallinfo, mallinfo};

/// One reading, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glibc {
    /// In use by the program: `uordblks + hblkhd`.
    pub allocated: Figure,
    /// Taken from the system, resident or not: `arena + hblkhd`.
    pub mapped: Figure,
    /// In free chunks, resident or not: `fordblks`.
    pub free: Figure,
}

impl From<Result<Mallinfo<u64>, Absent>> for Glibc {
    fn from(info: Result<Mallinfo<u64>, Absent>) -> Self {
        Self {
            allocated: info.map(|info| info.uordblks + info.hblkhd),
            mapped: info.map(|info| info.arena + info.hblkhd),
            free: info.map(|info| info.fordblks),
        }
    }
}

static LAST: Refreshed<Glibc> = Refreshed::new();

/// For the JavaScript thread; see [`Refreshed::sync`].
pub fn read(max_age: Duration) -> Sample<Glibc> {
    LAST.sync(max_age, |_| Duration::ZERO, now)
}

/// For other threads; rests where it has proved to be slow, because it stalls those that allocate.
pub fn refresh_if_due() -> Sample<Glibc> {
    LAST.refresh_if_due(now)
}

/// For other threads: fresh figures, whatever it takes.
pub fn refresh() -> Sample<Glibc> {
    LAST.refresh(now)
}

/// glibc's free chunks by size, where its locks have proved to be held for a short time only.
pub fn malloc_info() -> Result<malloc_info::MallocInfo, Absent> {
    refresh_if_due();
    if LAST.is_slow() {
        return Err(Absent::Because(
            "malloc_info holds glibc's locks as long as mallinfo does, which is more than 1 ms in this process",
        ));
    }
    malloc_info::read()
}

fn now() -> Glibc {
    mallinfo().ok_or(Absent::Because("this libc has neither mallinfo2 nor mallinfo")).and_then(exact).into()
}

fn exact(info: Counters) -> Result<Mallinfo<u64>, Absent> {
    match info {
        Counters::Wide(info) => Ok(info),
        Counters::Narrow(info) => widen(info, process::Source::own().data()),
    }
}

/// `mallinfo` counts in 32 bits and wraps. While all writable private memory together is below
/// 4 GiB, no counter can have wrapped more than its sign away.
fn widen(info: Mallinfo<c_int>, writable: Figure) -> Result<Mallinfo<u64>, Absent> {
    if writable? > u64::from(u32::MAX) {
        return Err(Absent::Because(
            "glibc before 2.33 counts in 32 bits, and this process has more than 4 GiB of writable memory",
        ));
    }
    let wide = |counter: c_int| u64::from(counter as u32);
    Ok(Mallinfo {
        arena: wide(info.arena),
        ordblks: wide(info.ordblks),
        smblks: wide(info.smblks),
        hblks: wide(info.hblks),
        hblkhd: wide(info.hblkhd),
        usmblks: wide(info.usmblks),
        fsmblks: wide(info.fsmblks),
        uordblks: wide(info.uordblks),
        fordblks: wide(info.fordblks),
        keepcost: wide(info.keepcost),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::symbols;

    #[test]
    fn a_known_allocation_moves_allocated() {
        const SIZE: usize = 64 << 20;
        let before = refresh().value;
        let block = std::hint::black_box(vec![1u8; SIZE]);
        let after = refresh().value;
        let (Ok(before), Ok(after)) = (before.allocated, after.allocated) else {
            unreachable!("{before:?} {after:?}")
        };
        // Other tests allocate meanwhile.
        assert!(after.abs_diff(before + SIZE as u64) < 16 << 20, "{before} → {after}");
        drop(block);
    }

    #[test]
    fn both_structs_agree() {
        type Narrow = unsafe extern "C" fn() -> Mallinfo<c_int>;
        // SAFETY: as in `mallinfo`.
        let Some(narrow) = (unsafe { symbols::function::<Narrow>(c"mallinfo") }) else { return };
        // Other tests allocate meanwhile.
        let agree = |_| {
            let Some(Counters::Wide(wide)) = mallinfo() else { return true };
            // SAFETY: as above.
            widen(unsafe { narrow() }, Ok(0)) == Ok(wide)
        };
        assert!((0..100_000).any(agree));
    }

    #[test]
    fn mappings_of_their_own_count() {
        let info = Mallinfo { arena: 100, hblkhd: 20, uordblks: 60, fordblks: 40, ..Default::default() };
        let figures = Glibc { allocated: Ok(80), mapped: Ok(120), free: Ok(40) };
        assert_eq!(Glibc::from(Ok(info)), figures);
    }

    #[test]
    fn a_counter_that_may_have_wrapped_is_missing_rather_than_wrong() {
        let info = Mallinfo { uordblks: -1, ..Default::default() };
        assert_eq!(widen(info, Ok(4 << 30)).map(|info| info.uordblks).ok(), None);
        assert_eq!(widen(info, Ok(3 << 30)).map(|info| info.uordblks), Ok(u64::from(u32::MAX)));
        let reason = Absent::File("proc/self/statm", libc::ENOENT);
        assert_eq!(widen(info, Err(reason)).map(|info| info.uordblks), Err(reason));
    }
}

//! jemalloc's figures, by cached MIBs, after one epoch refresh a reading (jemalloc(3), MALLCTL
//! NAMESPACE). Every key is optional: builds and versions differ.

mod arenas;
mod classes;
mod options;

pub use arenas::{Decay, arenas, decay};
pub use classes::size_classes;
pub use options::options;

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tikv_jemalloc_ctl::{arenas as arenas_keys, epoch, epoch_mib, raw, stats, stats_print};

use super::refreshed::{Refreshed, Sample};
use super::{Absent, Figure, process};

/// One reading. Bytes, except the two counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jemalloc {
    /// `stats.allocated`.
    pub allocated: Figure,
    /// `stats.active`.
    pub active: Figure,
    /// `stats.arenas.4096.pdirty`, in bytes.
    pub dirty: Figure,
    /// `stats.arenas.4096.pmuzzy`, in bytes.
    pub muzzy: Figure,
    /// `stats.metadata`.
    pub metadata: Figure,
    /// `stats.resident`.
    pub resident: Figure,
    /// `stats.mapped`.
    pub mapped: Figure,
    /// `stats.retained`.
    pub retained: Figure,
    /// `stats.arenas.4096.tcache_bytes`; a part of `allocated`.
    pub thread_caches: Figure,
    /// `arenas.narenas`.
    pub arenas: Figure,
    /// `stats.background_thread.num_threads`.
    pub background_threads: Figure,
}

static LAST: Refreshed<Jemalloc> = Refreshed::new();

/// For the JavaScript thread; see [`Refreshed::sync`].
pub fn read(max_age: Duration) -> Sample<Jemalloc> {
    LAST.sync(max_age, expected_cost, now)
}

/// For other threads; rests where it has proved to be slow.
pub fn refresh_if_due() -> Sample<Jemalloc> {
    LAST.refresh_if_due(now)
}

/// For other threads: fresh figures, whatever it takes.
pub fn refresh() -> Sample<Jemalloc> {
    LAST.refresh(now)
}

pub(crate) fn now() -> Jemalloc {
    let keys = Keys::cached();
    // Nothing is fresh without it. Should it fail, the figures are those of the last refresh.
    let _ = keys.epoch.map(epoch_mib::advance);
    keys.read()
}

/// What a refresh takes for an arena in use, and for one that it meets for the first time, whose
/// statistics it has to make room for. Measured, and rounded up.
const COST_OF_AN_ARENA: Duration = Duration::from_micros(10);
const COST_OF_A_NEW_ARENA: Duration = Duration::from_micros(40);

/// With as many arenas as this, a refresh is quick even when all are in use and new.
const FEW_ARENAS: u32 = 16;

/// jemalloc makes room for four arenas a CPU, and puts one to use when a thread first needs it. Which
/// are in use it tells as of the last refresh; since then, each thread may have taken one.
fn expected_cost(last: &Jemalloc) -> Duration {
    let count = last.arenas.ok().and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    if count <= FEW_ARENAS {
        return Duration::ZERO;
    }
    let known = arenas_in_use(count);
    let threads = process::Source::own().read().threads.unwrap_or(0);
    let new = u32::try_from(threads).unwrap_or(count).min(count).saturating_sub(known);
    COST_OF_AN_ARENA * known + COST_OF_A_NEW_ARENA * new
}

fn arenas_in_use(count: u32) -> u32 {
    let Some(mut mib) = Keys::cached().initialized else { return count };
    (0..count).filter(|&index| is_in_use(&mut mib, index)).count() as u32
}

/// `mib` is that of `arena.0.initialized`.
fn is_in_use(mib: &mut [usize; 3], index: u32) -> bool {
    mib[1] = index as usize;
    flag(mib).unwrap_or(false)
}

/// Looked up once: a name costs more than a reading.
struct Keys {
    epoch: Option<epoch_mib>,
    allocated: Option<stats::allocated_mib>,
    active: Option<stats::active_mib>,
    metadata: Option<stats::metadata_mib>,
    resident: Option<stats::resident_mib>,
    mapped: Option<stats::mapped_mib>,
    retained: Option<stats::retained_mib>,
    narenas: Option<arenas_keys::narenas_mib>,
    /// Of arena 0; the index is to be replaced.
    initialized: Option<[usize; 3]>,
    dirty_pages: Option<[usize; 4]>,
    muzzy_pages: Option<[usize; 4]>,
    thread_caches: Option<[usize; 4]>,
    background_threads: Option<[usize; 3]>,
    /// Page counts are in these units, which need not be the kernel's.
    page: Option<u64>,
}

impl Keys {
    fn cached() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(Self::find)
    }

    fn find() -> Self {
        Self {
            epoch: epoch::mib().ok(),
            allocated: stats::allocated::mib().ok(),
            active: stats::active::mib().ok(),
            metadata: stats::metadata::mib().ok(),
            resident: stats::resident::mib().ok(),
            mapped: stats::mapped::mib().ok(),
            retained: stats::retained::mib().ok(),
            narenas: arenas_keys::narenas::mib().ok(),
            initialized: mib(b"arena.0.initialized\0"),
            // 4096 is MALLCTL_ARENAS_ALL: the arenas merged.
            dirty_pages: mib(b"stats.arenas.4096.pdirty\0"),
            muzzy_pages: mib(b"stats.arenas.4096.pmuzzy\0"),
            thread_caches: mib(b"stats.arenas.4096.tcache_bytes\0"),
            background_threads: mib(b"stats.background_thread.num_threads\0"),
            page: mib::<2>(b"arenas.page\0").and_then(|mib| size(&mib)),
        }
    }

    fn narenas(&self) -> Option<u32> {
        self.narenas.and_then(|key| key.read().ok())
    }

    fn read(&self) -> Jemalloc {
        fn figure<M, T, E>(key: Option<M>, read: fn(M) -> Result<T, E>, name: &'static str) -> Figure
        where
            T: TryInto<u64>,
        {
            let value = key.and_then(|key| read(key).ok()).and_then(|value| value.try_into().ok());
            value.ok_or(Absent::NoKey(name))
        }
        let bytes = |pages: Option<[usize; 4]>, name| {
            let pages = pages.and_then(|mib| size(&mib));
            pages.zip(self.page).and_then(|(pages, page)| pages.checked_mul(page)).ok_or(Absent::NoKey(name))
        };
        Jemalloc {
            allocated: figure(self.allocated, stats::allocated_mib::read, "stats.allocated"),
            active: figure(self.active, stats::active_mib::read, "stats.active"),
            dirty: bytes(self.dirty_pages, "stats.arenas.4096.pdirty"),
            muzzy: bytes(self.muzzy_pages, "stats.arenas.4096.pmuzzy"),
            metadata: figure(self.metadata, stats::metadata_mib::read, "stats.metadata"),
            resident: figure(self.resident, stats::resident_mib::read, "stats.resident"),
            mapped: figure(self.mapped, stats::mapped_mib::read, "stats.mapped"),
            retained: figure(self.retained, stats::retained_mib::read, "stats.retained"),
            thread_caches: size_or(self.thread_caches, "stats.arenas.4096.tcache_bytes"),
            arenas: figure(self.narenas, arenas_keys::narenas_mib::read, "arenas.narenas"),
            background_threads: size_or(self.background_threads, "stats.background_thread.num_threads"),
        }
    }
}

/// The MIB of a key that has exactly `N` components; `None` where this jemalloc has no such key.
pub(crate) fn mib<const N: usize>(name: &'static [u8]) -> Option<[usize; N]> {
    // `name_to_mib` panics when the key is shorter than the MIB. A name's components and its MIB's
    // correspond one to one (jemalloc(3), mallctlnametomib).
    if name.split(|&byte| byte == b'.').count() != N {
        return None;
    }
    let mut mib = [0; N];
    raw::name_to_mib(name, &mut mib).ok().map(|()| mib)
}

/// Reads a `size_t`. A key of another size answers EINVAL, not a wrong number.
pub(crate) fn size(mib: &[usize]) -> Option<u64> {
    // SAFETY: every bit pattern is a `usize`.
    unsafe { raw::read_mib::<usize>(mib) }.ok().and_then(|value| value.try_into().ok())
}

/// Reads a `ssize_t`.
pub(crate) fn signed(mib: &[usize]) -> Option<i64> {
    // SAFETY: every bit pattern is an `isize`.
    unsafe { raw::read_mib::<isize>(mib) }.ok().and_then(|value| value.try_into().ok())
}

/// Reads an `unsigned`.
pub(crate) fn unsigned(mib: &[usize]) -> Option<u32> {
    // SAFETY: every bit pattern is a `u32`.
    unsafe { raw::read_mib::<u32>(mib) }.ok()
}

/// Reads a C `bool`.
fn flag(mib: &[usize]) -> Option<bool> {
    // SAFETY: read as the byte that it is.
    unsafe { raw::read_mib::<u8>(mib) }.ok().map(|byte| byte != 0)
}

fn size_or<const N: usize>(mib: Option<[usize; N]>, name: &'static str) -> Figure {
    mib.and_then(|mib| size(&mib)).ok_or(Absent::NoKey(name))
}

/// jemalloc's own account of itself, as `malloc_stats_print` writes it in JSON, and our figures of the
/// same epoch, which it has refreshed. For other threads: with many arenas it takes 100 ms and more.
pub fn printout() -> io::Result<(Value, Sample<Jemalloc>)> {
    let mut options = stats_print::Options::default();
    options.json_format = true;
    options.skip_mutex_statistics = true;
    let mut text = Vec::with_capacity(128 * 1024);
    stats_print::stats_print(&mut text, options)?;
    let figures = Sample { value: Keys::cached().read(), at: Instant::now(), overdue: false };
    Ok((serde_json::from_slice(&text)?, figures))
}

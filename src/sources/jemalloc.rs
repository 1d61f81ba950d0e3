//! jemalloc's figures, by cached MIBs, after one epoch refresh a reading (jemalloc(3), MALLCTL
//! NAMESPACE). Every key is optional: builds and versions differ.

use std::ffi::c_char;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tikv_jemalloc_ctl::{arenas, epoch, epoch_mib, raw, stats, stats_print};

use super::refreshed::{Refreshed, Sample};
use super::{Absent, Figure, process};
use crate::live::symbols;

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
    let is_in_use = |&index: &u32| {
        mib[1] = index as usize;
        // SAFETY: a C `bool`, read as the byte that it is (jemalloc(3), arena.<i>.initialized).
        unsafe { raw::read_mib::<u8>(&mib) }.is_ok_and(|byte| byte != 0)
    };
    (0..count).filter(is_in_use).count() as u32
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
    narenas: Option<arenas::narenas_mib>,
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
            narenas: arenas::narenas::mib().ok(),
            initialized: mib(b"arena.0.initialized\0"),
            // 4096 is MALLCTL_ARENAS_ALL: the arenas merged.
            dirty_pages: mib(b"stats.arenas.4096.pdirty\0"),
            muzzy_pages: mib(b"stats.arenas.4096.pmuzzy\0"),
            thread_caches: mib(b"stats.arenas.4096.tcache_bytes\0"),
            background_threads: mib(b"stats.background_thread.num_threads\0"),
            page: mib::<2>(b"arenas.page\0").and_then(|mib| size(&mib)),
        }
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
            arenas: figure(self.narenas, arenas::narenas_mib::read, "arenas.narenas"),
            background_threads: size_or(self.background_threads, "stats.background_thread.num_threads"),
        }
    }
}

/// The MIB of a key that has exactly `N` components; `None` where this jemalloc has no such key.
fn mib<const N: usize>(name: &'static [u8]) -> Option<[usize; N]> {
    // `name_to_mib` panics when the key is shorter than the MIB. A name's components and its MIB's
    // correspond one to one (jemalloc(3), mallctlnametomib).
    if name.split(|&byte| byte == b'.').count() != N {
        return None;
    }
    let mut mib = [0; N];
    raw::name_to_mib(name, &mut mib).ok().map(|()| mib)
}

/// Reads a `size_t`. A key of another size answers EINVAL, not a wrong number.
fn size(mib: &[usize]) -> Option<u64> {
    // SAFETY: every bit pattern is a `usize`.
    unsafe { raw::read_mib::<usize>(mib) }.ok().and_then(|value| value.try_into().ok())
}

fn size_or<const N: usize>(mib: Option<[usize; N]>, name: &'static str) -> Figure {
    mib.and_then(|mib| size(&mib)).ok_or(Absent::NoKey(name))
}

/// jemalloc's own account of itself, as `malloc_stats_print` writes it in JSON, without the
/// per-arena and per-class parts; and our figures of the same epoch, which it has refreshed. For other
/// threads: it can take milliseconds.
pub fn printout() -> io::Result<(Value, Sample<Jemalloc>)> {
    let mut options = stats_print::Options::default();
    options.json_format = true;
    options.skip_per_arena = true;
    options.skip_bin_size_classes = true;
    options.skip_large_size_classes = true;
    options.skip_mutex_statistics = true;
    let mut text = Vec::with_capacity(16 * 1024);
    stats_print::stats_print(&mut text, options)?;
    let figures = Sample { value: Keys::cached().read(), at: Instant::now(), overdue: false };
    Ok((serde_json::from_slice(&text)?, figures))
}

/// How an option is stored (jemalloc's ctl.c). `size_t` has 64 bits wherever the addon is built for;
/// where it had not, the read would answer EINVAL.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Unsigned,
    Size,
    Signed,
    Text,
}

/// The options that can be read back, and how. Versions differ: one that is missing has no MIB.
const OPTIONS: &[(Kind, &[&str])] = &[
    (
        Kind::Bool,
        &[
            "abort",
            "abort_conf",
            "background_thread",
            "cache_oblivious",
            "confirm_conf",
            "disable_large_size_classes",
            "experimental_hpa_enforce_hugify",
            "experimental_hpa_start_huge_if_thp_always",
            "experimental_infallible_new",
            "experimental_tcache_gc",
            "hpa",
            "hpa_hugify_sync",
            "huge_arena_pac_thp",
            "prof",
            "prof_accum",
            "prof_active",
            "prof_final",
            "prof_gdump",
            "prof_leak",
            "prof_leak_error",
            "prof_pid_namespace",
            "prof_stats",
            "prof_sys_thread_name",
            "prof_thread_active_init",
            "retain",
            "stats_print",
            "tcache",
            "trust_madvise",
            "utrace",
            "xmalloc",
            "zero",
        ],
    ),
    (
        Kind::Unsigned,
        &[
            "debug_double_free_max_scan",
            "lg_tcache_flush_large_div",
            "lg_tcache_flush_small_div",
            "narenas",
            "prof_bt_max",
            "tcache_nslots_large",
            "tcache_nslots_small_max",
            "tcache_nslots_small_min",
        ],
    ),
    (
        Kind::Size,
        &[
            "calloc_madvise_threshold",
            "hpa_hugification_threshold",
            "hpa_hugify_delay_ms",
            "hpa_min_purge_delay_ms",
            "hpa_min_purge_interval_ms",
            "hpa_purge_threshold",
            "hpa_sec_batch_fill_extra",
            "hpa_sec_bytes_after_flush",
            "hpa_sec_max_alloc",
            "hpa_sec_max_bytes",
            "hpa_sec_nshards",
            "hpa_slab_max_alloc",
            "lg_extent_max_active_fit",
            "lg_prof_sample",
            "max_background_threads",
            "oversize_threshold",
            "process_madvise_max_batch",
            "tcache_gc_delay_bytes",
            "tcache_gc_incr_bytes",
            "tcache_max",
        ],
    ),
    (
        Kind::Signed,
        &[
            "dirty_decay_ms",
            "experimental_hpa_max_purge_nhp",
            "lg_prof_interval",
            "lg_tcache_nslots_mul",
            "mutex_max_spin",
            "muzzy_decay_ms",
            "prof_recent_alloc_max",
            "stats_interval",
        ],
    ),
    (
        Kind::Text,
        &[
            "dss",
            "hpa_hugify_style",
            "junk",
            "metadata_thp",
            "percpu_arena",
            "prof_prefix",
            "prof_time_resolution",
            "stats_interval_opts",
            "stats_print_opts",
            "thp",
            "zero_realloc",
        ],
    ),
];

/// What each of the options `names` was set to at start, from `opt.*`; of all that heapgap knows where
/// `names` is `None`. An option that this jemalloc does not have is left out; one whose type heapgap
/// does not know is null.
pub fn options(names: Option<&[String]>) -> Map<String, Value> {
    let known = || OPTIONS.iter().flat_map(|(kind, names)| names.iter().map(|&name| (name, Some(*kind))));
    let read = |(name, kind): (&str, Option<Kind>)| Some((name.to_owned(), option(name, kind)?));
    match names {
        None => known().filter_map(read).collect(),
        Some(names) => {
            let kind_of = |name: &str| known().find(|(known, _)| *known == name).and_then(|(_, kind)| kind);
            names.iter().filter_map(|name| read((name, kind_of(name)))).collect()
        }
    }
}

fn option(name: &str, kind: Option<Kind>) -> Option<Value> {
    // What stands in a key; a dot would make it another key.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let mut mib = [0; 2];
    raw::name_to_mib(format!("opt.{name}\0").as_bytes(), &mut mib).ok()?;
    match kind.map(|kind| kind.read(&mib)) {
        Some(Ok(value)) => Some(value),
        // The key is there, and the feature is not built in.
        Some(Err(error)) if Some(error) == no_such_key() => None,
        _ => Some(Value::Null),
    }
}

/// ENOENT: tikv-jemalloc-ctl keeps the number to itself, but compares.
fn no_such_key() -> Option<tikv_jemalloc_ctl::Error> {
    raw::name_to_mib(b"no.such.key\0", &mut [0; 3]).err()
}

impl Kind {
    fn read(self, mib: &[usize; 2]) -> tikv_jemalloc_ctl::Result<Value> {
        /// A key of another size answers EINVAL.
        fn number<T: Copy>(mib: &[usize; 2]) -> tikv_jemalloc_ctl::Result<Value>
        where
            Value: From<T>,
        {
            // SAFETY: `T` is an integer: every bit pattern is one.
            unsafe { raw::read_mib::<T>(mib) }.map(Value::from)
        }
        match self {
            Kind::Bool => {
                // SAFETY: a C `bool`, read as the byte that it is.
                unsafe { raw::read_mib::<u8>(mib) }.map(|byte| (byte != 0).into())
            }
            Kind::Unsigned => number::<u32>(mib),
            Kind::Size => number::<u64>(mib),
            Kind::Signed => number::<i64>(mib),
            Kind::Text => {
                // SAFETY: these keys are `const char *` (jemalloc(3)), and a pointer is as it comes.
                let text = unsafe { raw::read_mib::<*const c_char>(mib) }?;
                Ok(symbols::string_at(text).map_or(Value::Null, Value::from))
            }
        }
    }
}

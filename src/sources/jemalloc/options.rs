//! What jemalloc was told at start, and took (`opt.*`).

use std::ffi::c_char;

use serde_json::{Map, Value};
use tikv_jemalloc_ctl::raw;

use crate::live::symbols;

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

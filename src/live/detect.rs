//! The behavioural probe: which allocator serves `malloc` in this process.

use std::ffi::{c_char, c_int, c_void};
use std::hint::black_box;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::forward::{self, EntryPoints, Mallctl};
use super::mallinfo::mallinfo;
use super::symbols;

/// The allocators that heapgap tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// jemalloc, preloaded or linked into the executable.
    Jemalloc,
    /// glibc's ptmalloc2.
    Glibc,
    /// Microsoft's mimalloc.
    Mimalloc,
    /// gperftools' tcmalloc.
    Tcmalloc,
    /// musl's allocator.
    Musl,
    /// AddressSanitizer's, which replaces every other one.
    Asan,
    /// None of these, or none that could be proven.
    Unknown,
}

impl Kind {
    /// The name that `allocator()` answers.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Jemalloc => "jemalloc",
            Kind::Glibc => "glibc",
            Kind::Mimalloc => "mimalloc",
            Kind::Tcmalloc => "tcmalloc",
            Kind::Musl => "musl",
            Kind::Asan => "asan",
            Kind::Unknown => "unknown",
        }
    }

    /// Whether heapgap can make this allocator give memory back.
    pub fn has_purge(self) -> bool {
        matches!(self, Kind::Jemalloc | Kind::Glibc | Kind::Mimalloc | Kind::Tcmalloc)
    }
}

/// What was found out about the live allocator.
#[derive(Debug)]
pub struct Allocator {
    /// Who serves `malloc`.
    pub kind: Kind,
    /// The allocator's own version string.
    pub version: Option<String>,
    /// The file that the live allocator was loaded from.
    pub library: Option<String>,
    /// What was observed, one sentence each, in the order it was observed.
    pub evidence: Vec<String>,
}

/// The live allocator. Probed on the first call; a process cannot change it afterwards.
pub fn allocator() -> &'static Allocator {
    static ALLOCATOR: OnceLock<Allocator> = OnceLock::new();
    ALLOCATOR.get_or_init(detect)
}

/// An allocator that was proven live.
struct Proven {
    kind: Kind,
    version: Option<String>,
}

fn detect() -> Allocator {
    let mut evidence = Vec::new();
    let probes = [live_jemalloc, live_tcmalloc, live_mimalloc, live_asan, live_glibc, live_musl];
    let proven = probes.iter().find_map(|probe| probe(&mut evidence));
    let library = symbols::find(c"malloc_usable_size").and_then(symbols::library_of);
    if let Some(library) = &library {
        evidence.push(format!("malloc_usable_size is served by {library}"));
    }
    let (kind, version) = match proven {
        Some(proven) => (proven.kind, proven.version),
        None => {
            evidence.push("no allocator that heapgap knows could be proven live".into());
            (Kind::Unknown, None)
        }
    };
    Allocator { kind, version, library, evidence }
}

/// Larger than any allocator's per-thread cache keeps without counting (glibc's tcache ends at
/// 1032 bytes), smaller than any mmap threshold; odd, so that a neighbour rarely asks for the same.
const PROBE_SIZE: usize = 5003;

/// Allocates a block through the process's `malloc`, shows it to `look`, and frees it.
fn with_block<T>(size: usize, look: impl FnOnce(NonNull<c_void>) -> T) -> Option<T> {
    // SAFETY: malloc(3); the block is freed below and `look` gets no ownership of it. `black_box`
    // keeps the compiler from removing an allocation that nobody writes to.
    let block = NonNull::new(black_box(unsafe { libc::malloc(size) }))?;
    let seen = look(block);
    // SAFETY: `block` came from malloc and was not freed.
    unsafe { libc::free(black_box(block.as_ptr())) };
    Some(seen)
}

fn live_jemalloc(evidence: &mut Vec<String>) -> Option<Proven> {
    let entry_points = EntryPoints::find()?;
    let live = jemalloc_counts_our_block(entry_points.mallctl, evidence)
        .or_else(|| jemalloc_owns_our_block(entry_points.mallctl, evidence));
    if live != Some(true) {
        let what = if live.is_none() { "may not" } else { "does not" };
        evidence.push(format!("a jemalloc is loaded (mallctl) but {what} serve malloc"));
        return None;
    }
    forward::bind(entry_points);
    // tikv-jemalloc-ctl keeps the terminating null.
    let version = tikv_jemalloc_ctl::version::read().ok();
    let version = version.map(|text| text.trim_end_matches('\0').to_owned());
    Some(Proven { kind: Kind::Jemalloc, version })
}

/// `thread.allocatedp` points to this thread's running total of allocated bytes (jemalloc(3)).
/// `None` when this jemalloc was built without statistics.
fn jemalloc_counts_our_block(mallctl: Mallctl, evidence: &mut Vec<String>) -> Option<bool> {
    let mut total: *const u64 = ptr::null();
    let mut len = size_of_val(&total);
    // SAFETY: `thread.allocatedp` is a `uint64_t *`; `total` and `len` are as large as it needs.
    let status = unsafe {
        mallctl(c"thread.allocatedp".as_ptr(), (&raw mut total).cast(), &mut len, ptr::null_mut(), 0)
    };
    if status != 0 || total.is_null() {
        return None;
    }
    // SAFETY: the pointer stays valid for the life of this thread. Volatile, because the compiler
    // does not know that malloc writes behind it.
    let read = || unsafe { total.read_volatile() };
    let before = read();
    let moved = with_block(PROBE_SIZE, |_| read().wrapping_sub(before))?;
    evidence.push(format!("malloc({PROBE_SIZE}) moved jemalloc's thread.allocatedp by {moved}"));
    Some(moved >= PROBE_SIZE as u64)
}

/// `arenas.lookup` answers EINVAL for a block that jemalloc does not own. `None` where it is too old to
/// have it (5.1).
fn jemalloc_owns_our_block(mallctl: Mallctl, evidence: &mut Vec<String>) -> Option<bool> {
    let owned = with_block(PROBE_SIZE, |block| {
        let mut block = block.as_ptr();
        let mut arena = 0u32;
        let mut len = size_of_val(&arena);
        // SAFETY: `arenas.lookup` writes an unsigned and reads a pointer (jemalloc(3)).
        let status = unsafe {
            mallctl(
                c"arenas.lookup".as_ptr(),
                (&raw mut arena).cast(),
                &mut len,
                (&raw mut block).cast(),
                size_of_val(&block),
            )
        };
        (status != libc::ENOENT).then_some(status == 0)
    })
    .flatten()?;
    evidence.push(format!("jemalloc's arenas.lookup {} our block", knows(owned)));
    Some(owned)
}

fn live_tcmalloc(evidence: &mut Vec<String>) -> Option<Proven> {
    type Ownership = unsafe extern "C" fn(*const c_void) -> c_int;
    // gperftools/malloc_extension_c.h: MallocExtension_kOwned.
    const OWNED: c_int = 1;
    // SAFETY: the type is that of gperftools/malloc_extension_c.h.
    let ownership: Ownership = unsafe { symbols::function(c"MallocExtension_GetOwnership") }?;
    // SAFETY: it accepts any pointer.
    let owned = with_block(PROBE_SIZE, |block| unsafe { ownership(block.as_ptr()) } == OWNED)?;
    evidence.push(format!("tcmalloc's MallocExtension_GetOwnership {} our block", knows(owned)));
    owned.then(|| Proven { kind: Kind::Tcmalloc, version: tcmalloc_version() })
}

fn tcmalloc_version() -> Option<String> {
    type Version = unsafe extern "C" fn(*mut c_int, *mut c_int, *mut *const c_char) -> *const c_char;
    // SAFETY: the type is that of gperftools/tcmalloc.h, which accepts null pointers.
    let text = unsafe {
        let version: Version = symbols::function(c"tc_version")?;
        version(ptr::null_mut(), ptr::null_mut(), ptr::null_mut())
    };
    symbols::string_at(text).map(|text| text.trim_start_matches("gperftools ").to_owned())
}

fn live_mimalloc(evidence: &mut Vec<String>) -> Option<Proven> {
    // A C `bool`, so only the low byte of the register means something.
    type InHeap = unsafe extern "C" fn(*const c_void) -> bool;
    // SAFETY: the type is that of mimalloc.h.
    let in_heap: InHeap = unsafe { symbols::function(c"mi_is_in_heap_region") }?;
    // SAFETY: it accepts any pointer.
    let owned = with_block(PROBE_SIZE, |block| unsafe { in_heap(block.as_ptr()) })?;
    evidence.push(format!("mimalloc's mi_is_in_heap_region {} our block", knows(owned)));
    owned.then(|| Proven { kind: Kind::Mimalloc, version: mimalloc_version() })
}

fn mimalloc_version() -> Option<String> {
    // SAFETY: the type is that of mimalloc.h.
    let number = unsafe {
        let version: unsafe extern "C" fn() -> c_int = symbols::function(c"mi_version")?;
        version()
    };
    Some(format_mimalloc_version(number))
}

/// mimalloc.h: `MI_MALLOC_VERSION` is the major version and one digit each (209 is 2.0.9), or,
/// in later releases, two digits each (20205 is 2.2.5).
fn format_mimalloc_version(number: c_int) -> String {
    let base = if number >= 10_000 { 100 } else { 10 };
    format!("{}.{}.{}", number / (base * base), number / base % base, number % base)
}

fn live_asan(evidence: &mut Vec<String>) -> Option<Proven> {
    symbols::find(c"__asan_init")?;
    evidence.push("AddressSanitizer is loaded (__asan_init) and replaces malloc".into());
    Some(Proven { kind: Kind::Asan, version: None })
}

fn live_glibc(evidence: &mut Vec<String>) -> Option<Proven> {
    let version = glibc_version()?;
    let own = symbols::find(c"gnu_get_libc_version").and_then(symbols::library_of);
    if own != symbols::find(c"malloc_usable_size").and_then(symbols::library_of) {
        return None;
    }
    if !glibc_counts_our_block(evidence) {
        evidence.push("glibc does not serve malloc".into());
        return None;
    }
    Some(Proven { kind: Kind::Glibc, version: Some(version) })
}

/// The version of this process's glibc, whoever serves malloc; `None` where the libc is another one.
pub fn glibc_version() -> Option<String> {
    type Version = unsafe extern "C" fn() -> *const c_char;
    // SAFETY: the type is that of gnu/libc-version.h.
    let version: Version = unsafe { symbols::function(c"gnu_get_libc_version") }?;
    // SAFETY: it takes nothing and returns a static string.
    symbols::string_at(unsafe { version() })
}

/// Allocates until glibc's counters have moved by one block: other threads allocate as well, so one try
/// may not be enough. Where glibc serves nothing they never move at all.
fn glibc_counts_our_block(evidence: &mut Vec<String>) -> bool {
    // The counters walk every free chunk: in a process that has a million, one try is all there is.
    const PATIENCE: Duration = Duration::from_millis(5);
    let used = || mallinfo().map(|counters| counters.used());
    let started = Instant::now();
    let mut moved = false;
    // Another size each time: a thread's cache may be told to keep blocks of any size
    // (glibc.malloc.tcache_max), and hands them out again uncounted.
    for size in (PROBE_SIZE..).step_by(1024).take(16) {
        let (Some(before), Some(after)) = (used(), with_block(size, |_| used()).flatten()) else {
            break;
        };
        if is_one_block(after.wrapping_sub(before), size) {
            evidence.push(format!("malloc({size}) moved glibc's mallinfo by {}", after - before));
            return true;
        }
        moved |= before != after;
        if started.elapsed() > PATIENCE {
            break;
        }
    }
    evidence.push(
        match moved {
            true => "glibc's mallinfo moves, too busily to see one block in it",
            false => "malloc does not move glibc's mallinfo",
        }
        .into(),
    );
    moved
}

/// A chunk is the request and one header word, rounded up to 16 bytes, and may take over a remainder
/// too small to split off; where the mmap threshold was lowered it is whole pages of its own
/// (malloc/malloc.c, MINSIZE and sysmalloc_mmap).
fn is_one_block(moved: u64, size: usize) -> bool {
    const LARGEST_PAGE: u64 = 64 * 1024;
    let size = size as u64;
    (size..size + LARGEST_PAGE + 64).contains(&moved)
}

fn live_musl(evidence: &mut Vec<String>) -> Option<Proven> {
    let library = symbols::find(c"malloc_usable_size").and_then(symbols::library_of)?;
    if !is_musl(&library) {
        return None;
    }
    evidence.push("malloc_usable_size is musl's own".into());
    Some(Proven { kind: Kind::Musl, version: None })
}

/// musl's libc and its dynamic linker are one file: `/lib/ld-musl-x86_64.so.1`, or a link to it
/// such as `libc.musl-x86_64.so.1`.
fn is_musl(library: &str) -> bool {
    let file = library.rsplit('/').next().unwrap_or(library);
    file.starts_with("ld-musl-") || file.starts_with("libc.musl-")
}

fn knows(owned: bool) -> &'static str {
    if owned { "knows" } else { "does not know" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_binary_runs_on_the_libc_it_was_linked_to() {
        let live = allocator();
        let expected = if cfg!(target_env = "musl") { Kind::Musl } else { Kind::Glibc };
        assert_eq!(live.kind, expected, "{live:?}");
    }

    #[test]
    fn mimalloc_versions() {
        assert_eq!(format_mimalloc_version(209), "2.0.9");
        assert_eq!(format_mimalloc_version(315), "3.1.5");
        assert_eq!(format_mimalloc_version(20205), "2.2.5");
    }

    #[test]
    fn musl_is_known_by_its_file() {
        assert!(is_musl("/lib/ld-musl-x86_64.so.1"));
        assert!(is_musl("/lib/libc.musl-aarch64.so.1"));
        assert!(!is_musl("/usr/lib/x86_64-linux-gnu/libc.so.6"));
        assert!(!is_musl("/opt/ld-musl-things/libfoo.so"));
    }

    #[test]
    fn one_chunk_and_nothing_else_is_our_block() {
        assert!(is_one_block(5024, PROBE_SIZE));
        assert!(is_one_block(8192, PROBE_SIZE), "a mapping of its own");
        assert!(!is_one_block(0, PROBE_SIZE));
        assert!(!is_one_block(100_000, PROBE_SIZE));
        assert!(!is_one_block(100u64.wrapping_neg(), PROBE_SIZE));
    }
}

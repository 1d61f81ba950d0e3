//! tikv-jemalloc-ctl, pointed at the live jemalloc.
//!
//! tikv-jemalloc-ctl calls `_rjem_mallctl` and three more. Left alone, the linker would take them
//! from a private jemalloc that serves nothing. Defined here, in the crate that is linked, they
//! satisfy the linker first, and hand each call to the jemalloc that [`bind`] was given. All four
//! must be defined: leave one out and the archive member that has it drags in the others.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use super::symbols;

pub type Mallctl = unsafe extern "C" fn(*const c_char, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;
type NameToMib = unsafe extern "C" fn(*const c_char, *mut usize, *mut usize) -> c_int;
type ByMib = unsafe extern "C" fn(*const usize, usize, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;
type WriteCallback = Option<unsafe extern "C" fn(*mut c_void, *const c_char)>;
type StatsPrint = unsafe extern "C" fn(WriteCallback, *mut c_void, *const c_char);

/// jemalloc's control entry points, under the name they were exported by.
#[derive(Clone, Copy)]
pub struct EntryPoints {
    pub mallctl: Mallctl,
    name_to_mib: NameToMib,
    by_mib: ByMib,
    stats_print: StatsPrint,
}

impl EntryPoints {
    /// Looks for a jemalloc in the global scope: plain names, then those of a prefixed build.
    /// Finding one does not mean that it serves `malloc`.
    pub fn find() -> Option<Self> {
        // SAFETY: the types are those of jemalloc's manual, section "Non-standard API".
        unsafe {
            Self::named(c"mallctl", c"mallctlnametomib", c"mallctlbymib", c"malloc_stats_print").or_else(
                || {
                    Self::named(
                        c"je_mallctl",
                        c"je_mallctlnametomib",
                        c"je_mallctlbymib",
                        c"je_malloc_stats_print",
                    )
                },
            )
        }
    }

    /// # Safety
    /// As [`symbols::function`], for each of the four.
    unsafe fn named(mallctl: &CStr, name_to_mib: &CStr, by_mib: &CStr, stats_print: &CStr) -> Option<Self> {
        // SAFETY: the caller vouches for the types.
        unsafe {
            Some(Self {
                mallctl: symbols::function(mallctl)?,
                name_to_mib: symbols::function(name_to_mib)?,
                by_mib: symbols::function(by_mib)?,
                stats_print: symbols::function(stats_print)?,
            })
        }
    }
}

static LIVE: OnceLock<EntryPoints> = OnceLock::new();

/// From here on tikv-jemalloc-ctl talks to `entry_points`, whose jemalloc has been proven live.
pub fn bind(entry_points: EntryPoints) {
    // A second call could only come with the same pointers.
    let _ = LIVE.set(entry_points);
}

/// Runs a key that takes and returns nothing, such as `arena.<i>.purge`; the error is an errno.
/// tikv-jemalloc-ctl has no such call: it always passes a value.
pub fn act(key: &CStr) -> Result<(), c_int> {
    // SAFETY: `key` is null-terminated, and null pointers with zero lengths neither read nor write
    // (jemalloc(3), mallctl).
    let status = unsafe { _rjem_mallctl(key.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
    if status == 0 { Ok(()) } else { Err(status) }
}

/// The answer for every key while no jemalloc is live: "unknown or invalid name", which the
/// callers already take for "this jemalloc does not have it".
const NO_JEMALLOC: c_int = libc::ENOENT;

// An exported `_rjem_mallctl` would be found by other addons in place of their own.
std::arch::global_asm!(
    ".hidden _rjem_mallctl",
    ".hidden _rjem_mallctlnametomib",
    ".hidden _rjem_mallctlbymib",
    ".hidden _rjem_malloc_stats_print",
);

// SAFETY: the name is ours by the prefix, and hidden.
#[unsafe(no_mangle)]
unsafe extern "C" fn _rjem_mallctl(
    name: *const c_char,
    old: *mut c_void,
    old_len: *mut usize,
    new: *mut c_void,
    new_len: usize,
) -> c_int {
    match LIVE.get() {
        // SAFETY: the caller's arguments, unchanged, to the function they were made for.
        Some(live) => unsafe { (live.mallctl)(name, old, old_len, new, new_len) },
        None => NO_JEMALLOC,
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
unsafe extern "C" fn _rjem_mallctlnametomib(
    name: *const c_char,
    mib: *mut usize,
    mib_len: *mut usize,
) -> c_int {
    match LIVE.get() {
        // SAFETY: as above.
        Some(live) => unsafe { (live.name_to_mib)(name, mib, mib_len) },
        None => NO_JEMALLOC,
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
unsafe extern "C" fn _rjem_mallctlbymib(
    mib: *const usize,
    mib_len: usize,
    old: *mut c_void,
    old_len: *mut usize,
    new: *mut c_void,
    new_len: usize,
) -> c_int {
    match LIVE.get() {
        // SAFETY: as above.
        Some(live) => unsafe { (live.by_mib)(mib, mib_len, old, old_len, new, new_len) },
        None => NO_JEMALLOC,
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
unsafe extern "C" fn _rjem_malloc_stats_print(
    write: WriteCallback,
    opaque: *mut c_void,
    options: *const c_char,
) {
    if let Some(live) = LIVE.get() {
        // SAFETY: as above.
        unsafe { (live.stats_print)(write, opaque, options) }
    }
}

//! The call that makes each allocator give memory back.

use std::ffi::c_int;
use std::thread;
use std::time::Duration;

use crate::live::{Kind, allocator, forward, symbols};
use crate::sources::Absent;

/// Hands what this thread's cache keeps back to where a purge can reach it. For the JavaScript thread,
/// and useless in any other: a cache can be flushed by its own thread only.
///
/// On jemalloc alone. tcmalloc took up to 1 ms to return 0.6 MB at the most. mimalloc's threads own the
/// pages that they allocate from, and it takes the JavaScript thread 30 ms a GiB to give its own back.
pub fn flush_thread_cache() {
    if allocator().kind == Kind::Jemalloc {
        // EFAULT where this thread has no cache: then there is nothing to flush (jemalloc(3),
        // thread.tcache.flush).
        let _ = forward::act(c"thread.tcache.flush");
    }
}

/// Asks the live allocator once, and answers what it was asked by. `dirty` is what there is to give back.
pub fn give_back(dirty: u64) -> Result<&'static str, Absent> {
    match allocator().kind {
        Kind::Jemalloc => purge_arenas(),
        Kind::Glibc => trim(),
        Kind::Mimalloc => collect(),
        Kind::Tcmalloc => release(dirty),
        other => Err(Absent::Unread(other.name())),
    }
}

/// Has jemalloc return the pages whose time has come, as it does by itself while the process allocates,
/// or in its background threads (jemalloc(3), arena.<i>.decay).
pub fn return_what_is_due() {
    // Where it has no such key nothing is known to have been due.
    let _ = forward::act(c"arena.4096.decay");
}

fn purge_arenas() -> Result<&'static str, Absent> {
    // 4096 is MALLCTL_ARENAS_ALL: every arena, by one call (jemalloc(3), arena.<i>.purge).
    match forward::act(c"arena.4096.purge") {
        Ok(()) => Ok("arena.4096.purge"),
        Err(libc::ENOENT) => Err(Absent::NoKey("arena.4096.purge")),
        Err(_) => Err(Absent::Because("jemalloc refused arena.4096.purge")),
    }
}

fn trim() -> Result<&'static str, Absent> {
    type MallocTrim = unsafe extern "C" fn(usize) -> c_int;
    // SAFETY: the type is that of malloc.h.
    let trim = unsafe { symbols::function::<MallocTrim>(c"malloc_trim") };
    let trim = trim.ok_or(Absent::Because("this libc has no malloc_trim"))?;
    // SAFETY: malloc_trim(3) takes any pad and is thread-safe. Its answer is 1 even when nothing was
    // released: RSS tells.
    unsafe { trim(0) };
    Ok("malloc_trim")
}

fn collect() -> Result<&'static str, Absent> {
    // SAFETY: the type is that of mimalloc.h.
    let collect = unsafe { symbols::function::<unsafe extern "C" fn(bool)>(c"mi_collect") };
    let collect = collect.ok_or(Absent::Because("this mimalloc has no mi_collect"))?;
    // mimalloc does nothing for a thread that has not allocated: it has no heap to start from. Boxed and
    // seen through, or the compiler removes it.
    drop(std::hint::black_box(Box::new(0u64)));
    // SAFETY: it may be called from any thread. Forced, it returns what ended threads left, and the free
    // segments and arenas that no thread owns.
    unsafe { collect(true) };
    Ok("mi_collect")
}

/// tcmalloc holds the lock that every allocation of pages takes for as long as the kernel needs: 36 ms
/// for 460 MB. In steps, with a pause for those who wait, they waited for 1 ms. (A free run of pages that
/// is longer than a step is released as a whole.)
const STEP: usize = 4 << 20;
const PAUSE: Duration = Duration::from_micros(50);

fn release(dirty: u64) -> Result<&'static str, Absent> {
    type Release = unsafe extern "C" fn(usize);
    // SAFETY: the type is that of gperftools/malloc_extension_c.h.
    let release = unsafe { symbols::function::<Release>(c"MallocExtension_ReleaseToSystem") };
    let release = release.ok_or(Absent::Because("this tcmalloc has no MallocExtension_ReleaseToSystem"))?;
    for _ in 0..=dirty / STEP as u64 {
        // SAFETY: it takes any size and may be called from any thread.
        unsafe { release(STEP) };
        thread::sleep(PAUSE);
    }
    Ok("MallocExtension_ReleaseToSystem")
}

//! What a process grows by, for `npm run bench:cost`. Compiled with the feature `bench` only.

use std::hint::black_box;
use std::{io, mem, ptr, thread};

use tikv_jemalloc_ctl::raw;

/// More than a thread caches, so that the arena itself serves it.
const UNCACHED: usize = 64 * 1024;

fn keep_a_block() {
    let mut block = vec![0_u8; UNCACHED];
    black_box(&mut block)[0] = 1;
    mem::forget(block);
}

/// Has each of `count` automatic arenas of jemalloc serve a block, as a thread bound to it would.
pub fn use_arenas(count: u32) -> Result<(), String> {
    // On a thread of its own: the caller's stays with its arena.
    let used = thread::spawn(move || (0..count).try_for_each(use_arena)).join();
    used.unwrap_or_else(|_| Err("the thread that uses them panicked".into()))
}

fn use_arena(index: u32) -> Result<(), String> {
    // SAFETY: the key takes an `unsigned` (jemalloc(3), thread.arena).
    unsafe { raw::write(b"thread.arena\0", index) }.map_err(|error| format!("arena {index}: {error}"))?;
    keep_a_block();
    Ok(())
}

/// Starts so many threads, which allocate once and then wait for as long as the process lives.
pub fn hold_threads(count: u32) -> io::Result<()> {
    for _ in 0..count {
        let work = || {
            keep_a_block();
            loop {
                thread::park();
            }
        };
        thread::Builder::new().spawn(work)?;
    }
    Ok(())
}

/// Adds `count` mappings of a page each. Every other one can be written, which keeps them apart, and has been.
pub fn split_mappings(count: u32) -> io::Result<()> {
    const PAGE: usize = 4096;
    let length = count as usize * PAGE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, wherever the kernel has room for it.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    for offset in (PAGE..length).step_by(2 * PAGE) {
        let page = start.wrapping_byte_add(offset);
        // SAFETY: the page is in the mapping above, which nothing else knows of.
        if unsafe { libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above, and it can be written now.
        unsafe { page.cast::<u8>().write_volatile(1) };
    }
    Ok(())
}

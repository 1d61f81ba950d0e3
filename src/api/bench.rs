//! For benchmarks: floors, which are what the kernel and the allocator cost when nothing is in the way, and
//! what a process grows by, for `npm run bench:cost`. Compiled with the feature `bench` only.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Instant;
use std::{io, mem, ptr, thread};

use napi::Error;
use napi_derive::napi;
use tikv_jemalloc_ctl::raw;

use crate::sources::{jemalloc, process};

/// Microseconds that one call of `work` takes on average.
fn micros(iterations: u32, mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..iterations {
        work();
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(iterations)
}

/// The mallctl calls that one `stats()` makes: an epoch refresh and eleven readings.
#[napi(catch_unwind)]
pub fn bare_mallctl(iterations: u32) -> f64 {
    micros(iterations, || {
        black_box(jemalloc::now());
    })
}

/// A pread of each file in turn, unparsed.
#[napi(catch_unwind)]
pub fn bare_preads(files: Vec<String>, iterations: u32) -> f64 {
    let open: Vec<File> = files.iter().filter_map(|file| File::open(file).ok()).collect();
    let mut buffer = vec![0; 16 * 1024];
    micros(iterations, || {
        for file in &open {
            let _ = black_box(file.read_at(&mut buffer, 0));
        }
    })
}

/// A stat of `path`: where a snapshot has the number of descriptors from.
#[napi(catch_unwind)]
pub fn bare_stat(path: String, iterations: u32) -> f64 {
    micros(iterations, || {
        let _ = black_box(std::fs::metadata(&path));
    })
}

/// RSS from /proc/self/statm, which stays open.
#[napi(catch_unwind)]
pub fn rss() -> f64 {
    process::Source::own().rss().map_or(f64::NAN, |rss| rss as f64)
}

/// More than a thread caches, so that the arena itself serves it.
const UNCACHED: usize = 64 * 1024;

fn keep_a_block() {
    let mut block = vec![0_u8; UNCACHED];
    black_box(&mut block)[0] = 1;
    mem::forget(block);
}

/// Has each of `count` automatic arenas of jemalloc serve a block, as a thread bound to it would.
#[napi(catch_unwind)]
pub fn use_arenas(count: u32) -> napi::Result<()> {
    // On a thread of its own: the caller's stays with its arena.
    let used = thread::spawn(move || (0..count).try_for_each(use_arena)).join();
    used.unwrap_or_else(|_| Err("the thread that uses them panicked".into())).map_err(Error::from_reason)
}

fn use_arena(index: u32) -> Result<(), String> {
    // SAFETY: the key takes an `unsigned` (jemalloc(3), thread.arena).
    unsafe { raw::write(b"thread.arena\0", index) }.map_err(|error| format!("arena {index}: {error}"))?;
    keep_a_block();
    Ok(())
}

/// Starts so many threads, which allocate once and then wait for as long as the process lives.
#[napi(catch_unwind)]
pub fn hold_threads(count: u32) -> napi::Result<()> {
    for _ in 0..count {
        let work = || {
            keep_a_block();
            loop {
                thread::park();
            }
        };
        thread::Builder::new().spawn(work).map_err(failed)?;
    }
    Ok(())
}

/// Adds `count` mappings of a page each. Every other one can be written, which keeps them apart, and has been.
#[napi(catch_unwind)]
pub fn split_mappings(count: u32) -> napi::Result<()> {
    const PAGE: usize = 4096;
    let length = count as usize * PAGE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, wherever the kernel has room for it.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(failed(io::Error::last_os_error()));
    }
    for offset in (PAGE..length).step_by(2 * PAGE) {
        let page = start.wrapping_byte_add(offset);
        // SAFETY: the page is in the mapping above, which nothing else knows of.
        if unsafe { libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        // SAFETY: as above, and it can be written now.
        unsafe { page.cast::<u8>().write_volatile(1) };
    }
    Ok(())
}

fn failed(error: io::Error) -> Error {
    Error::from_reason(error.to_string())
}

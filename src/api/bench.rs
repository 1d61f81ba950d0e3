//! For benchmarks: floors, which are what the kernel and the allocator cost when nothing is in the way, and
//! what a process grows by, for `npm run bench:cost`. Compiled with the feature `bench` only.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use napi::Error;
use napi_derive::napi;

use crate::control::growth;
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

/// See [`growth::use_arenas`].
#[napi(catch_unwind)]
pub fn use_arenas(count: u32) -> napi::Result<()> {
    growth::use_arenas(count).map_err(Error::from_reason)
}

/// See [`growth::hold_threads`].
#[napi(catch_unwind)]
pub fn hold_threads(count: u32) -> napi::Result<()> {
    growth::hold_threads(count).map_err(|error| Error::from_reason(error.to_string()))
}

/// See [`growth::split_mappings`].
#[napi(catch_unwind)]
pub fn split_mappings(count: u32) -> napi::Result<()> {
    growth::split_mappings(count).map_err(|error| Error::from_reason(error.to_string()))
}

//! jemalloc's heap profiler: on, off, and what it has sampled (jemalloc(3), `prof.*`).
//!
//! Each call here may wait for a dump that another thread takes: never on the JavaScript thread, but for
//! [`state`].

pub mod code_events;
mod hook;
mod versions;

use std::ffi::{CString, c_char};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tikv_jemalloc_ctl::raw;

use crate::live::{Kind, allocator};
use crate::sources::Absent;

/// Why there can be no profile in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Another allocator is live.
    Allocator(&'static str),
    /// This jemalloc was built without it.
    Build,
    /// It was not asked for at start.
    Option,
    /// This jemalloc does not have a key that it takes.
    Key(&'static str),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocator(name) => write!(
                f,
                "the live allocator is {name}, and only jemalloc takes heap profiles: start the program with `npx heapgap run`"
            ),
            Self::Build => write!(
                f,
                "this jemalloc was built without profiling (config.prof is false): the one that heapgap ships has it, start the program with `npx heapgap run`"
            ),
            Self::Option => write!(
                f,
                "jemalloc was started without profiling, and that cannot be changed later: start the program with `npx heapgap run`, or with MALLOC_CONF=prof:true,prof_active:false"
            ),
            Self::Key(key) => write!(f, "this jemalloc has no {key}"),
        }
    }
}

/// What the profiler does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// `prof.active`.
    pub active: bool,
    /// The mean number of bytes between two samples: 2 to the power of `prof.lg_sample`.
    pub sample_bytes: u64,
}

/// What the profiler does, or why there is none. Quick: three keys, and no lock that is held for long.
pub fn state() -> Result<State, Unavailable> {
    let kind = allocator().kind;
    if kind != Kind::Jemalloc {
        return Err(Unavailable::Allocator(kind.name()));
    }
    // opt.prof_active reads true even where opt.prof is false.
    if !flag(b"config.prof\0") {
        return Err(Unavailable::Build);
    }
    if !flag(b"opt.prof\0") {
        return Err(Unavailable::Option);
    }
    let missing = |key| move |_| Unavailable::Key(key);
    // SAFETY: a bool (jemalloc(3), prof.active).
    let active = unsafe { raw::read::<bool>(b"prof.active\0") }.map_err(missing("prof.active"))?;
    // SAFETY: a size_t (jemalloc(3), prof.lg_sample).
    let exponent = unsafe { raw::read::<usize>(b"prof.lg_sample\0") }.map_err(missing("prof.lg_sample"))?;
    Ok(State { active, sample_bytes: 1 << exponent.min(63) })
}

/// Where there is no such key, there is no such thing.
fn flag(key: &[u8]) -> bool {
    // SAFETY: both keys given are a bool in jemalloc(3).
    unsafe { raw::read::<bool>(key) }.unwrap_or(false)
}

/// Has jemalloc sample nothing that this thread allocates while `work` runs: it is heapgap's own, and would be shown as the
/// service's.
fn unsampled<T>(work: impl FnOnce() -> T) -> T {
    const KEY: &[u8] = b"thread.prof.active\0";
    // SAFETY: a bool (jemalloc(3), thread.prof.active). Where there is no profiling, there is no such key.
    let before = unsafe { raw::update::<bool>(KEY, false) };
    let result = work();
    if let Ok(before) = before {
        // SAFETY: as above.
        let _ = unsafe { raw::write(KEY, before) };
    }
    result
}

/// Who starts and stops, one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Whether there may be samples, or have been some.
static SAMPLED: AtomicBool = AtomicBool::new(false);

/// Samples from now on, every 2 to the power of `exponent` bytes on average; as before where it is `None`, and where
/// anything was sampled: see [`set_rate`]. Answers why stacks do not go on into JavaScript, if they do not.
pub fn start(exponent: Option<u32>) -> Result<Option<Absent>, Error> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let state = state()?;
    let sampled = SAMPLED.swap(true, Ordering::Relaxed) || state.active || flag(b"opt.prof_active\0");
    if let Some(exponent) = exponent.filter(|exponent| !sampled && 1 << exponent != state.sample_bytes) {
        set_rate(exponent)?;
    }
    code_events::keep_dropped();
    let missing = hook::install().err();
    // jemalloc's own backtrace uses libgcc's unwinder, which may hang there: see hook::Unwinder.
    if let Some(why) = missing.filter(|_| cfg!(target_env = "musl")) {
        return Err(Error::NoHook(why));
    }
    set_active(true)?;
    Ok(missing)
}

/// Never once there are samples. Up to 5.3.1 at least, `prof.reset` and the free of the last sample of a thread that has
/// ended may both destroy what jemalloc knows of that thread, and the process crashes (prof_tdata_expire and
/// prof_tctx_destroy in its src/prof_data.c: both decide under a lock that they have let go when they act).
fn set_rate(exponent: u32) -> Result<(), Error> {
    // SAFETY: a size_t (jemalloc(3), prof.reset).
    unsafe { raw::write(b"prof.reset\0", exponent as usize) }
        .map_err(|error| Error::Refused("prof.reset", error))
}

/// Takes no more samples. What was sampled stays, and is followed until it is freed.
pub fn stop() -> Result<(), Error> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    state()?;
    set_active(false)?;
    if cfg!(not(target_env = "musl")) {
        hook::remove();
    }
    Ok(())
}

fn set_active(active: bool) -> Result<(), Error> {
    // SAFETY: a bool (jemalloc(3), prof.active).
    unsafe { raw::write(b"prof.active\0", active) }.map_err(|error| Error::Refused("prof.active", error))
}

/// What was sampled at the last reset.
static BASELINE: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Has [`baseline`] tell what is sampled so far. jemalloc keeps it: see [`set_rate`].
pub fn reset() -> Result<(), Error> {
    let text = dump()?;
    *BASELINE.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    Ok(())
}

/// What a dump is to be compared with.
pub fn baseline() -> Option<Vec<u8>> {
    BASELINE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What jemalloc has sampled and is still live, in its own text.
///
/// jemalloc only writes to a path, with mode 0644 and following links. So the path is that of a file in memory that
/// nobody else can open, and no disk is needed, writable or not.
pub fn dump() -> Result<Vec<u8>, Error> {
    state()?;
    let mut file = memory_file().map_err(Error::File)?;
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
    // SAFETY: a `const char *` (jemalloc(3), prof.dump) that outlives the call.
    unsafe { raw::write::<*const c_char>(b"prof.dump\0", path.as_ptr()) }
        .map_err(|error| Error::Refused("prof.dump", error))?;
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut text)).map_err(Error::File)?;
    Ok(text)
}

fn memory_file() -> io::Result<File> {
    // SAFETY: the name is null-terminated; memfd_create(2).
    let descriptor = unsafe { libc::memfd_create(c"heapgap-profile".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Why the profiler did not do what it was told.
#[derive(Debug)]
pub enum Error {
    /// There is none.
    Unavailable(Unavailable),
    /// Without heapgap's backtrace none may be taken here.
    NoHook(Absent),
    /// jemalloc answered a key with an error.
    Refused(&'static str, tikv_jemalloc_ctl::Error),
    /// The file that jemalloc writes to could not be made or read.
    File(io::Error),
}

impl From<Unavailable> for Error {
    fn from(why: Unavailable) -> Self {
        Self::Unavailable(why)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "{why}"),
            Self::NoHook(why) => write!(f, "no stack can be taken safely: {why}"),
            Self::Refused(key, error) => write!(f, "jemalloc refused {key}: {error}"),
            Self::File(error) => write!(f, "no file in memory for jemalloc to write to: {error}"),
        }
    }
}

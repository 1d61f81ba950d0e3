//! What V8 calls the code that it generates, from V8's own events (`v8::Isolate::SetJitCodeEventHandler`).
//!
//! V8 can write the same to a file (`--perf-basic-prof`), but then it also opens a log: in the working directory, or, where
//! that cannot be written, on the service's standard output. Events leave nothing behind.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{c_char, c_int, c_void};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::unsampled;
use crate::live::symbols;
use crate::sources::Absent;

type Isolate = c_void;

/// `v8::JitCodeEvent`, the same from V8 11.3 (Node.js 20) to 14 (Node.js 26): include/v8-callbacks.h.
#[repr(C)]
struct JitCodeEvent {
    kind: c_int,
    code_type: c_int,
    code_start: *const c_void,
    code_len: usize,
    script: *const c_void,
    user_data: *mut c_void,
    wasm_source_info: *const c_void,
    /// For code that was added, its name; for code that was moved, where to, in the first word.
    name: Name,
    /// The rest of the largest of the union's members, `line_info_t`.
    _rest: usize,
    isolate: *const Isolate,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Name {
    text: *const c_char,
    len: usize,
}

const ADDED: c_int = 0;
const MOVED: c_int = 1;
/// `BYTE_CODE`: addresses in V8's heap, which are not what a stack returns to.
const BYTE_CODE: c_int = 0;

type Handler = Option<unsafe extern "C" fn(*const JitCodeEvent)>;

/// `kJitCodeEventDefault`.
const FROM_NOW_ON: c_int = 0;

/// The versions of V8 whose `JitCodeEvent` this file knows.
const KNOWN: RangeInclusive<u32> = 11..=14;

/// Hears from now on of the code that the calling thread's isolate generates. For JavaScript threads alone.
///
/// V8 would also tell of what exists; but it would walk its whole heap for that, and at the start of a program nothing of use
/// exists.
pub fn listen() -> Result<(), Absent> {
    let v8 = V8::find().ok_or(Absent::Because("this Node.js does not export V8's code events"))?;
    if !v8.major().is_some_and(|major| KNOWN.contains(&major)) {
        return Err(Absent::Because("heapgap does not know the code events of this version of V8"));
    }
    // SAFETY: on a JavaScript thread, there is one.
    let isolate = unsafe { (v8.current)() };
    if isolate.is_null() {
        return Err(Absent::Because("this thread runs no JavaScript"));
    }
    // SAFETY: the isolate is this thread's own, and entered. The addon is never unloaded (build.rs), so the handler stays; a
    // second one replaces the first.
    unsafe { (v8.set_handler)(isolate, FROM_NOW_ON, Some(hear)) };
    LISTENING.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether any thread has asked for events.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// What V8 exports (include/v8-isolate.h, v8-initialization.h), under the names of the Itanium C++ ABI, 5.1.
struct V8 {
    current: unsafe extern "C" fn() -> *mut Isolate,
    set_handler: unsafe extern "C" fn(*mut Isolate, c_int, Handler),
    version: unsafe extern "C" fn() -> *const c_char,
}

impl V8 {
    fn find() -> Option<Self> {
        // SAFETY: the types are those of the headers: two static functions, and a member function, whose first argument is
        // `this` (Itanium C++ ABI, 3.1).
        unsafe {
            Some(Self {
                current: symbols::function(c"_ZN2v87Isolate10GetCurrentEv")?,
                set_handler: symbols::function(
                    c"_ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE",
                )?,
                version: symbols::function(c"_ZN2v82V810GetVersionEv")?,
            })
        }
    }

    fn major(&self) -> Option<u32> {
        // SAFETY: it takes nothing, and answers a string that is never freed.
        let version = symbols::string_at(unsafe { (self.version)() })?;
        version.split('.').next()?.parse().ok()
    }
}

/// Nothing here may call V8, or take long: V8 collects garbage or compiles.
unsafe extern "C" fn hear(event: *const JitCodeEvent) {
    // SAFETY: V8 passes an event that is valid during the call.
    let event = unsafe { &*event };
    if event.code_type == BYTE_CODE {
        return;
    }
    let start = event.code_start as u64;
    let mut names = names();
    match event.kind {
        ADDED => {
            // SAFETY: for code that was added, V8 gives so many bytes (JitLogger::LogRecordedBuffer in V8's
            // src/logging/log.cc).
            let name = unsafe { std::slice::from_raw_parts(event.name.text.cast(), event.name.len) };
            unsampled(|| names.add(start, event.code_len as u64, &String::from_utf8_lossy(name)));
        }
        MOVED => unsampled(|| names.copy_to(start, event.name.text as u64)),
        _ => {}
    }
}

static NAMES: Mutex<Names> = Mutex::new(Names { by_start: BTreeMap::new(), bytes: 0 });

fn names() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// V8's names of the code that covers `wanted`; `None` where nobody has asked for events. It lets go between two addresses: a
/// JavaScript thread may have an event.
pub fn names_of(wanted: &[u64]) -> Option<HashMap<u64, String>> {
    LISTENING.load(Ordering::Relaxed).then(|| {
        wanted.iter().filter_map(|&address| Some((address, names().at(address)?.to_owned()))).collect()
    })
}

/// More than this is not kept: a service that generates code without end must not fill its memory with names.
const MOST_BYTES: usize = 32 << 20;

/// What an entry takes beside its text, about.
const OVERHEAD: usize = 64;

struct Names {
    /// By where the code starts: how long it is, and its name. No two overlap.
    by_start: BTreeMap<u64, (u64, Box<str>)>,
    bytes: usize,
}

impl Names {
    fn add(&mut self, start: u64, len: u64, name: &str) {
        let Some(end) = start.checked_add(len).filter(|_| len > 0) else { return };
        self.clear(start, end);
        if self.bytes + name.len() + OVERHEAD <= MOST_BYTES {
            self.bytes += name.len() + OVERHEAD;
            self.by_start.insert(start, (len, name.into()));
        }
    }

    /// What was there is gone: V8 has used its room anew.
    fn clear(&mut self, start: u64, end: u64) {
        while let Some((&last, (len, _))) = self.by_start.range(..end).next_back() {
            if last.saturating_add(*len) <= start {
                return;
            }
            self.remove(last);
        }
    }

    fn remove(&mut self, start: u64) -> Option<(u64, Box<str>)> {
        let (len, name) = self.by_start.remove(&start)?;
        self.bytes -= name.len() + OVERHEAD;
        Some((len, name))
    }

    /// What was sampled before the code moved has its old address: that keeps its name until other code takes the room.
    fn copy_to(&mut self, from: u64, to: u64) {
        if let Some((len, name)) = self.by_start.get(&from).cloned() {
            self.add(to, len, &name);
        }
    }

    fn at(&self, address: u64) -> Option<&str> {
        let (start, (len, name)) = self.by_start.range(..=address).next_back()?;
        (address - start < *len).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn empty() -> Names {
        Names { by_start: BTreeMap::new(), bytes: 0 }
    }

    #[test]
    fn code_takes_the_room_of_older_code() {
        let mut names = empty();
        names.add(100, 50, "a");
        names.add(150, 50, "b");
        names.add(200, 50, "c");
        assert_eq!(
            [99, 100, 149, 150, 249, 250].map(|address| names.at(address)),
            [None, Some("a"), Some("a"), Some("b"), Some("c"), None]
        );
        names.add(140, 20, "d");
        assert_eq!(
            [100, 140, 159, 160, 200].map(|address| names.at(address)),
            [None, Some("d"), Some("d"), None, Some("c")]
        );
    }

    #[test]
    fn code_that_moves_has_its_name_in_both_places() {
        let mut names = empty();
        names.add(100, 50, "a");
        names.copy_to(100, 200);
        names.copy_to(7, 8);
        assert_eq!(
            [100, 200, 249, 7].map(|address| names.at(address)),
            [Some("a"), Some("a"), Some("a"), None]
        );
    }

    #[test]
    fn names_are_bounded() {
        let mut names = empty();
        let long = "x".repeat(1 << 20);
        for start in 0..100 {
            names.add(start * 10, 10, &long);
        }
        assert!(names.bytes <= MOST_BYTES);
        assert_eq!(names.by_start.len(), MOST_BYTES / (long.len() + OVERHEAD));
    }

    proptest! {
        /// As a list from the end of which the last that covers an address is taken, less what later ones have cut off.
        #[test]
        fn no_two_overlap(codes in prop::collection::vec((0_u64..1000, 0_u64..100), 0..60)) {
            let mut names = empty();
            for (number, &(start, len)) in codes.iter().enumerate() {
                names.add(start, len, &number.to_string());
            }
            let ends: Vec<_> = names.by_start.iter().map(|(start, (len, _))| (*start, start + len)).collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ends:?}");
            prop_assert_eq!(names.bytes, names.by_start.values().map(|(_, name)| name.len() + OVERHEAD).sum::<usize>());
            if let Some((number, (start, len))) = codes.iter().enumerate().next_back().filter(|(_, (_, len))| *len > 0) {
                let expected = number.to_string();
                prop_assert_eq!(names.at(start + len - 1), Some(expected.as_str()));
            }
        }
    }
}

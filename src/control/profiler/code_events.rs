//! What V8 calls the code that it generates, from V8's own events (`v8::Isolate::SetJitCodeEventHandler`).
//!
//! V8 can write the same to a file (`--perf-basic-prof`), but then it also opens a log: in the working directory, or, where
//! that cannot be written, on the service's standard output. Events leave nothing behind.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{c_char, c_int, c_void};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{unsampled, versions};
use crate::live::symbols;
use crate::profile::{ADDRESS, ADDRESS_BITS};
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
    name: Text,
    /// The rest of the largest of the union's members, `line_info_t`.
    _rest: usize,
    isolate: *const Isolate,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Text {
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
    if event.code_type == BYTE_CODE || event.name.text.is_null() {
        return;
    }
    let start = event.code_start as u64;
    match event.kind {
        ADDED => {
            // SAFETY: for code that was added, V8 gives so many bytes (JitLogger::LogRecordedBuffer in V8's
            // src/logging/log.cc).
            let name = unsafe { std::slice::from_raw_parts(event.name.text.cast(), event.name.len) };
            let len = event.code_len as u64;
            let version = versions::renew(start, len);
            unsampled(|| {
                names().add(start, Code { len, version, name: String::from_utf8_lossy(name).into() })
            });
        }
        MOVED => unsampled(|| names().copy_to(start, event.name.text as u64)),
        _ => {}
    }
}

static NAMES: Mutex<Names> = Mutex::new(Names::new());

fn names() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on there may be samples of code that V8 drops.
pub fn keep_dropped() {
    names().keeps_dropped = true;
}

/// V8's names of the code that was at `wanted` when its versions were; `None` where nobody has asked for events. It lets go
/// now and then: a JavaScript thread may have an event.
pub fn names_of(wanted: &[u64]) -> Option<HashMap<u64, String>> {
    LISTENING.load(Ordering::Relaxed).then(|| {
        let live = |&address: &u64| Some((address, names().live(address)?.to_owned()));
        let mut found: HashMap<_, _> = wanted.iter().filter_map(live).collect();
        let mut others: Vec<_> =
            wanted.iter().copied().filter(|address| !found.contains_key(address)).collect();
        others.sort_unstable_by_key(|address| address & ADDRESS);
        let mut next = 0;
        while !others.is_empty() {
            let Some(after) = names().name_dropped(next, &others, &mut found) else { break };
            next = after;
        }
        found
    })
}

/// More than this is not kept: a service that generates code without end must not fill its memory with names.
const MOST_BYTES: usize = 32 << 20;

/// What an entry takes beside its text, about.
const OVERHEAD: usize = 64;

/// How many are looked at before the lock is let go.
const AT_ONCE: usize = 1000;

#[derive(Clone, Debug)]
struct Code {
    len: u64,
    version: u8,
    name: Box<str>,
}

impl Code {
    fn bytes(&self) -> usize {
        self.name.len() + OVERHEAD
    }
}

struct Names {
    /// By where the code starts. No two overlap.
    by_start: BTreeMap<u64, Code>,
    /// What was there before, in the order in which it was dropped.
    dropped: VecDeque<(u64, Code)>,
    /// How many of those were forgotten, the oldest first.
    forgotten: usize,
    keeps_dropped: bool,
    bytes: usize,
}

impl Names {
    const fn new() -> Self {
        Self {
            by_start: BTreeMap::new(),
            dropped: VecDeque::new(),
            forgotten: 0,
            keeps_dropped: false,
            bytes: 0,
        }
    }

    fn add(&mut self, start: u64, code: Code) {
        let Some(end) = start.checked_add(code.len).filter(|_| code.len > 0) else { return };
        self.clear(start, end);
        self.make_room(code.bytes());
        if self.bytes + code.bytes() <= MOST_BYTES {
            self.bytes += code.bytes();
            self.by_start.insert(start, code);
        }
    }

    /// What was there is gone: V8 has used its room anew.
    fn clear(&mut self, start: u64, end: u64) {
        while let Some((&last, code)) = self.by_start.range(..end).next_back() {
            if last.saturating_add(code.len) <= start {
                return;
            }
            let Some(code) = self.by_start.remove(&last) else { return };
            if self.keeps_dropped {
                self.dropped.push_back((last, code));
            } else {
                self.bytes -= code.bytes();
            }
        }
    }

    fn make_room(&mut self, bytes: usize) {
        while self.bytes + bytes > MOST_BYTES {
            let Some((_, code)) = self.dropped.pop_front() else { return };
            self.bytes -= code.bytes();
            self.forgotten += 1;
        }
    }

    /// What was sampled before the code moved has its old address: that keeps its name until other code takes the room.
    fn copy_to(&mut self, from: u64, to: u64) {
        if let Some(code) = self.by_start.get(&from).cloned() {
            let version = versions::renew(to, code.len);
            self.add(to, Code { version, ..code });
        }
    }

    /// The name of what is at `address`, if it is what was there.
    fn live(&self, address: u64) -> Option<&str> {
        let place = address & ADDRESS;
        let (start, code) = self.by_start.range(..=place).next_back()?;
        let version = (address >> ADDRESS_BITS) as u8;
        let is_it = place - start < code.len && (version == code.version || version == 0);
        is_it.then_some(&code.name)
    }

    /// Names those of `wanted`, in the order of their places, that were in some of what was dropped: from number `next` on.
    /// Answers the number to go on with, if there are more.
    fn name_dropped(&self, next: usize, wanted: &[u64], found: &mut HashMap<u64, String>) -> Option<usize> {
        let first = next.saturating_sub(self.forgotten);
        for (start, code) in self.dropped.iter().skip(first).take(AT_ONCE) {
            let from = wanted.partition_point(|address| address & ADDRESS < *start);
            let inside =
                wanted.iter().skip(from).take_while(|&&address| (address & ADDRESS) - start < code.len);
            for &address in inside.filter(|&&address| (address >> ADDRESS_BITS) as u8 == code.version) {
                found.insert(address, code.name.to_string());
            }
        }
        (first + AT_ONCE < self.dropped.len()).then_some(self.forgotten + first + AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(len: u64, version: u8, name: &str) -> Code {
        Code { len, version, name: name.into() }
    }

    fn at(names: &Names, place: u64, version: u8) -> Option<String> {
        let address = u64::from(version) << ADDRESS_BITS | place;
        let mut found = HashMap::new();
        let mut next = Some(0);
        while let Some(number) = next {
            next = names.name_dropped(number, &[address], &mut found);
        }
        names.live(address).map(str::to_owned).or_else(|| found.remove(&address))
    }

    #[test]
    fn code_takes_the_room_of_older_code() {
        let mut names = Names::new();
        for (start, name) in [(100, "a"), (150, "b"), (200, "c")] {
            names.add(start, code(50, 1, name));
        }
        let all = |names: &Names, places: [u64; 6]| places.map(|place| at(names, place, 0));
        let expected = [None, Some("a"), Some("a"), Some("b"), Some("c"), None];
        assert_eq!(all(&names, [99, 100, 149, 150, 249, 250]), expected.map(|name| name.map(str::to_owned)));
        names.add(140, code(20, 2, "d"));
        let expected = [None, Some("d"), Some("d"), None, Some("c"), None];
        assert_eq!(all(&names, [100, 140, 159, 160, 200, 250]), expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn a_sample_is_named_after_what_was_there() {
        let mut names = Names::new();
        names.keeps_dropped = true;
        for version in 1..=100 {
            names.add(100, code(50, version, &format!("v{version}")));
        }
        for version in 1..=100 {
            assert_eq!(at(&names, 120, version), Some(format!("v{version}")));
        }
        assert_eq!((at(&names, 120, 101), at(&names, 150, 7)), (None, None));
        assert_eq!(at(&names, 120, 0).as_deref(), Some("v100"));
    }

    #[test]
    fn without_samples_nothing_is_kept_that_was_dropped() {
        let mut names = Names::new();
        for version in 1..=100 {
            names.add(100, code(50, version, "a"));
        }
        assert_eq!((names.dropped.len(), names.bytes), (0, code(50, 1, "a").bytes()));
    }

    #[test]
    fn code_that_moves_has_its_name_in_both_places() {
        let mut names = Names::new();
        names.add(100, code(50, 3, "a"));
        names.copy_to(100, 200);
        names.copy_to(7, 8);
        assert_eq!(
            [100, 200, 249].map(|place| at(&names, place, 0)),
            [const { "a" }; 3].map(|name| Some(name.to_owned()))
        );
        assert_eq!(at(&names, 7, 0), None);
    }

    #[test]
    fn names_are_bounded_and_the_oldest_dropped_ones_go_first() {
        let mut names = Names::new();
        names.keeps_dropped = true;
        let long = "x".repeat(1 << 20);
        for version in 1..=100 {
            names.add(100, code(50, version, &long));
        }
        assert!(names.bytes <= MOST_BYTES);
        let kept = MOST_BYTES / code(50, 1, &long).bytes();
        assert_eq!((names.by_start.len() + names.dropped.len(), names.forgotten), (kept, 100 - kept));
        assert!(at(&names, 120, 99).is_some() && at(&names, 120, 1).is_none());
        let mut full = Names::new();
        for start in 1..100 {
            full.add(start * 10, code(10, 1, &long));
        }
        assert_eq!((full.bytes <= MOST_BYTES, full.by_start.len()), (true, kept));
    }

    proptest! {
        #[test]
        fn no_two_overlap(codes in prop::collection::vec((0_u64..1000, 0_u64..100), 0..60), keeps in any::<bool>()) {
            let mut names = Names::new();
            names.keeps_dropped = keeps;
            for (number, &(start, len)) in codes.iter().enumerate() {
                names.add(start, code(len, 1, &number.to_string()));
            }
            let ends: Vec<_> = names.by_start.iter().map(|(start, code)| (*start, start + code.len)).collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ends:?}");
            let all = names.by_start.values().chain(names.dropped.iter().map(|(_, code)| code));
            prop_assert_eq!(names.bytes, all.map(Code::bytes).sum::<usize>());
            if let Some((number, (start, len))) = codes.iter().enumerate().next_back().filter(|(_, (_, len))| *len > 0) {
                prop_assert_eq!(at(&names, start + len - 1, 1), Some(number.to_string()));
            }
        }
    }
}

//! The backtrace that jemalloc takes for a sample, continued into JavaScript.
//!
//! jemalloc's own ends where V8's generated code begins: there is no unwind information for it. V8 keeps frame
//! pointers, though, and so does Node.js. So the hook unwinds as jemalloc does, keeps the frame pointer that the
//! unwinder has recovered for the last frame it knew, and follows the chain from there. (From the start it could
//! not: jemalloc and libc keep none.)
//!
//! It runs inside malloc, on any thread: it takes no lock and no memory, and leaves `errno` as it was. The
//! kernel copies the stack, so that a chain that leads astray is an answer and not a SIGSEGV.

use std::ffi::{c_int, c_uint, c_void};
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tikv_jemalloc_ctl::raw;

use super::versions;
#[cfg(not(target_env = "musl"))]
use crate::live::symbols;
use crate::profile::ADDRESS;
use crate::sources::smaps::header;
use crate::sources::{Absent, own_memory};

/// jemalloc's `prof_backtrace_hook_t`: fills at most `max` addresses into `vec`, and says in `len` how many.
type Hook = unsafe extern "C" fn(vec: *mut *mut c_void, len: *mut c_uint, max: c_uint);

const KEY: &[u8] = b"experimental.hooks.prof_backtrace\0";

/// An `_Unwind_Context`.
type Context = c_void;
type Step = unsafe extern "C" fn(*mut Context, *mut c_void) -> c_int;

/// `_Unwind_Reason_Code` (Itanium C++ ABI, Exception Handling, 1.1).
const NO_REASON: c_int = 0;
const END_OF_STACK: c_int = 5;

/// DWARF's number of the frame pointer: rbp (System V ABI, AMD64, figure 3.36), x29 (DWARF for the Arm 64-bit
/// Architecture, 4.1).
#[cfg(target_arch = "x86_64")]
const FRAME_POINTER: c_int = 6;
#[cfg(not(target_arch = "x86_64"))]
const FRAME_POINTER: c_int = 29;

#[derive(Clone, Copy)]
struct Unwinder {
    backtrace: unsafe extern "C" fn(Step, *mut c_void) -> c_int,
    instruction: unsafe extern "C" fn(*mut Context) -> usize,
    register: unsafe extern "C" fn(*mut Context, c_int) -> usize,
}

impl Unwinder {
    /// The addon's own, LLVM's, which the linker of the released binaries brings. libgcc's remembers libraries in a list
    /// that it guards by glibc's `dl_iterate_phdr`, which calls back one thread at a time (frame_hdr_cache in its
    /// unwind-dw2-fde-dip.c). musl's does not: two threads that unwind may make a ring of it, and never come back.
    #[cfg(target_env = "musl")]
    fn find() -> Option<Self> {
        // The types are those of unwind.h.
        unsafe extern "C" {
            fn _Unwind_Backtrace(step: Step, given: *mut c_void) -> c_int;
            fn _Unwind_GetIP(context: *mut Context) -> usize;
            fn _Unwind_GetGR(context: *mut Context, register: c_int) -> usize;
        }
        Some(Self { backtrace: _Unwind_Backtrace, instruction: _Unwind_GetIP, register: _Unwind_GetGR })
    }

    /// The one that jemalloc itself uses. Looked up instead of linked: a second one in the addon would be
    /// another, with locks of its own.
    #[cfg(not(target_env = "musl"))]
    fn find() -> Option<Self> {
        // SAFETY: the types are those of unwind.h.
        unsafe {
            Some(Self {
                backtrace: symbols::function(c"_Unwind_Backtrace")?,
                instruction: symbols::function(c"_Unwind_GetIP")?,
                register: symbols::function(c"_Unwind_GetGR")?,
            })
        }
    }
}

static UNWINDER: OnceLock<Option<Unwinder>> = OnceLock::new();

/// The end of the main thread's stack; 0 until the hook is installed.
static MAIN_STACK_END: AtomicUsize = AtomicUsize::new(0);

/// What jemalloc called before.
static BEFORE: OnceLock<Hook> = OnceLock::new();

/// Has jemalloc take its backtraces here. What cannot be had is no reason not to profile: without the hook,
/// stacks end where JavaScript begins.
pub fn install() -> Result<(), Absent> {
    let unwinder = UNWINDER.get_or_init(Unwinder::find);
    unwinder.ok_or(Absent::Because("this process has no _Unwind_Backtrace"))?;
    if !can_read_stack() {
        return Err(Absent::Because("the kernel lets no process read itself (process_vm_readv)"));
    }
    let end = main_stack_end().ok_or(Absent::Because("/proc/self/maps does not tell where the stack is"))?;
    MAIN_STACK_END.store(end, Ordering::Relaxed);
    // SAFETY: the key's type is that of jemalloc's prof_hook.h.
    let current = unsafe { raw::read::<Option<Hook>>(KEY) }.map_err(|_| NO_KEY)?;
    let _ = BEFORE.set(current.ok_or(NO_KEY)?);
    // SAFETY: as above. The addon is never unloaded (build.rs), so the function stays.
    unsafe { raw::write::<Hook>(KEY, backtrace) }.map_err(|_| NO_KEY)
}

const NO_KEY: Absent = Absent::NoKey("experimental.hooks.prof_backtrace");

/// Gives jemalloc back what it had.
pub fn remove() {
    if let Some(&before) = BEFORE.get() {
        // SAFETY: as in `install`; the function is jemalloc's, or that of another library that set it.
        let _ = unsafe { raw::write::<Hook>(KEY, before) };
    }
}

fn can_read_stack() -> bool {
    let known = [7_u8; 8];
    let mut copy = [0; 8];
    own_memory::read(known.as_ptr() as u64, &mut copy) == copy.len()
}

fn main_stack_end() -> Option<usize> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let stack = maps.lines().filter_map(header).find(|mapping| mapping.path == Some("[stack]"))?;
    usize::try_from(stack.end).ok()
}

/// LLVM's unwinder, for an address within a file but without unwind information, looks through all that the file has:
/// a millisecond in Node.js 20, whose V8 has none for its builtins. So the end is remembered, and not tried again.
const ENDS_ARE_SLOW: bool = cfg!(target_env = "musl");

/// Each a [`pair`], where [`slot`] says, until another comes.
static ENDS: [AtomicUsize; 1024] = [const { AtomicUsize::new(0) }; 1024];

/// The last address that the unwinder finds, and where its frame pointer says that it returns to. Both: the frame pointer may be
/// that of a function further out.
const fn pair(last: usize, caller: usize) -> usize {
    last.rotate_left(24) ^ caller
}

fn slot(pair: usize) -> &'static AtomicUsize {
    &ENDS[(pair ^ (pair >> 10) ^ (pair >> 24)) % ENDS.len()]
}

/// The addresses so far, and the frame pointer of the last.
struct Trace {
    unwinder: Unwinder,
    vec: *mut *mut c_void,
    len: usize,
    max: usize,
    last: usize,
    frame_pointer: usize,
    is_at_known_end: bool,
    stack: Stack,
    window: Window,
}

impl Trace {
    /// Whether there is room for another.
    fn push(&mut self, address: usize) -> bool {
        if self.len < self.max {
            // SAFETY: jemalloc gives room for `max` addresses.
            unsafe { self.vec.add(self.len).write(versions::mark(address as u64) as *mut c_void) };
            self.len += 1;
        }
        self.len < self.max
    }

    fn pair(&mut self) -> Option<usize> {
        let frame = self.frame_pointer;
        let [_, caller] = if self.stack.holds(frame) { self.window.pair(frame) } else { None }?;
        Some(pair(self.last, caller))
    }

    /// Whether it is known that the unwinder finds nothing beyond the last address.
    fn is_known_end(&mut self) -> bool {
        self.pair().is_some_and(|pair| slot(pair).load(Ordering::Relaxed) == pair)
    }

    /// That the unwinder has found no more than this.
    fn remember_end(&mut self) {
        if self.is_at_known_end || self.len == self.max {
            return;
        }
        if let Some(pair) = self.pair() {
            slot(pair).store(pair, Ordering::Relaxed);
        }
    }
}

unsafe extern "C" fn backtrace(vec: *mut *mut c_void, len: *mut c_uint, max: c_uint) {
    let Some(Some(unwinder)) = UNWINDER.get().copied() else { return };
    // SAFETY: errno of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let here = (&raw const before) as usize;
    let stack = Stack { from: here, to: stack_end(here) };
    let mut trace = Trace {
        unwinder,
        vec,
        len: 0,
        max: max as usize,
        last: 0,
        frame_pointer: 0,
        is_at_known_end: false,
        stack,
        window: Window::new(),
    };
    // SAFETY: `step` is given what it expects, and `trace` outlives the call.
    unsafe { (unwinder.backtrace)(step, (&raw mut trace).cast()) };
    if ENDS_ARE_SLOW {
        trace.remember_end();
    }
    stack.follow(trace.frame_pointer, |address| trace.push(address));
    // SAFETY: jemalloc's own variable, and as above.
    unsafe {
        len.write(trace.len as c_uint);
        *errno = before;
    }
}

unsafe extern "C" fn step(context: *mut Context, trace: *mut c_void) -> c_int {
    // SAFETY: `backtrace` passes its Trace, which nothing else uses meanwhile.
    let trace = unsafe { &mut *trace.cast::<Trace>() };
    // SAFETY: the unwinder's own context, valid during this call.
    let address = unsafe { (trace.unwinder.instruction)(context) };
    if address == 0 {
        return END_OF_STACK;
    }
    // SAFETY: as above. The frame pointer is among the registers that a frame description restores, or the
    // unwinder has it from the frame before.
    trace.frame_pointer = unsafe { (trace.unwinder.register)(context, FRAME_POINTER) };
    trace.last = address;
    if !trace.push(address) {
        return END_OF_STACK;
    }
    trace.is_at_known_end = ENDS_ARE_SLOW && trace.is_known_end();
    if trace.is_at_known_end { END_OF_STACK } else { NO_REASON }
}

/// The end of the stack that holds `here`. A thread's own descriptor lies at the end of its stack (glibc's
/// allocate_stack, musl's __pthread_create), the main thread's elsewhere.
fn stack_end(here: usize) -> usize {
    // SAFETY: it cannot fail.
    let descriptor = unsafe { libc::pthread_self() } as usize;
    let ends = [descriptor, MAIN_STACK_END.load(Ordering::Relaxed)];
    ends.into_iter().filter(|&end| end > here).min().unwrap_or(here)
}

/// The part of a thread's stack in which its frames are.
#[derive(Clone, Copy)]
struct Stack {
    from: usize,
    to: usize,
}

const WORD: usize = size_of::<usize>();

/// How much of the stack is copied at once: a JavaScript frame takes about a hundred bytes.
const WINDOW: usize = 2048;

impl Stack {
    /// Hands out the return addresses of the chain of frames that begins at `frame`, until `push` wants no more,
    /// or until the chain leaves the stack or turns back. Before musl's first frame are the program's arguments: no
    /// function is on the stack.
    fn follow(self, mut frame: usize, mut push: impl FnMut(usize) -> bool) {
        let mut window = Window::new();
        while self.holds(frame) {
            let Some([next, address]) = window.pair(frame) else { return };
            let address = address & ADDRESS as usize;
            if address == 0 || self.is_argument(address) || !push(address) || next <= frame {
                return;
            }
            frame = next;
        }
    }

    fn is_argument(self, address: usize) -> bool {
        cfg!(any(target_env = "musl", test)) && (self.from..self.to).contains(&address)
    }

    fn holds(self, frame: usize) -> bool {
        frame.is_multiple_of(WORD) && frame >= self.from && frame < self.to.saturating_sub(2 * WORD)
    }
}

/// A copy of the stack from `start` on.
struct Window {
    start: usize,
    len: usize,
    bytes: [u8; WINDOW],
}

impl Window {
    fn new() -> Self {
        Self { start: 0, len: 0, bytes: [0; WINDOW] }
    }

    /// The two words at `address`: the caller's frame, and where this one returns to.
    fn pair(&mut self, address: usize) -> Option<[usize; 2]> {
        if self.at(address).is_none() {
            self.start = address;
            self.len = own_memory::read(address as u64, &mut self.bytes);
        }
        self.at(address)
    }

    fn at(&self, address: usize) -> Option<[usize; 2]> {
        let offset = address.checked_sub(self.start)?;
        let copied = self.bytes.get(..self.len)?;
        let first = copied.get(offset..)?.first_chunk::<WORD>()?;
        let second = copied.get(offset + WORD..)?.first_chunk::<WORD>()?;
        Some([usize::from_ne_bytes(*first), usize::from_ne_bytes(*second)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stack as words; a frame is the index of one.
    fn chain(words: &[usize], first: usize) -> Vec<usize> {
        let start = words.as_ptr() as usize;
        let stack = Stack { from: start, to: start + size_of_val(words) };
        let mut found = Vec::new();
        stack.follow(start + first * WORD, |address| {
            found.push(address);
            found.len() < 128
        });
        found
    }

    /// Words in which each of `frames`, at an index, points to the next and returns to its own number.
    fn frames_at(indices: &[usize], len: usize) -> Vec<usize> {
        let mut words = vec![0; len];
        let start = words.as_ptr() as usize;
        for (number, &index) in indices.iter().enumerate() {
            words[index] = indices.get(number + 1).map_or(0, |next| start + next * WORD);
            words[index + 1] = 0x1000 + number;
        }
        words
    }

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let words = frames_at(&[1, 5, 40, 700, 3000], 4096);
        assert_eq!(chain(&words, 1), [0x1000, 0x1001, 0x1002, 0x1003, 0x1004]);
    }

    #[test]
    fn a_chain_that_turns_back_ends() {
        let words = frames_at(&[8, 30, 12, 50], 64);
        assert_eq!(chain(&words, 8), [0x1000, 0x1001]);
        let mut words = frames_at(&[8], 64);
        words[8] = words.as_ptr() as usize + 8 * WORD;
        assert_eq!(chain(&words, 8), [0x1000], "a frame that is its own caller");
    }

    #[test]
    fn a_chain_ends_where_it_would_return_to_the_stack() {
        let mut words = frames_at(&[1, 5, 9], 16);
        words[6] = words.as_ptr() as usize + WORD;
        assert_eq!(chain(&words, 1), [0x1000]);
    }

    #[test]
    fn a_frame_outside_the_stack_is_none() {
        let words = [0x2000, 0x3000, 0, 0];
        assert_eq!(chain(&words, 3), [] as [usize; 0], "no room for two words");
        assert_eq!(chain(&words, 4), [] as [usize; 0]);
        let start = words.as_ptr() as usize;
        let nowhere = Stack { from: start, to: start + size_of_val(&words) };
        for frame in [0, 8, start - WORD, start + 1, usize::MAX] {
            let mut found = 0;
            nowhere.follow(frame, |_| {
                found += 1;
                true
            });
            assert_eq!(found, 0, "{frame:x}");
        }
    }

    /// As if the unwinder had come to `last`, whose frame is that word.
    fn trace_at(words: &[usize], frame: usize, last: usize) -> Option<Trace> {
        let start = words.as_ptr() as usize;
        Some(Trace {
            unwinder: Unwinder::find()?,
            vec: std::ptr::null_mut(),
            len: 2,
            max: 3,
            last,
            frame_pointer: start + frame * WORD,
            is_at_known_end: false,
            stack: Stack { from: start, to: start + size_of_val(words) },
            window: Window::new(),
        })
    }

    #[test]
    fn an_end_is_known_once_it_was_found() -> Result<(), Absent> {
        let words = frames_at(&[1, 5], 16);
        let at = |frame, last| trace_at(&words, frame, last).ok_or(NO_KEY);
        assert!(!at(1, 0x77)?.is_known_end());
        at(1, 0x77)?.remember_end();
        assert!(at(1, 0x77)?.is_known_end());
        assert!(!at(1, 0x78)?.is_known_end(), "from another function");
        assert!(!at(5, 0x77)?.is_known_end(), "to another address");
        assert!(!at(16, 0x77)?.is_known_end(), "not of this stack");
        Ok(())
    }

    #[test]
    fn where_a_trace_is_cut_is_no_end() -> Result<(), Absent> {
        let words = frames_at(&[1], 16);
        let mut trace = trace_at(&words, 1, 0x99).ok_or(NO_KEY)?;
        trace.len = trace.max;
        trace.remember_end();
        trace.len = 2;
        trace.is_at_known_end = true;
        trace.remember_end();
        assert!(!trace.is_known_end());
        Ok(())
    }

    #[test]
    fn signatures_are_removed_from_addresses() {
        let mut words = frames_at(&[0], 8);
        words[1] = 0xab12_0000_0040_1234;
        assert_eq!(chain(&words, 0), [0x40_1234]);
    }

    #[test]
    fn this_thread_s_stack_has_an_end() {
        let local = 0_u8;
        let here = (&raw const local) as usize;
        let end = std::thread::spawn(move || {
            let local = 0_u8;
            let here = (&raw const local) as usize;
            stack_end(here) - here
        })
        .join();
        assert!(matches!(end, Ok(1..=8_388_608)), "{end:?}");
        assert_ne!(main_stack_end(), None);
        assert!(stack_end(here) > here);
    }

    proptest! {
        /// Whatever the stack holds, and wherever it begins: no fault, and an end.
        #[test]
        fn any_memory_is_survived(words in prop::collection::vec(any::<usize>(), 1..600), first in 0_usize..600) {
            prop_assert!(chain(&words, first).len() <= 128);
        }

        #[test]
        fn links_within_the_stack_always_end(links in prop::collection::vec(0_usize..400, 400), first in 0_usize..400) {
            let mut words = links;
            let start = words.as_ptr() as usize;
            for word in &mut words {
                *word = start + *word * WORD;
            }
            prop_assert!(chain(&words, first).len() <= 128);
        }
    }
}

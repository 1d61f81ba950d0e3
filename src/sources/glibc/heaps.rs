//! glibc's heaps, found in the address space and walked without a lock: how much of what is free is still
//! in memory, and how much of that a trim would give back.
//!
//! What it knows of glibc is malloc.c and arena.c of 2.26 to 2.43 on 64 bits: the heap that `brk` grows is
//! the main arena's. Any other arena is a list of heaps, each aligned to 64 MiB with a `heap_info` at its
//! start; behind that of the first is the arena's own `malloc_state`. Large blocks are mappings of their
//! own, and so are parts of the main arena where `brk` could not grow it. Not covered: huge pages by
//! `glibc.malloc.hugetlb=2`, with which heaps have another size. Such memory is in
//! [`Heaps::other_resident`].

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use super::pages::Pages;
use super::walk::{self, Heap, Memory, Scratch, Tally};
use crate::live::glibc_version;
use crate::sources::detail::{Arena, ClassKind, Region, SizeClass};
use crate::sources::pagemap::Pagemap;
use crate::sources::process::page_size;
use crate::sources::{Absent, own_memory};

/// What glibc's memory consists of, in bytes. `used_resident`, `dirty`, `pinned`, `mmapped_resident`,
/// `other_resident` and `unwalked_resident` add up to what was resident in all regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heaps {
    /// The main arena first, then in glibc's order. Of one that could not be walked, only what is resident
    /// and mapped.
    pub arenas: Vec<Arena>,
    /// Pages in memory, but for the free part of them: chunks in use (what threads' caches keep looks in
    /// use), their headers, the arenas' own state.
    pub used_resident: u64,
    /// Whole free pages in memory, which `malloc_trim(0)` gives back.
    pub dirty: u64,
    /// Other free memory: in pages that hold a chunk in use too, or that no trim gives back.
    pub pinned: u64,
    /// Of `pinned`: at the top of threads' arenas. glibc gives it back by itself when that grows beyond
    /// `M_TRIM_THRESHOLD`, and never by `malloc_trim`.
    pub top_resident: u64,
    /// Blocks that are mappings of their own, of which something is in memory.
    pub mmapped_resident: u64,
    /// The same with what of them is not in memory.
    pub mmapped: u64,
    /// In the regions, and not glibc's as far as can be told.
    pub other_resident: u64,
    /// Arenas that could not be walked.
    pub unwalked_resident: u64,
    /// Every arena was walked.
    pub complete: bool,
    /// Free chunks by size, without those at the top.
    pub free_classes: Vec<SizeClass>,
}

/// `HEAP_MAX_SIZE`: twice `DEFAULT_MMAP_THRESHOLD_MAX`, on 64 bits.
const HEAP_MAX: u64 = 64 << 20;
/// `HEAP_MIN_SIZE`, less what a heap may shrink to.
const SMALLEST_HEAP: u64 = 4096;
/// `sizeof (heap_info)` since 2.35, and before.
const HEAP_INFO: [u64; 2] = [48, 32];
/// Where `malloc_state` has `top`: since 2.27; in 2.26; since 2.43, which has no fastbins.
const TOP: [u64; 3] = [96, 88, 8];
/// From there to other fields, and to the end: two pointers, 254 bins and their bitmap are between.
const NEXT_ARENA: u64 = 2064;
const ATTACHED_THREADS: u64 = 2080;
const STATE_END: u64 = 2104;

/// How many places are tried for a part of the main arena. The first header betrays most that are none.
const TRIES: u32 = 64;

/// How often a heap is walked from its start before it is given up.
const ATTEMPTS: u32 = 3;

/// This process.
struct Own(RefCell<Pagemap>);

impl Memory for Own {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        own_memory::read(address, into)
    }

    fn pages(&self, range: Range<u64>, each: &mut dyn FnMut(u64, bool)) -> Result<(), Absent> {
        self.0.borrow_mut().each(range, each)
    }

    fn brk(&self) -> Option<u64> {
        // SAFETY: sbrk(2) by 0 changes nothing; it answers -1 where there is no brk.
        let end = unsafe { libc::sbrk(0) } as u64;
        (end != u64::MAX).then_some(end)
    }
}

/// Walks all of glibc's heaps in `regions`. Not for the JavaScript thread: it takes some 300 ms for a
/// GiB of small blocks. Nobody who allocates waits for it. `regions` are in the order of their addresses.
pub fn read(regions: &[Region]) -> Result<Heaps, Absent> {
    let memory = Own(RefCell::new(Pagemap::open(Path::new("/"))?));
    let probe = [0; 1];
    if own_memory::read(probe.as_ptr() as u64, &mut [0]) == 0 {
        return Err(Absent::Because("the kernel refuses process_vm_readv on the process itself"));
    }
    find(&memory, regions, links_are_mangled())
}

/// Some words at once; `None` where they cannot be read.
fn words<const N: usize>(memory: &dyn Memory, address: u64) -> Option<[u64; N]> {
    let mut bytes = [[0; 8]; N];
    let copied = memory.read(address, bytes.as_flattened_mut());
    (copied == N * 8).then(|| bytes.map(u64::from_ne_bytes))
}

/// Whether this glibc mangles the links in fastbins; see `walk`.
fn links_are_mangled() -> bool {
    minor_version().is_some_and(|minor| (32..=42).contains(&minor))
}

fn minor_version() -> Option<u32> {
    glibc_version()?.split('.').nth(1)?.parse().ok()
}

/// A heap of an arena that is not the main one, by its `heap_info`.
#[derive(Clone, Copy, Debug)]
struct ThreadHeap {
    start: u64,
    /// Its arena's `malloc_state`.
    arena: u64,
    size: u64,
}

/// What `malloc_state` says.
#[derive(Clone, Copy, Debug)]
struct State {
    /// The next arena; the last one names the main arena.
    next: u64,
    threads: u64,
    /// The address behind it.
    end: u64,
}

/// An arena that is not the main one.
#[derive(Debug)]
struct ThreadArena {
    at: u64,
    state: State,
    heaps: Vec<ThreadHeap>,
}

/// What came of walking the heaps of one arena.
#[derive(Debug, Default)]
struct Outcome {
    /// `None` where one of them could not be walked.
    tally: Option<Tally>,
    resident: u64,
    mapped: u64,
}

/// What was found beside the heap that `brk` grows.
struct Found {
    heaps: Vec<ThreadHeap>,
    /// Parts of the main arena.
    parts: Outcome,
    tries: u32,
    mangled: bool,
}

impl Outcome {
    /// Of nothing.
    fn walked() -> Self {
        Self { tally: Some(Tally::default()), resident: 0, mapped: 0 }
    }

    fn merge(self, other: Self) -> Self {
        let tally = self.tally.zip(other.tally).map(|(mut tally, other)| {
            tally.merge(&other);
            tally
        });
        Self { tally, resident: self.resident + other.resident, mapped: self.mapped + other.mapped }
    }
}

fn find(memory: &dyn Memory, regions: &[Region], mangled: bool) -> Result<Heaps, Absent> {
    let mut heaps = Heaps { complete: true, ..Heaps::default() };
    let mut found = Found { heaps: Vec::new(), parts: Outcome::walked(), tries: TRIES, mangled };
    let mut scanned = 0;
    for region in regions.iter().filter(|region| !region.is_brk && region.resident > 0) {
        // A mapping that grows while the kernel lists it can be listed twice. A heap can be several.
        let range = region.start.max(scanned)..region.end;
        scanned = scanned.max(scan(memory, range, region.resident, &mut heaps, &mut found)?);
    }
    let arenas = group(memory, found.heaps, &mut heaps)?;
    let mut classes = walk::Classes::default();

    let brk = brk(regions);
    let main = walk_main(memory, brk.clone(), mangled)?.merge(found.parts);
    // Parts of the main arena are elsewhere, and what was not recognized can be one of them.
    let goes_on = main.tally.as_ref().is_some_and(|tally| tally.goes_on);
    heaps.complete &= !(goes_on && heaps.other_resident >= walk::SMALLEST_PART);
    let threads = main_state(memory, &arenas, brk).map(|state| state.threads);
    heaps.add(0, threads, main, &mut classes);
    for (index, arena) in (1..).zip(&arenas) {
        let outcome = walk_arena(memory, arena, mangled)?;
        heaps.add(index, Some(arena.state.threads), outcome, &mut classes);
    }
    heaps.free_classes = classes.rows().map(size_class).collect();
    Ok(heaps)
}

/// All that `brk` grows; empty where the main arena has none.
fn brk(regions: &[Region]) -> Range<u64> {
    let of_brk = || regions.iter().filter(|region| region.is_brk);
    let start = of_brk().map(|region| region.start).min().unwrap_or(0);
    start..of_brk().map(|region| region.end).max().unwrap_or(0)
}

impl Heaps {
    fn add(&mut self, index: u32, threads: Option<u64>, outcome: Outcome, classes: &mut walk::Classes) {
        let Outcome { tally, resident, mapped } = outcome;
        let arena =
            Arena { index, threads, mapped: Some(mapped), resident: Some(resident), ..Arena::default() };
        self.arenas.push(match &tally {
            None => arena,
            Some(tally) => Arena {
                allocated: Some(tally.used),
                dirty: Some(tally.dirty),
                pinned: Some(tally.pinned),
                free: Some(tally.free),
                ..arena
            },
        });
        let Some(tally) = tally else {
            self.unwalked_resident += resident;
            self.complete = false;
            return;
        };
        self.used_resident += resident.saturating_sub(tally.dirty + tally.pinned);
        self.dirty += tally.dirty;
        self.pinned += tally.pinned;
        self.top_resident += tally.top;
        classes.merge(&tally.classes);
    }
}

fn size_class(class: &walk::Class) -> SizeClass {
    let walk::Class { largest, count, bytes } = *class;
    SizeClass { size: largest, kind: ClassKind::Free, count, bytes, waste: None }
}

/// Goes through a region: threads' heaps, blocks that are mappings of their own, and what is neither.
/// The kernel merges neighbours into one mapping. Answers how far it got: to the region's end, or to that of
/// a heap that goes on behind it.
fn scan(
    memory: &dyn Memory,
    region: Range<u64>,
    resident: u64,
    heaps: &mut Heaps,
    found: &mut Found,
) -> Result<u64, Absent> {
    if region.is_empty() {
        return Ok(region.start);
    }
    let pages = Pages::read(memory, region.clone())?;
    let (mut mmapped, mut other) = (0, 0);
    let mut mmapped_size = 0;
    let (mut at, mut only_mmapped) = (region.start, true);
    while at < region.end {
        let mut next = (at + pages.page_size()).min(region.end);
        // Reading a page that is not there would bring it back from swap, or make one.
        if pages.has(at) {
            let words = words(memory, at).unwrap_or_default();
            if let Some(heap) = thread_heap(at, words) {
                next = at + heap.size;
                found.heaps.push(heap);
                only_mmapped = false;
            } else if let Some(size) = mmapped_chunk(words, pages.page_size())
                && size <= region.end - at
            {
                next = at + size;
                mmapped += pages.resident(at..next);
                mmapped_size += size;
            } else if let Some((part, end)) = part(memory, at..region.end, words, found)? {
                next = end;
                found.parts = std::mem::take(&mut found.parts).merge(part);
                only_mmapped = false;
            } else {
                other += pages.page_size();
            }
        }
        at = next;
    }
    if only_mmapped {
        // The kernel's zero page, which is there where memory was read and never written, is not in RSS.
        mmapped = mmapped.min(resident);
        other = other.min(resident - mmapped);
    }
    heaps.mmapped_resident += mmapped;
    heaps.mmapped += mmapped_size;
    heaps.other_resident += other;
    Ok(at)
}

/// The size of the mapping that a chunk with these first words is, if it is one. Until 2.42 its size field
/// counts the whole mapping; since 2.43 it leaves the header out, and the word before has a flag.
fn mmapped_chunk([before, head, ..]: [u64; 4], page: u64) -> Option<u64> {
    let size = head.checked_sub(walk::IS_MMAPPED)?;
    let mapping = if before == 0 && size % page == 0 { size } else { size.checked_add(walk::HEADER)? };
    let is_one = head & walk::FLAGS == walk::IS_MMAPPED && before <= 1 && mapping % page == 0 && mapping > 0;
    is_one.then_some(mapping)
}

/// A part of the main arena, and where it ends: `brk` could not grow it, so it was mapped
/// (`sysmalloc_mmap_fallback`). It is told by its chunks. A trim leaves the top of it.
fn part(
    memory: &dyn Memory,
    range: Range<u64>,
    [_, head, ..]: [u64; 4],
    found: &mut Found,
) -> Result<Option<(Outcome, u64)>, Absent> {
    let (flags, size, rest) = (head & walk::FLAGS, head & !walk::FLAGS, range.end - range.start);
    let is_chunk = flags == walk::PREV_INUSE && size.is_multiple_of(walk::ALIGNMENT) && size <= rest;
    if !is_chunk || size == 0 || rest < walk::SMALLEST_PART || found.tries == 0 {
        return Ok(None);
    }
    found.tries -= 1;
    let heap = Heap { chunks: range.clone(), main: false, open: true, mangled: found.mangled };
    let walked = attempt(memory, 1, || Some(heap.clone()))?;
    let Some(end) = walked.tally.as_ref().map(|tally| tally.end) else { return Ok(None) };
    let resident = Pages::read(memory, range.start..end)?.resident(range.start..end);
    Ok(Some((Outcome { resident, mapped: end - range.start, ..walked }, end)))
}

/// The `heap_info` with these first words, if it is one.
fn thread_heap(at: u64, [arena, previous, size, mprotected]: [u64; 4]) -> Option<ThreadHeap> {
    let is_aligned = at.is_multiple_of(HEAP_MAX) && previous.is_multiple_of(HEAP_MAX);
    // The arena is in its first heap.
    let in_heap =
        HEAP_INFO.contains(&(arena % HEAP_MAX)) && (previous == 0) == (arena - arena % HEAP_MAX == at);
    let fits = size >= SMALLEST_HEAP
        && size.is_multiple_of(page_size())
        && size <= mprotected
        && mprotected <= HEAP_MAX;
    (is_aligned && in_heap && fits).then_some(ThreadHeap { start: at, arena, size })
}

/// Puts heaps to their arenas, in glibc's order. What belongs to none was no heap after all.
fn group(memory: &dyn Memory, found: Vec<ThreadHeap>, heaps: &mut Heaps) -> Result<Vec<ThreadArena>, Absent> {
    let mut arenas: Vec<ThreadArena> = Vec::new();
    for first in found.iter().filter(|heap| heap.start == heap.arena - heap.arena % HEAP_MAX) {
        let own: Vec<_> = found.iter().filter(|heap| heap.arena == first.arena).copied().collect();
        let holds = |top: u64| own.iter().any(|heap| (heap.start..heap.start + HEAP_MAX).contains(&top));
        if let Some(state) = state(memory, first.arena, holds) {
            arenas.push(ThreadArena { at: first.arena, state, heaps: own });
        }
    }
    for stray in found.iter().filter(|heap| !arenas.iter().any(|arena| arena.at == heap.arena)) {
        let range = stray.start..stray.start + stray.size;
        heaps.other_resident += Pages::read(memory, range.clone())?.resident(range);
    }
    Ok(in_order(arenas))
}

/// Follows the list of arenas. It is a ring: the main arena comes before the one that no other names.
fn in_order(mut arenas: Vec<ThreadArena>) -> Vec<ThreadArena> {
    let mut ordered = Vec::with_capacity(arenas.len());
    let is_named = |at: u64| arenas.iter().any(|arena| arena.state.next == at);
    let mut next = arenas.iter().map(|arena| arena.at).find(|&at| !is_named(at));
    while let Some(index) = arenas.iter().position(|arena| Some(arena.at) == next) {
        let arena = arenas.swap_remove(index);
        next = Some(arena.state.next);
        ordered.push(arena);
    }
    // Where the list was read while it changed.
    ordered.extend(arenas);
    ordered
}

/// The `malloc_state` at `at`, if one of the known layouts has a top chunk there that `holds` knows.
fn state(memory: &dyn Memory, at: u64, holds: impl Fn(u64) -> bool) -> Option<State> {
    TOP.into_iter().find_map(|top| {
        let base = at.checked_add(top)?;
        let [top] = words(memory, base)?;
        if !top.is_multiple_of(walk::ALIGNMENT) || !holds(top) {
            return None;
        }
        let [next] = words(memory, base + NEXT_ARENA)?;
        let [threads] = words(memory, base + ATTACHED_THREADS)?;
        Some(State { next, threads, end: base + STATE_END })
    })
}

/// The main arena's state is in the library; the last of the others names it.
fn main_state(memory: &dyn Memory, arenas: &[ThreadArena], main: Range<u64>) -> Option<State> {
    state(memory, arenas.last()?.state.next, |top| main.contains(&top))
}

/// Walks a heap, again from its start where it does not make sense, because it may have grown or shrunk.
fn attempt(memory: &dyn Memory, times: u32, heap: impl Fn() -> Option<Heap>) -> Result<Outcome, Absent> {
    let mut outcome = Outcome::default();
    let mut scratch = Scratch::new().ok_or(Absent::Because("no memory for a walk of the heaps"))?;
    for _ in 0..times {
        let Some(heap) = heap() else { break };
        // The pages before the first chunk hold what the heap and the arena know of themselves.
        let start = heap.chunks.start - heap.chunks.start % page_size();
        let range = start..heap.chunks.end;
        let mut pages = Pages::read(memory, range.clone())?;
        outcome =
            Outcome { tally: None, resident: pages.resident(range.clone()), mapped: range.end - range.start };
        if let Ok(tally) = walk::walk(memory, &mut pages, &mut scratch, &heap) {
            return Ok(Outcome { tally: Some(tally), ..outcome });
        }
    }
    Ok(outcome)
}

fn walk_main(memory: &dyn Memory, region: Range<u64>, mangled: bool) -> Result<Outcome, Absent> {
    if region.is_empty() {
        return Ok(Outcome::default());
    }
    attempt(memory, ATTEMPTS, || {
        let end = memory.brk().unwrap_or(region.end);
        (end > region.start).then_some(Heap { chunks: region.start..end, main: true, open: false, mangled })
    })
}

fn walk_arena(memory: &dyn Memory, arena: &ThreadArena, mangled: bool) -> Result<Outcome, Absent> {
    let mut all = Outcome::walked();
    for heap in &arena.heaps {
        let outcome = attempt(memory, ATTEMPTS, || {
            let heap = thread_heap(heap.start, words(memory, heap.start)?)?;
            // The first heap of an arena has the arena's own state in it.
            let is_first = heap.arena == arena.at && (heap.start..heap.start + heap.size).contains(&arena.at);
            let before = if is_first { arena.state.end } else { heap.start + arena.at % HEAP_MAX };
            let first = before.next_multiple_of(walk::ALIGNMENT);
            Some(Heap { chunks: first..heap.start + heap.size, main: false, open: false, mangled })
        })?;
        all = all.merge(outcome);
    }
    Ok(all)
}

#[cfg(test)]
#[path = "heaps_tests.rs"]
mod tests;

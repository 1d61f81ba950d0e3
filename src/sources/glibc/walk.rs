//! Walks the chunks of one heap while other threads allocate from it.
//!
//! No lock is held and nothing is dereferenced: memory is copied in pieces, and every header is checked
//! before it is believed. A piece that makes no sense was caught in the middle of a change, and is read
//! again, from a little further back each time. The layout is that of malloc.c in glibc 2.26 to 2.43
//! (64-bit): a chunk starts with the size of the free chunk before it, then its own size with three flags.
//!
//! A chunk is free when the next one's `PREV_INUSE` is clear. What threads' caches keep looks in use, and
//! so do chunks in fastbins, but for glibc 2.32 to 2.42, which mangle the link in them so that it is told
//! from data.

use std::collections::VecDeque;
use std::ops::Range;

use super::buffer::Buffer;
use super::pages::Pages;
use crate::sources::Absent;

/// The chunk before is in use.
pub const PREV_INUSE: u64 = 1;
/// The chunk is a mapping of its own.
pub const IS_MMAPPED: u64 = 2;
const NON_MAIN_ARENA: u64 = 4;
/// The bits of the size field that are not part of it.
pub const FLAGS: u64 = 7;
/// `MALLOC_ALIGNMENT`.
pub const ALIGNMENT: u64 = 16;
/// `MINSIZE`.
const SMALLEST: u64 = 32;
/// `CHUNK_HDR_SZ`, and the size of a fencepost.
pub const HEADER: u64 = 16;
/// `sizeof (struct malloc_chunk)`: what a trim leaves at the start of a free chunk.
const WHOLE_HEADER: u64 = 48;
/// The largest chunk that goes to a fastbin (`DEFAULT_MXFAST`).
const LARGEST_FAST: u64 = 128;

/// `MMAP_AS_MORECORE_SIZE`: the least that is mapped where `brk` cannot grow the main arena.
pub const SMALLEST_PART: u64 = 1 << 20;

/// How much is copied at once: fits in the processor's second cache, and the kernel holds `mmap_lock`, for
/// reading, for 64 pages.
const PIECE: u64 = 256 << 10;
/// Where chunks are larger than this, only the page with the next header is copied.
const FAR: u64 = 16 << 10;
/// How many pieces one can go back.
const KEPT: usize = 24;
/// How many of them at each failure in a row.
const BACK: [usize; 10] = [0, 1, 1, 1, 2, 2, 3, 4, 5, 5];
/// Failures in all, so that the walk ends whatever happens to the heap meanwhile.
const FAILURES: u32 = 256;

/// What a walk needs of the machine; tests put their own in its place.
pub trait Memory {
    /// Copies memory, as `own_memory::read`.
    fn read(&self, address: u64, into: &mut [u8]) -> usize;

    /// Says which pages are in memory, as `Pagemap::each`.
    fn pages(&self, range: Range<u64>, each: &mut dyn FnMut(u64, bool)) -> Result<(), Absent>;

    /// Where the heap that `brk` grows ends now, if that is known.
    fn brk(&self) -> Option<u64>;
}

/// What a walk needs for itself. It is allocated beforehand, because what is allocated while walking changes
/// the heap that is walked.
pub struct Scratch {
    buffer: Buffer,
    recent: VecDeque<(Position, Tally)>,
}

impl Scratch {
    /// Allocates all of it; `None` where there is no memory.
    pub fn new() -> Option<Self> {
        Some(Self { buffer: Buffer::new(PIECE as usize)?, recent: VecDeque::with_capacity(KEPT + 1) })
    }
}

/// One heap.
#[derive(Clone, Debug)]
pub struct Heap {
    /// From the first chunk to the end of the chunk at the top, or of the fencepost.
    pub chunks: Range<u64>,
    /// What `brk` grows: a trim gives back its top.
    pub main: bool,
    /// A part of the main arena that was mapped: it may end at any page before `chunks` does.
    pub open: bool,
    /// Whether links in fastbins are mangled.
    pub mangled: bool,
}

/// The heap changed faster than it could be read, a part of it is swapped out, or it is no heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inconsistent;

/// What a heap consists of, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Chunks in use, headers included.
    pub used: u64,
    /// Free chunks, the one at the top included.
    pub free: u64,
    /// Resident pages that `malloc_trim(0)` gives back.
    pub dirty: u64,
    /// Free bytes in other resident pages.
    pub pinned: u64,
    /// Of them: at the top of a thread's arena, which no trim gives back.
    pub top: u64,
    /// Where the last chunk ended.
    pub end: u64,
    /// It ended with a fencepost: the arena goes on in another heap.
    pub goes_on: bool,
    /// Free chunks by size, without the one at the top.
    pub classes: Classes,
}

/// Free chunks by size: one row for each size up to 1 KiB, then one for each power of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes([Class; CLASSES]);

/// One row of [`Classes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The largest chunk.
    pub largest: u64,
    /// How many there are.
    pub count: u64,
    /// Bytes in all of them.
    pub bytes: u64,
}

const EXACT: usize = 64;
const CLASSES: usize = EXACT + 1 + 54;

impl Default for Classes {
    fn default() -> Self {
        Self([Class::default(); CLASSES])
    }
}

impl Classes {
    fn add(&mut self, size: u64) {
        let index = if size <= EXACT as u64 * ALIGNMENT {
            (size / ALIGNMENT) as usize
        } else {
            EXACT + 1 + (size - 1).ilog2() as usize - 10
        };
        if let Some(class) = self.0.get_mut(index) {
            class.largest = class.largest.max(size);
            class.count += 1;
            class.bytes += size;
        }
    }

    /// Adds those of another heap.
    pub fn merge(&mut self, other: &Self) {
        for (class, other) in self.0.iter_mut().zip(&other.0) {
            class.largest = class.largest.max(other.largest);
            class.count += other.count;
            class.bytes += other.bytes;
        }
    }

    /// The rows that have something in them.
    pub fn rows(&self) -> impl Iterator<Item = &Class> {
        self.0.iter().filter(|class| class.count > 0)
    }
}

impl Tally {
    /// Adds another heap, or the next part of the same.
    pub fn merge(&mut self, other: &Self) {
        self.used += other.used;
        self.free += other.free;
        self.dirty += other.dirty;
        self.pinned += other.pinned;
        self.top += other.top;
        self.end = self.end.max(other.end);
        self.goes_on |= other.goes_on;
        self.classes.merge(&other.classes);
    }

    /// A stretch of free chunks with chunks in use on both sides. A trim joins them, and gives back
    /// whole pages behind the first header (`mtrim` in malloc.c).
    fn free_run(&mut self, run: Range<u64>, pages: &Pages) {
        let page = pages.page_size();
        let first = (run.start + WHOLE_HEADER).next_multiple_of(page);
        let last = run.end / page * page;
        if first < last && run.end - run.start > page - 1 + WHOLE_HEADER {
            self.dirty += pages.resident(first..last);
            self.pinned += pages.resident(run.start..first) + pages.resident(last..run.end);
        } else {
            self.pinned += pages.resident(run);
        }
    }

    /// The chunk at the top. Of the main heap's, a trim gives back all pages but what keeps `MINSIZE` and
    /// one byte (`systrim`). It does not touch that of another arena.
    fn top(&mut self, top: Range<u64>, main: bool, pages: &Pages) {
        let page = pages.page_size();
        if main {
            let extra = (top.end - top.start).saturating_sub(SMALLEST + 1) / page * page;
            self.dirty += pages.resident(top.end - extra..top.end);
            self.pinned += pages.resident(top.start..top.end - extra);
        } else {
            let bytes = pages.resident(top);
            self.pinned += bytes;
            self.top += bytes;
        }
    }
}

/// Where the walk is: all that it must know to go on.
#[derive(Clone, Copy, Debug)]
struct Position {
    at: u64,
    /// The chunk before; whether it is free is said by the one at `at`.
    last: Option<Last>,
    /// Where the free chunks that end at `last` start.
    run: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    at: u64,
    size: u64,
    fast: bool,
}

/// How a piece ended.
enum Step {
    Next(Position),
    End,
}

/// Walks all of `heap`, whose `pages` were read after `scratch` was made.
pub fn walk(
    memory: &dyn Memory,
    pages: &mut Pages,
    scratch: &mut Scratch,
    heap: &Heap,
) -> Result<Tally, Inconsistent> {
    let Scratch { buffer, recent } = scratch;
    recent.clear();
    let mut walker = Walker { heap, memory, pages, piece: Piece { start: 0, len: 0, buffer }, far: false };
    let mut done = Tally::default();
    let mut position = Position { at: heap.chunks.start, last: None, run: None };
    let (mut failures, mut in_a_row, mut furthest) = (0, 0, position.at);
    loop {
        let mut tally = Tally::default();
        match walker.step(position, &mut tally) {
            Ok(Step::End) => {
                recent.iter().for_each(|(_, earlier)| done.merge(earlier));
                done.merge(&tally);
                return Ok(done);
            }
            Ok(Step::Next(next)) => {
                recent.push_back((position, tally));
                if recent.len() > KEPT
                    && let Some((_, oldest)) = recent.pop_front()
                {
                    done.merge(&oldest);
                }
                if next.at > furthest {
                    (furthest, in_a_row) = (next.at, 0);
                }
                position = next;
            }
            Err(Inconsistent) => {
                let back = BACK.get(in_a_row).ok_or(Inconsistent)?;
                failures += 1;
                in_a_row += 1;
                if failures > FAILURES {
                    return Err(Inconsistent);
                }
                for _ in 0..*back {
                    let Some((earlier, _)) = recent.pop_back() else { break };
                    position = earlier;
                }
            }
        }
    }
}

struct Walker<'a> {
    heap: &'a Heap,
    memory: &'a dyn Memory,
    pages: &'a mut Pages,
    piece: Piece<'a>,
    /// The chunks of the last piece were large.
    far: bool,
}

/// The memory that was copied last.
struct Piece<'a> {
    start: u64,
    len: usize,
    buffer: &'a mut [u8],
}

impl Piece<'_> {
    fn load(&mut self, memory: &dyn Memory, range: Range<u64>) {
        let len = (range.end.saturating_sub(range.start)).min(self.buffer.len() as u64) as usize;
        self.start = range.start;
        self.len = memory.read(range.start, &mut self.buffer[..len]).min(len);
    }

    #[inline]
    fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.buffer[..self.len].get(offset..offset.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }
}

impl Walker<'_> {
    /// Walks one piece of memory, from `position` on.
    fn step(&mut self, mut position: Position, tally: &mut Tally) -> Result<Step, Inconsistent> {
        let end = self.heap.chunks.end;
        let len = if self.far { self.pages.page_size() } else { PIECE };
        let limit = end.min(position.at.saturating_add(len));
        // Reading a page that is not there would bring it back from swap, or make one.
        if !self.pages.has(position.at) {
            self.pages.update(self.memory, position.at..limit).map_err(|_| Inconsistent)?;
            if !self.pages.has(position.at) {
                return self.end_here(position, tally);
            }
        }
        self.piece.load(self.memory, position.at..self.pages.resident_until(position.at, limit));
        let (first, mut count) = (position.at, 0);
        while let (Some(before), Some(head)) =
            (self.piece.word(position.at), self.piece.word(position.at.wrapping_add(8)))
        {
            let (at, size) = (position.at, head & !FLAGS);
            let next = at.checked_add(size).ok_or(Inconsistent)?;
            let is_fencepost = size == HEADER && self.is_at_an_end(at, end);
            let flags_fit = head & IS_MMAPPED == 0 && !(self.heap.main && head & NON_MAIN_ARENA != 0);
            let is_chunk =
                size.is_multiple_of(ALIGNMENT) && next <= end && (size >= SMALLEST || is_fencepost);
            let is_last = next == end || (size == 0 && !self.heap.open);
            if !flags_fit || !(is_chunk || is_last) {
                return self.end_here(position, tally);
            }
            self.account_for_last(&mut position, before, head, tally)?;
            if is_last {
                return self.end(position, size, tally);
            }
            position.last = Some(Last { at, size, fast: self.is_fast(at, size) });
            position.at = next;
            count += 1;
        }
        self.far = (position.at - first).checked_div(count).is_some_and(|average| average > FAR);
        if count == 0 { Err(Inconsistent) } else { Ok(Step::Next(position)) }
    }

    /// Whether a fencepost can be at `at`: up to three headers, before the end of a heap, or of a page where
    /// another part of the main arena follows.
    fn is_at_an_end(&self, at: u64, end: u64) -> bool {
        const LENGTH: u64 = 3 * HEADER;
        end - at <= LENGTH || at % self.pages.page_size() >= self.pages.page_size() - LENGTH
    }

    /// Now that the header behind it is known: was the last chunk free?
    fn account_for_last(
        &self,
        position: &mut Position,
        before: u64,
        head: u64,
        tally: &mut Tally,
    ) -> Result<(), Inconsistent> {
        let in_use = head & PREV_INUSE != 0;
        let Some(last) = position.last else {
            // The first chunk of a heap never says that there is a free one before it.
            return if in_use { Ok(()) } else { Err(Inconsistent) };
        };
        if in_use && !last.fast {
            self.close_run(position.run.take(), last.at, tally);
            tally.used += last.size;
            return Ok(());
        }
        if !in_use && before != last.size {
            return Err(Inconsistent);
        }
        position.run = position.run.or(Some(last.at));
        tally.free += last.size;
        tally.classes.add(last.size);
        Ok(())
    }

    fn close_run(&self, run: Option<u64>, end: u64, tally: &mut Tally) {
        if let Some(start) = run {
            tally.free_run(start..end, self.pages);
        }
    }

    /// At the chunk that ends the heap: its top, or a fencepost, which glibc leaves where an arena went on
    /// elsewhere. That is of size 0 in a thread's arena, and of two headers in the main one.
    fn end(&self, position: Position, size: u64, tally: &mut Tally) -> Result<Step, Inconsistent> {
        let Range { end, .. } = self.heap.chunks;
        tally.end = end;
        if size >= SMALLEST {
            tally.free += end - position.at;
            // A trim joins chunks in fastbins with the top.
            tally.top(position.run.unwrap_or(position.at)..end, self.heap.main, self.pages);
            return Ok(Step::End);
        }
        let is_fencepost = size == HEADER || (!self.heap.main && end - position.at <= SMALLEST);
        if !is_fencepost {
            return Err(Inconsistent);
        }
        self.close_run(position.run, position.at, tally);
        tally.used += end - position.at;
        tally.goes_on = true;
        Ok(Step::End)
    }

    /// Where there is no chunk: behind the last one of a part of the main arena, which is its top or one of
    /// two fenceposts; else by mistake.
    fn end_here(&self, mut position: Position, tally: &mut Tally) -> Result<Step, Inconsistent> {
        let is_end = self.heap.open
            && position.at.is_multiple_of(self.pages.page_size())
            && position.at - self.heap.chunks.start >= SMALLEST_PART;
        let last = position.last.filter(|_| is_end).ok_or(Inconsistent)?;
        tally.end = position.at;
        if last.size >= SMALLEST {
            tally.free += last.size;
            tally.top(position.run.unwrap_or(last.at)..position.at, false, self.pages);
        } else {
            self.close_run(position.run.take(), last.at, tally);
            tally.used += last.size;
            tally.goes_on = true;
        }
        Ok(Step::End)
    }

    /// Whether the chunk is in a fastbin: then its first word is the address of the next one there, xored
    /// with its own address divided by 4096 (`PROTECT_PTR`). The last one of each fastbin goes unseen.
    #[inline]
    fn is_fast(&self, at: u64, size: u64) -> bool {
        if !self.heap.mangled || size > LARGEST_FAST {
            return false;
        }
        let Some(word) = self.piece.word(at + HEADER) else { return false };
        let next = word ^ ((at + HEADER) >> 12);
        if !next.is_multiple_of(ALIGNMENT) || !self.heap.chunks.contains(&next) {
            return false;
        }
        // Links in threads' caches are mangled too, but point behind the header.
        self.piece.word(next + 8).is_none_or(|head| head & !FLAGS == size)
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;

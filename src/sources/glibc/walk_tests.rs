use super::*;
use std::cell::Cell;

use proptest::prelude::*;

use crate::sources::process::page_size;

/// Where the images pretend to be.
const START: u64 = 0x5555_0000_0000;

/// Memory made by hand; all of it is resident but for `holes`.
struct Image {
    bytes: Vec<u8>,
    holes: Vec<Range<u64>>,
    /// Words that a "thread" puts in, by the number of reads so far.
    changes: Vec<(usize, u64, u64)>,
    reads: Cell<usize>,
}

impl Memory for Image {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        self.reads.set(self.reads.get() + 1);
        assert!(self.holes.iter().all(|hole| !hole.contains(&address)), "read of an absent page");
        let from = address.saturating_sub(START) as usize;
        let len = into.len().min(self.bytes.len().saturating_sub(from));
        into[..len].copy_from_slice(&self.bytes[from..from + len]);
        for &(_, at, word) in self.changes.iter().filter(|change| self.reads.get() <= change.0) {
            if let Some(place) = into[..len].get_mut((at.wrapping_sub(address)) as usize..) {
                place[..8].copy_from_slice(&word.to_ne_bytes());
            }
        }
        len
    }

    fn pages(&self, range: Range<u64>, each: &mut dyn FnMut(u64, bool)) -> Result<(), Absent> {
        let first = range.start / page_size();
        for page in first..range.end.div_ceil(page_size()) {
            let at = page * page_size();
            each(page - first, self.holes.iter().all(|hole| !hole.contains(&at)));
        }
        Ok(())
    }

    fn brk(&self) -> Option<u64> {
        None
    }
}

impl Image {
    /// Chunks one behind the other, each with its size and whether it is free. The last is the top.
    fn of(chunks: &[(u64, bool)]) -> Self {
        let mut words = Vec::new();
        let (mut before, mut before_is_free) = (0, false);
        for &(size, is_free) in chunks {
            words.extend([if before_is_free { before } else { 0xa5a5 }, size | u64::from(!before_is_free)]);
            words.resize(words.len() + size as usize / 8 - 2, 0);
            (before, before_is_free) = (size, is_free);
        }
        let bytes = words.into_iter().flat_map(u64::to_ne_bytes).collect();
        Self { bytes, holes: Vec::new(), changes: Vec::new(), reads: Cell::new(0) }
    }

    fn set(&mut self, at: u64, word: u64) {
        let at = (at - START) as usize;
        self.bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
    }

    fn walk(&self, main: bool, mangled: bool) -> Result<Tally, Inconsistent> {
        self.walk_heap(main, false, mangled)
    }

    fn walk_heap(&self, main: bool, open: bool, mangled: bool) -> Result<Tally, Inconsistent> {
        let chunks = START..START + self.bytes.len() as u64;
        let heap = Heap { chunks: chunks.clone(), main, open, mangled };
        let scratch = Scratch::new();
        let pages = Pages::read(self, chunks);
        let (Some(mut scratch), Ok(mut pages)) = (scratch, pages) else { unreachable!() };
        walk(self, &mut pages, &mut scratch, &heap)
    }
}

fn page() -> u64 {
    page_size()
}

#[test]
fn what_is_free_is_told_by_the_chunk_behind() {
    let rest = 4 * page() - 32 - 64 - 48;
    let tally = Image::of(&[(32, false), (64, true), (48, false), (rest, true)]).walk(false, false);
    let (pinned, end) = (64 + rest, START + 4 * page());
    let mut expected = Tally { used: 80, free: pinned, pinned, top: rest, end, ..Tally::default() };
    expected.classes.add(64);
    assert_eq!(tally, Ok(expected));
}

#[test]
fn whole_pages_behind_the_header_go_with_a_trim() {
    // From 32 bytes into the first page to 16 bytes before the end of the fourth.
    let free = 4 * page() - 48;
    let image = Image::of(&[(32, false), (free, true), (page() + 16, false), (page(), true)]);
    let tally = image.walk(false, false).unwrap_or_default();
    assert_eq!((tally.dirty, tally.pinned - tally.top), (2 * page(), free - 2 * page()));
    // A header of 48 bytes that ends in the second page keeps that one too.
    let image = Image::of(&[(page() - 32, false), (3 * page() + 32, true), (page(), false), (page(), true)]);
    let tally = image.walk(false, false).unwrap_or_default();
    assert_eq!((tally.dirty, tally.pinned - tally.top), (2 * page(), page() + 32));
    // A page's worth, and not one whole page behind the header.
    let image = Image::of(&[(16 + 32, false), (page() + 32, true), (page() * 3 - 80, true)]);
    assert_eq!(image.walk(false, false).map(|tally| tally.dirty), Ok(0));
}

#[test]
fn pages_that_are_gone_are_neither_dirty_nor_pinned() {
    let mut image = Image::of(&[(32, false), (8 * page() - 32, true), (page(), false), (2 * page(), true)]);
    image.holes = vec![START + 2 * page()..START + 5 * page(), START + 10 * page()..START + 11 * page()];
    let tally = image.walk(false, false).unwrap_or_default();
    assert_eq!(tally.free, 8 * page() - 32 + 2 * page());
    assert_eq!(tally.dirty, 4 * page());
    assert_eq!((tally.pinned, tally.top), (page() - 32 + page(), page()));
}

#[test]
fn the_top_of_the_main_heap_goes_but_for_a_page() {
    let image = Image::of(&[(64, false), (4 * page() - 64, true)]);
    let main = image.walk(true, false).unwrap_or_default();
    assert_eq!((main.dirty, main.pinned, main.top), (3 * page(), page() - 64, 0));
    let other = image.walk(false, false).unwrap_or_default();
    assert_eq!((other.dirty, other.pinned, other.top), (0, 4 * page() - 64, 4 * page() - 64));
    // `systrim` keeps MINSIZE and a byte.
    let image = Image::of(&[(page() - 32, false), (page() + 32, true)]);
    assert_eq!(image.walk(true, false).map(|tally| tally.dirty), Ok(0));
}

#[test]
fn a_fencepost_ends_a_heap_that_was_left() {
    let free = 2 * page() - 64;
    let mut image = Image::of(&[(32, false), (free, true), (32, false)]);
    // glibc's: a chunk of 16 bytes and one of 0.
    image.set(START + 2 * page() - 24, HEADER);
    image.set(START + 2 * page() - 8, PREV_INUSE);
    let tally = image.walk(false, false).unwrap_or_default();
    assert_eq!((tally.used, tally.free, tally.top), (64, free, 0));
    assert_eq!(image.walk(true, false), Err(Inconsistent), "the main heap has a top");
}

#[test]
fn two_fenceposts_stand_where_the_main_arena_goes_on() {
    let parts =
        [(page() - 32, false), (16, false), (16, false), (page() - 48, false), (48, true), (page(), true)];
    let tally = Image::of(&parts).walk(false, false).unwrap_or_default();
    assert_eq!((tally.used, tally.free, tally.goes_on), (2 * page() - 48, 48 + page(), false));
    let left = Image::of(&parts[..3]).walk(true, false).unwrap_or_default();
    assert_eq!((left.used, left.free, left.goes_on), (page(), 0, true));
}

#[test]
fn a_part_of_the_main_arena_ends_where_its_chunks_do() {
    let (part, top) = (SMALLEST_PART, 3 * page());
    let chunks = [(part - top - 64, false), (64, true), (top, false), (page(), false)];
    let mut image = Image::of(&chunks);
    image.set(START + part - top, 64);
    // Somebody else's memory follows.
    image.set(START + part + 8, 0xa5a5_a5a5_a5a5_a5a5);
    let tally = image.walk_heap(false, true, false).unwrap_or_default();
    assert_eq!((tally.used, tally.free, tally.end), (part - top - 64, top + 64, START + part));
    // It is no top that a trim cuts.
    assert_eq!((tally.dirty, tally.top), (0, top + 64));
    assert_eq!(image.walk(false, false), Err(Inconsistent));
    // A page less is no part of an arena.
    let mut image = Image::of(&[(part - top - page(), false), (top, false), (page(), false)]);
    image.set(START + part - page() + 8, 0xa5a5_a5a5_a5a5_a5a5);
    assert_eq!(image.walk_heap(false, true, false), Err(Inconsistent));
}

#[test]
fn mangled_links_tell_fastbins() {
    let chunks = [(64, false), (64, false), (64, false), (32, false), (page() * 2 - 224, true)];
    let mut image = Image::of(&chunks);
    // The first two name each other, the third holds the address of a chunk as it is.
    let link = |at: u64, to: u64| (to, (at + HEADER) >> 12);
    let [first, second, third] = [START, START + 64, START + 128];
    for (at, to) in [(first, second), (second, first)] {
        let (to, key) = link(at, to);
        image.set(at + HEADER, to ^ key);
    }
    image.set(third + HEADER, first);
    let tally = image.walk(false, true).unwrap_or_default();
    assert_eq!((tally.used, tally.free), (96, 128 + page() * 2 - 224));
    assert_eq!(image.walk(false, false).map(|tally| tally.used), Ok(224));
}

#[test]
fn a_change_in_the_middle_of_a_walk_is_read_again() {
    // Pieces of 64 chunks of a page; the header in the second piece is garbage for some reads.
    let mut chunks = vec![(page(), false); 300];
    chunks.push((page(), true));
    for reads in 1..=5 {
        let mut image = Image::of(&chunks);
        image.changes = vec![(reads, START + 100 * page() + 8, 0xa5a5_a5a5_a5a5_a5a5)];
        assert_eq!(image.walk(false, false).map(|tally| tally.used), Ok(300 * page()), "{reads}");
    }
    let mut image = Image::of(&chunks);
    image.changes = vec![(usize::MAX, START + 100 * page() + 8, 0xa5a5_a5a5_a5a5_a5a5)];
    assert_eq!(image.walk(false, false), Err(Inconsistent));
    assert!(image.reads.get() < 300, "{}", image.reads.get());
}

#[test]
fn a_header_that_is_not_in_memory_is_not_read() {
    let mut image = Image::of(&[(2 * page(), false), (2 * page(), false), (page(), true)]);
    image.holes.push(START + 2 * page()..START + 3 * page());
    assert_eq!(image.walk(false, false), Err(Inconsistent));
}

/// Chunks of plausible sizes, so that garbage gets far.
fn chunk() -> impl Strategy<Value = (u64, bool)> {
    (prop_oneof![2u64..20, 2u64..600, 2u64..4_000].prop_map(|units| units * 16), any::<bool>())
}

proptest! {
    #[test]
    fn every_byte_is_counted_once(mut chunks in prop::collection::vec(chunk(), 1..30), main: bool) {
        let total: u64 = chunks.iter().map(|chunk| chunk.0).sum();
        let top = total.next_multiple_of(page()) - total + page();
        // No two free chunks touch, nor one the top.
        for index in 1..chunks.len() {
            chunks[index].1 &= !chunks[index - 1].1;
        }
        if let Some(last) = chunks.last_mut() {
            last.1 = false;
        }
        let used: u64 = chunks.iter().filter(|chunk| !chunk.1).map(|chunk| chunk.0).sum();
        chunks.push((top, true));
        let tally = Image::of(&chunks).walk(main, false);
        prop_assert!(tally.is_ok());
        let tally = tally.unwrap_or_default();
        prop_assert_eq!((tally.used, tally.used + tally.free), (used, total + top));
        // All is resident, so all that is free is one or the other.
        prop_assert_eq!(tally.dirty + tally.pinned, tally.free);
    }

    #[test]
    fn garbage_ends_without_a_panic(
        chunks in prop::collection::vec(chunk(), 1..30),
        garbage in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 0..20),
        small in prop::collection::vec((any::<prop::sample::Index>(), 0u64..4096), 0..20),
        main: bool,
        mangled: bool,
    ) {
        let mut image = Image::of(&chunks);
        let words = image.bytes.len() / 8;
        for (index, word) in garbage.into_iter().chain(small) {
            image.set(START + index.index(words) as u64 * 8, word);
        }
        if let Ok(tally) = image.walk(main, mangled) {
            prop_assert_eq!(tally.used + tally.free, image.bytes.len() as u64);
            prop_assert!(tally.dirty + tally.pinned <= tally.free);
        }
        prop_assert!(image.reads.get() < 1000);
    }
}

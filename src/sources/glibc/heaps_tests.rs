use super::*;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sources::glibc::malloc_info;
use crate::sources::process;

/// The regions of this process: private anonymous writable mappings.
fn regions() -> Vec<Region> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut regions: Vec<Region> = Vec::new();
    let mut is_wanted = false;
    for line in smaps.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        if let Some((start, end)) = words[0].split_once('-') {
            let name = words.get(5).copied().unwrap_or("");
            is_wanted = words[1] == "rw-p" && words[4] == "0" && (name.is_empty() || name == "[heap]");
            if is_wanted {
                let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap_or(0));
                regions.push(Region { start, end, resident: 0, huge: 0, is_brk: name == "[heap]" });
            }
        } else if is_wanted
            && words[0] == "Rss:"
            && let Some(region) = regions.last_mut()
        {
            region.resident = words[1].parse::<u64>().unwrap_or(0) << 10;
        }
    }
    regions
}

fn now() -> Heaps {
    let heaps = read(&regions());
    assert!(heaps.is_ok(), "{heaps:?}");
    heaps.unwrap_or_default()
}

/// Blocks of C's heap, freed when told.
struct Blocks(Vec<(*mut u8, usize)>);

impl Blocks {
    fn allocate(sizes: impl Iterator<Item = usize>) -> Self {
        Self(sizes.map(|size| (allocate(size), size)).collect())
    }

    fn free(&mut self, mut which: impl FnMut(usize) -> bool) {
        let mut index = 0;
        self.0.retain(|&(block, _)| {
            index += 1;
            let goes = which(index - 1);
            if goes {
                // SAFETY: from `malloc`, and leaves the list.
                unsafe { libc::free(block.cast()) };
            }
            !goes
        });
    }
}

fn allocate(size: usize) -> *mut u8 {
    // SAFETY: malloc takes any size; the block is filled for its length.
    unsafe {
        let block = libc::malloc(size).cast::<u8>();
        assert!(!block.is_null());
        block.write_bytes(0xa5, size);
        black_box(block)
    }
}

/// Runs an ignored test of this file alone in a process of its own, where nobody else allocates.
fn alone(name: &str) {
    let program = std::env::current_exe();
    assert!(program.is_ok());
    let output = Command::new(program.unwrap_or_default())
        .args(["--exact", &format!("sources::glibc::heaps::tests::{name}"), "--ignored", "--nocapture"])
        .output();
    assert!(output.is_ok());
    if let Ok(output) = output {
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[test]
fn agrees_with_malloc_info() {
    alone("child_agrees_with_malloc_info");
}

#[test]
#[ignore = "run by agrees_with_malloc_info"]
fn child_agrees_with_malloc_info() {
    // Tests run in threads, which have arenas of their own. Sizes without fastbins, and more than fits
    // in a heap of 64 MiB.
    let mut blocks = Blocks::allocate((0..200_000).map(|index| 200 + index % 1000));
    blocks.free(|index| index % 3 != 0);
    let main = Blocks::allocate([100_000].into_iter());
    let (heaps, info) = (now(), malloc_info::read());
    let info = info.unwrap_or_default();
    assert!(heaps.complete && heaps.arenas.len() == info.arenas.len(), "{heaps:#?} {info:?}");
    for (arena, info) in heaps.arenas.iter().zip(&info.arenas) {
        assert_eq!(arena.mapped, Some(info.system), "{arena:?}");
        // What the walk itself allocates, a piece of memory and a bit map of pages, is live meanwhile.
        let close = |one: Option<u64>, other: u64| one.is_some_and(|one| one.abs_diff(other) < 1 << 20);
        assert!(close(arena.free, info.free()), "{arena:?} {info:?}");
        assert!(close(arena.allocated, info.allocated().unwrap_or(0)), "{arena:?} {info:?}");
    }
    let classes: u64 = heaps.free_classes.iter().map(|class| class.count).sum();
    let expected: u64 = info.arenas.iter().flat_map(|arena| &arena.classes).map(|class| class.count).sum();
    assert!(classes.abs_diff(expected) <= 50, "{classes} {expected}");
    drop((blocks, main));
}

#[test]
fn predicts_what_a_trim_gives_back() {
    for name in ["holes", "small_blocks", "everything", "one_survivor_per_page", "main", "brk_in_the_way"] {
        alone(&format!("child_trim_{name}"));
    }
}

/// Compares with `malloc_trim(0)` itself.
fn trim_as_predicted() {
    let before = now();
    let rss_before = process::Source::own().rss();
    // SAFETY: malloc_trim(3) may be called at any time.
    unsafe { libc::malloc_trim(0) };
    let rss_after = process::Source::own().rss();
    let after = now();
    let (Ok(rss_before), Ok(rss_after)) = (rss_before, rss_after) else { unreachable!() };
    let released = rss_before.saturating_sub(rss_after);
    println!("predicted {} released {released} pinned {} → {}", before.dirty, before.pinned, after.pinned);
    assert!(before.complete && after.complete);
    assert!(before.dirty.abs_diff(released) <= (released / 10).max(256 << 10), "{before:#?} {after:#?}");
    assert!(after.dirty <= 1 << 20, "what reading leaves behind itself: {after:#?}");
}

#[test]
#[ignore = "run by predicts_what_a_trim_gives_back"]
fn child_trim_holes() {
    let mut blocks = Blocks::allocate((0..4000).map(|index| 5_000 + index * 7 % 30_000));
    blocks.free(|index| index % 2 == 0);
    assert!(now().dirty > 10 << 20);
    trim_as_predicted();
}

#[test]
#[ignore = "run by predicts_what_a_trim_gives_back"]
fn child_trim_small_blocks() {
    // In fastbins, once the thread's cache is full.
    let mut blocks = Blocks::allocate((0..1_000_000).map(|_| 56));
    let last = allocate(100);
    blocks.free(|_| true);
    assert!(now().dirty > 40 << 20 || !links_are_mangled());
    trim_as_predicted();
    black_box(last);
}

#[test]
#[ignore = "run by predicts_what_a_trim_gives_back"]
fn child_trim_everything() {
    let mut blocks = Blocks::allocate((0..100_000).map(|_| 1000));
    blocks.free(|_| true);
    trim_as_predicted();
}

#[test]
#[ignore = "run by predicts_what_a_trim_gives_back"]
fn child_trim_one_survivor_per_page() {
    let mut blocks = Blocks::allocate((0..100_000).map(|_| 1000));
    blocks.free(|index| index % 4 != 0);
    let heaps = now();
    assert!(heaps.dirty < 1 << 20 && heaps.pinned > 70 << 20, "{heaps:#?}");
    trim_as_predicted();
}

#[test]
#[ignore = "run by predicts_what_a_trim_gives_back"]
fn child_trim_brk_in_the_way() {
    // SAFETY: sbrk(2) by 0 changes nothing; a page that nobody may touch, where nothing is mapped yet.
    unsafe {
        let brk = libc::sbrk(0) as usize;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let at = (brk + (1 << 20)).next_multiple_of(1 << 16) as *mut libc::c_void;
        assert_eq!(libc::mmap(at, 4096, libc::PROT_NONE, flags, -1, 0), at);
    }
    child_trim_main();
    let heaps = now();
    let mapped = heaps.arenas.first().and_then(|main| main.mapped);
    assert!(heaps.complete && mapped.is_some_and(|mapped| mapped > 30 << 20), "{heaps:#?}");
}

#[test]
#[ignore = "run by predicts_what_a_trim_gives_back"]
fn child_trim_main() {
    // The main arena: of no use to threads of tests, but with M_ARENA_MAX 1 all that there is.
    // SAFETY: mallopt(3) takes no pointer.
    assert_eq!(unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) }, 1);
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut blocks = Blocks::allocate((0..20_000).map(|index| 5_000 + index % 3_000));
        let last = Blocks::allocate((0..20_000).map(|_| 1000));
        blocks.free(|index| index % 10 != 0);
        let main = now().arenas.first().cloned().unwrap_or_default();
        drop(last);
        let _ = sender.send(main);
        trim_as_predicted();
    });
    let main = receiver.recv().unwrap_or_default();
    assert!(thread.join().is_ok());
    assert!(main.dirty.is_some_and(|dirty| dirty > 60 << 20), "{main:?}");
}

#[test]
fn right_or_incomplete_while_threads_allocate() {
    alone("child_stress");
}

#[test]
#[ignore = "run by right_or_incomplete_while_threads_allocate"]
fn child_stress() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let threads: Vec<_> = (0..8)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut random = seed as u64 + 1;
                let mut blocks: Vec<*mut u8> = Vec::new();
                while !STOP.load(Ordering::Relaxed) {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let index = (random >> 33) as usize;
                    if blocks.len() < 20_000 {
                        blocks.push(allocate(16 + index % 3_000));
                    } else {
                        let block = blocks.swap_remove(index % blocks.len());
                        // SAFETY: from `malloc`, and leaves the list.
                        unsafe { libc::free(block.cast()) };
                    }
                }
            })
        })
        .collect();
    // On a busy machine, most walks are overtaken.
    let until = Instant::now() + Duration::from_secs(60);
    let (mut walks, mut complete, mut slowest) = (0, 0, Duration::ZERO);
    while complete < 10 && Instant::now() < until {
        let regions = regions();
        let started = Instant::now();
        let heaps = read(&regions);
        slowest = slowest.max(started.elapsed());
        let heaps = heaps.unwrap_or_default();
        walks += 1;
        if !heaps.complete {
            continue;
        }
        complete += 1;
        for arena in heaps.arenas {
            let (Some(allocated), Some(free), Some(mapped)) = (arena.allocated, arena.free, arena.mapped)
            else {
                unreachable!("{arena:?}")
            };
            // Every byte was taken for one or the other, once.
            assert!(allocated + free <= mapped && mapped - allocated - free < 8192, "{arena:?}");
            assert!(arena.dirty.zip(arena.pinned).is_some_and(|(dirty, pinned)| dirty + pinned <= free));
        }
    }
    STOP.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
    println!("{complete} of {walks} complete, slowest {slowest:?}");
    assert!(walks > 0 && complete > 0);
}

/// Memory made by hand, from `START` on. All of it is there.
struct Image(Vec<u8>);

/// Aligned as a thread's heap is.
const START: u64 = 0x7f00_0000_0000;

impl Memory for Image {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        let Some(from) = address.checked_sub(START) else { return 0 };
        let rest = self.0.get(from as usize..).unwrap_or_default();
        let len = into.len().min(rest.len());
        into[..len].copy_from_slice(&rest[..len]);
        len
    }

    fn pages(&self, range: Range<u64>, each: &mut dyn FnMut(u64, bool)) -> Result<(), Absent> {
        (0..(range.end - range.start).div_ceil(page_size())).for_each(|index| each(index, true));
        Ok(())
    }

    fn brk(&self) -> Option<u64> {
        None
    }
}

impl Image {
    fn pages(count: u64) -> Self {
        Self(vec![0; (count * page_size()) as usize])
    }

    fn set(&mut self, at: u64, words: &[u64]) {
        for (at, word) in (at as usize..).step_by(8).zip(words) {
            self.0[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
    }

    /// Takes it for one region.
    fn find(&self, resident: u64) -> Heaps {
        let end = START + self.0.len() as u64;
        let found = find(self, &[Region { start: START, end, resident, huge: 0, is_brk: false }], false);
        assert!(found.is_ok());
        found.unwrap_or_default()
    }
}

#[test]
fn blocks_that_are_mappings_of_their_own() {
    let page = page_size();
    let mut image = Image::pages(10);
    // The kernel has made one mapping of them: two blocks, what is not malloc's, and a block of 2.43.
    image.set(0, &[0, (3 * page) | walk::IS_MMAPPED]);
    image.set(3 * page, &[0, (2 * page) | walk::IS_MMAPPED]);
    image.set(5 * page, &[0, (100 * page) | walk::IS_MMAPPED]);
    image.set(7 * page, &[1, (3 * page - walk::HEADER) | walk::IS_MMAPPED]);
    let heaps = image.find(10 * page);
    assert_eq!((heaps.mmapped_resident, heaps.other_resident), (8 * page, 2 * page));
    assert_eq!(heaps.mmapped, 8 * page);
    assert!(!heaps.complete, "there is no main heap");
    // Where the kernel counts less, the rest is its zero page.
    assert_eq!(image.find(page).mmapped_resident, page);
    assert_eq!(image.find(page).other_resident, 0);
}

#[test]
fn a_threads_heap_is_found_behind_its_description() {
    // The layouts of 2.26, of 2.27 to 2.34, of 2.35 to 2.42, and of 2.43.
    for (info, top) in [(32, 88), (32, 96), (48, 96), (48, 8)] {
        let page = page_size();
        let mut image = Image::pages(16);
        let arena = info;
        let first = (arena + top + STATE_END).next_multiple_of(walk::ALIGNMENT);
        image.set(0, &[START + arena, 0, 16 * page, 16 * page]);
        image.set(arena + top, &[START + first + 512]);
        image.set(arena + top + ATTACHED_THREADS, &[3]);
        image.set(first, &[0, 512 | walk::PREV_INUSE]);
        image.set(first + 512, &[0, (16 * page - first - 512) | walk::PREV_INUSE]);
        let heaps = image.find(16 * page);
        let [_, found] = &heaps.arenas[..] else { unreachable!("{info} {top}: {heaps:?}") };
        assert_eq!((found.allocated, found.threads), (Some(512), Some(3)));
        assert_eq!(found.free, Some(16 * page - first - 512));
        assert_eq!((heaps.used_resident, heaps.other_resident), (first + 512, 0));
        assert_eq!((heaps.top_resident, heaps.pinned), (16 * page - first - 512, 16 * page - first - 512));
    }
}

#[test]
fn what_only_looks_like_a_heap_is_not_one() {
    let page = page_size();
    let mut image = Image::pages(4);
    // Its arena's top is nowhere.
    image.set(0, &[START + 48, 0, 4 * page, 4 * page]);
    let heaps = image.find(4 * page);
    assert_eq!((heaps.arenas.len(), heaps.other_resident, heaps.used_resident), (1, 4 * page, 0));
}

proptest::proptest! {
    #[test]
    fn garbage_is_somebody_elses(
        words in proptest::collection::vec(
            (proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u64>()), 0..40),
        heads in proptest::collection::vec((0u64..16, 0u64..20, 0u64..8), 0..20),
    ) {
        let page = page_size();
        let mut image = Image::pages(16);
        for (index, word) in words {
            image.set(index.index(image.0.len() / 8) as u64 * 8, &[word]);
        }
        for (at, size, flags) in heads {
            image.set(at * page, &[0, (size * page) | flags]);
        }
        let heaps = image.find(16 * page);
        proptest::prop_assert_eq!(heaps.mmapped_resident + heaps.other_resident, 16 * page);
    }
}

//! What each mapping is for, and what all of a kind hold together.
//!
//! The kernel does not say what anonymous memory is for; whoever mapped it left marks. V8 keeps its memory
//! from being copied by fork (`dc`), as Node.js builds it on Linux
//! (`v8_enable_private_mapping_fork_optimization`). Next to nobody else does, and the kernel joins only
//! neighbours with the same marks. A stack lies above a guard. All other anonymous memory is the
//! allocator's.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

use crate::sources::detail::Region;
use crate::sources::pagemap::Pagemap;
use crate::sources::process::page_size;
use crate::sources::smaps::{self, Mapping};
use crate::sources::threads::Thread;
use crate::sources::{Absent, Figure, mounts, objects, own_memory, thp};

/// What memory is for. `index.d.ts` names the same kinds (`MappingKind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// V8's heaps, of all isolates, and its code.
    V8,
    /// WebAssembly memory, which is an ArrayBuffer as well, and ArrayBuffers that can grow.
    Wasm,
    /// `malloc`'s; also what addons map without it.
    Allocator,
    /// Stacks, and their guards.
    Stack,
    /// Programs and libraries: all mappings of a file that is executed, and its zeroed variables.
    Code,
    /// Other files.
    File,
    /// Memory that the kernel counts in `RssShmem`.
    Shared,
    /// Of devices and of the kernel, such as the queues of io_uring.
    Other,
}

const KINDS: [Kind; 8] =
    [Kind::V8, Kind::Wasm, Kind::Allocator, Kind::Stack, Kind::Code, Kind::File, Kind::Shared, Kind::Other];

/// Mappings of one kind. `index.d.ts` documents each field (`MappingKind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct KindSum {
    pub kind: Kind,
    pub count: u64,
    pub size: u64,
    pub rss: u64,
    pub anonymous: u64,
    pub huge_pages: u64,
    pub lazy_free: u64,
    pub swap: u64,
}

/// One mapping that holds much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Largest {
    pub kind: Kind,
    pub name: String,
    pub size: u64,
    pub rss: u64,
}

/// The address space by kind. Serialized it is `Inspection.mappings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mapped {
    /// All mappings.
    pub count: u64,
    /// One for each kind, in the order of [`Kind`].
    pub kinds: Vec<KindSum>,
    /// The ten with the highest RSS.
    pub largest: Vec<Largest>,
    /// Shared pages divided by the number of those who share them.
    pub pss: u64,
    /// The sum over all mappings.
    #[serde(skip)]
    pub rss: u64,
    /// Of `rss`, as `RssAnon`.
    #[serde(skip)]
    pub anon: u64,
    /// Of `rss`, as `RssFile`.
    #[serde(skip)]
    pub file: u64,
    /// Of `rss`, as `RssShmem`.
    #[serde(skip)]
    pub shmem: u64,
    /// Writable mappings of the allocator, in ascending order.
    #[serde(skip)]
    pub allocator: Vec<Region>,
}

impl Mapped {
    /// What all mappings of a kind hold together.
    pub fn of(&self, kind: Kind) -> KindSum {
        self.kinds[kind as usize]
    }
}

/// Reads and classifies all mappings. `threads` are this process's, read just before. For other threads
/// than JavaScript's. `root` stands for `/`.
pub fn read(root: &Path, threads: &[Thread]) -> Result<Mapped, Absent> {
    let clues = own_clues(root, threads);
    classify_with(&smaps::read(root)?, &clues, Pagemap::open(root))
}

fn classify_with(
    mappings: &[Mapping],
    clues: &Clues,
    mut pagemap: Result<Pagemap, Absent>,
) -> Result<Mapped, Absent> {
    classify(mappings, clues, |range| match &mut pagemap {
        Ok(pagemap) => pagemap.present(range),
        Err(reason) => Err(*reason),
    })
}

/// The same of another process, with fewer clues: zeroed variables of its libraries count as the allocator's.
pub fn read_other(root: &Path, pid: u32) -> Result<Mapped, Absent> {
    let clues = Clues {
        stack_size: stack_size(),
        tmpfs: mounts::devices_of_other(root, pid, "tmpfs").unwrap_or_default(),
        ..Clues::default()
    };
    classify_with(&smaps::read_other(root, pid)?, &clues, Pagemap::open_other(root, pid))
}

/// Of the small pages in the allocator's huge pages, the share that holds nothing but zeros: nobody wrote
/// there, or zeros alone, and small pages would not be resident. From a sample; `None` where there are no
/// huge pages. `root` stands for `/`.
pub fn zero_share(root: &Path, regions: &[Region]) -> Option<f64> {
    const SAMPLES: u64 = 1024;
    let (small, huge) = (page_size(), thp::page_size(root).ok()?);
    let mut pagemap = Pagemap::open(root).ok()?;
    let blocks: Vec<u64> = regions
        .iter()
        .filter(|region| region.huge > 0)
        .flat_map(|region| full_blocks(region, huge, &mut pagemap))
        .collect();
    let pages_per_block = huge / small;
    let pages = blocks.len() as u64 * pages_per_block;
    // Odd, so that it is not always the same page of a block.
    let step = (pages / SAMPLES) | 1;
    let mut page = vec![0; small as usize];
    let (mut sampled, mut zeros) = (0u32, 0u32);
    for index in (0..pages).step_by(step as usize) {
        let address = blocks[(index / pages_per_block) as usize] + index % pages_per_block * small;
        if own_memory::read(address, &mut page) == page.len() {
            sampled += 1;
            zeros += u32::from(page.iter().all(|&byte| byte == 0));
        }
    }
    (sampled > 0).then(|| f64::from(zeros) / f64::from(sampled))
}

/// The places where a huge page may be: aligned, and present as a whole.
fn full_blocks(region: &Region, huge: u64, pagemap: &mut Pagemap) -> Vec<u64> {
    let first = region.start.next_multiple_of(huge);
    let is_full = |start: &u64| pagemap.present(*start..*start + huge) == Ok(huge);
    (first..region.end.saturating_sub(huge - 1)).step_by(huge as usize).filter(is_full).collect()
}

/// What is known besides the mappings.
#[derive(Default)]
struct Clues {
    /// Of the threads that wait.
    stack_pointers: Vec<u64>,
    /// The largest that a thread has which did not ask for more.
    stack_size: u64,
    /// Where objects are loaded.
    segments: Vec<Range<u64>>,
    /// Devices of file systems that live in memory.
    tmpfs: Vec<(u32, u32)>,
}

fn own_clues(root: &Path, threads: &[Thread]) -> Clues {
    Clues {
        stack_pointers: threads.iter().filter_map(|thread| thread.stack_pointer).collect(),
        stack_size: stack_size(),
        segments: objects::segments(),
        tmpfs: mounts::devices(root, "tmpfs").unwrap_or_default(),
    }
}

/// `RLIMIT_STACK`, which is what glibc and libuv give a thread (pthread_create(3)), but no less than
/// Node.js's own threads have.
fn stack_size() -> u64 {
    const USUAL: u64 = 8 << 20;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable (getrlimit(2)).
    let known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) } == 0;
    if known && limit.rlim_cur <= 1 << 30 { USUAL.max(limit.rlim_cur) } else { USUAL }
}

/// What a mapping is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Whole(Kind),
    /// The kernel has joined two neighbours that look alike: the lower one ends at this address and is of
    /// this kind, the other one is the allocator's.
    Joined(u64, Kind),
}

fn classify(
    mappings: &[Mapping],
    clues: &Clues,
    mut resident: impl FnMut(Range<u64>) -> Figure,
) -> Result<Mapped, Absent> {
    if mappings.iter().all(|mapping| mapping.flags.is_none()) {
        return Err(Absent::NoLine("proc/self/smaps", "VmFlags"));
    }
    let mut sums = Sums::default();
    for (mapping, verdict) in mappings.iter().zip(verdicts(mappings, clues, &mut resident)) {
        let whole = |kind| Piece::whole(mapping, kind);
        match verdict {
            Verdict::Whole(kind) => sums.add(whole(kind)),
            Verdict::Joined(end, kind) => match resident(mapping.start..end) {
                Ok(resident) => {
                    let [lower, upper] = whole(Kind::Allocator).split(end, kind, resident);
                    sums.add(lower);
                    sums.add(upper);
                }
                // What is not known to be something else is the allocator's.
                Err(_) => sums.add(whole(Kind::Allocator)),
            },
        }
        sums.total(mapping, is_in_memory(mapping, clues));
    }
    Ok(sums.end())
}

/// How many bytes of a range are resident.
type Resident<'a> = &'a mut dyn FnMut(Range<u64>) -> Figure;

fn verdicts(mappings: &[Mapping], clues: &Clues, resident: Resident) -> Vec<Verdict> {
    let wasm: HashSet<usize> = wasm(mappings).union(&resizable(mappings)).copied().collect();
    let executed = mappings.iter().filter(|mapping| mapping.execute).map(file).collect();
    let verdict = |(index, mapping)| match kind_by_name(mapping, &executed, clues) {
        Some(kind) => Verdict::Whole(kind),
        None if wasm.contains(&index) => Verdict::Whole(Kind::Wasm),
        None => anonymous(mappings, index, clues, resident),
    };
    mappings.iter().enumerate().map(verdict).collect()
}

/// A file's identity.
fn file(mapping: &Mapping) -> ((u32, u32), u64) {
    (mapping.device, mapping.inode)
}

/// By what the kernel calls it; `None` for anonymous memory.
fn kind_by_name(mapping: &Mapping, executed: &HashSet<((u32, u32), u64)>, clues: &Clues) -> Option<Kind> {
    let path = mapping.path.as_deref()?;
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    // `[stack:<tid>]` is that of kernels before 4.5; glibc names stacks from 2.39 on, when it is
    // told to (its tunable `glibc.mem.decorate_maps`).
    if starts(&["[stack", "[anon: glibc: pthread"]) {
        return Some(Kind::Stack);
    }
    // A private mapping of /dev/zero is how anonymous memory was had before there was MAP_ANONYMOUS.
    if starts(&["[heap]", "[anon:"]) || path == "/dev/zero" && !mapping.shared {
        return None;
    }
    // The kernel's own code and data that processes share: [vdso], [vvar], [vsyscall] and their kin.
    if starts(&["[v", "[sigpage]", "[uprobes]"]) {
        return Some(Kind::Code);
    }
    Some(match () {
        () if starts(&IN_MEMORY) => Kind::Shared,
        // Devices, and what has no path in a file system: `anon_inode:[io_uring]`, `socket:[4711]`.
        () if !starts(&["/"]) || starts(&["/dev/"]) => Kind::Other,
        () if executed.contains(&file(mapping)) => Kind::Code,
        () if is_in_memory(mapping, clues) => Kind::Shared,
        () => Kind::File,
    })
}

/// memfd_create(2), shmget(2), shared anonymous memory, shm_open(3).
const IN_MEMORY: [&str; 5] = ["/memfd:", "/SYSV", "/dev/zero", "[anon_shmem:", "/dev/shm/"];

/// Whether its pages count in `RssShmem`, unless they are private copies.
fn is_in_memory(mapping: &Mapping, clues: &Clues) -> bool {
    mapping.path.as_deref().is_some_and(|path| {
        IN_MEMORY.iter().any(|prefix| path.starts_with(prefix))
            || path.starts_with('/') && clues.tmpfs.contains(&mapping.device)
    })
}

fn anonymous(mappings: &[Mapping], index: usize, clues: &Clues, resident: Resident) -> Verdict {
    let mapping = &mappings[index];
    if mapping.dont_copy() {
        return Verdict::Whole(Kind::V8);
    }
    let up_to = |end: u64, kind| {
        if end < mapping.end { Verdict::Joined(end, kind) } else { Verdict::Whole(kind) }
    };
    if let Some(end) = segment_end(mapping, clues) {
        return up_to(end, Kind::Code);
    }
    let below = index.checked_sub(1).map(|below| &mappings[below]).filter(|it| it.end == mapping.start);
    if let Some(end) = stack_end(mapping, below, clues, resident) {
        return up_to(end, Kind::Stack);
    }
    let guards_a_stack = is_guard(mapping)
        && mappings.get(index + 1).is_some_and(|above| {
            above.start == mapping.end
                && is_anonymous(above)
                && stack_end(above, Some(mapping), clues, resident).is_some()
        });
    Verdict::Whole(if guards_a_stack { Kind::Stack } else { Kind::Allocator })
}

/// Anonymous memory inside of an object's segment: zeroed variables, and code that was moved to huge pages
/// (`node --use-largepages`).
fn segment_end(mapping: &Mapping, clues: &Clues) -> Option<u64> {
    let page = page_size();
    clues
        .segments
        .iter()
        .find(|segment| segment.start / page * page <= mapping.start && mapping.start < segment.end)
        .map(|segment| segment.end.div_ceil(page).saturating_mul(page))
}

fn is_anonymous(mapping: &Mapping) -> bool {
    !mapping.shared && mapping.path.as_deref().is_none_or(|path| path.starts_with("[anon:"))
}

/// What pthread_create(3) puts below a stack: a page, of at most 64 KiB.
fn is_guard(mapping: &Mapping) -> bool {
    const LARGEST: u64 = 64 << 10;
    is_anonymous(mapping)
        && mapping.is_closed()
        && mapping.size() <= LARGEST
        && !mapping.dont_copy()
        && !mapping.no_reserve()
}

/// Where the stack ends that starts where this mapping does; `None` where none does.
///
/// Linux marks stacks from 6.7 on (`nh`). Before, a stack looks as any other memory, with which it may
/// be joined: it is then told by its guard, by the thread that waits in it, and by its size.
fn stack_end(mapping: &Mapping, below: Option<&Mapping>, clues: &Clues, resident: Resident) -> Option<u64> {
    /// A thread that waits has used little of its stack, mostly.
    const NEAR: u64 = 256 << 10;
    // libc reserves what it maps for stacks; an arena of glibc and jemalloc's extents are not (`nr`).
    if !is_anonymous(mapping) || !mapping.read || !mapping.write || mapping.no_reserve() {
        return None;
    }
    let Range { start, end } = mapping.start..mapping.end;
    let pointers: Vec<u64> =
        clues.stack_pointers.iter().copied().filter(|pointer| (start..end).contains(pointer)).collect();
    let waits_near = |end: u64| pointers.iter().any(|&pointer| pointer < end && end - pointer <= NEAR);
    let Some(guard) = below.filter(|below| is_guard(below)) else {
        // glibc 2.42 guards stacks without a mapping (`MADV_GUARD_INSTALL`), and neighbours become one.
        return (mapping.no_huge_page() && !pointers.is_empty()).then_some(end);
    };
    // What the threads of Node.js, its libraries and addons have.
    let sizes = [clues.stack_size, 8 << 20, 4 << 20, 2 << 20, 1 << 20];
    let ends = sizes.map(|size| start.saturating_add(size));
    let largest = start.saturating_add(clues.stack_size);
    if ends.contains(&end) {
        return Some(end);
    }
    if let Some(&joined) = ends.iter().find(|&&joined| joined < end && waits_near(joined)) {
        return Some(joined);
    }
    if mapping.no_huge_page() && guard.no_huge_page() {
        return Some(end);
    }
    match pointers.first() {
        // Deep in its stack.
        Some(&pointer) => Some(if pointer < largest { end.min(largest) } else { end }),
        None if end <= largest => None,
        // The thread runs, or has ended and left its stack to the next one. What a thread uses first, and
        // keeps, is the end of its stack.
        None => {
            let page = page_size();
            let mut is_used = |end: &u64| resident(end - page..*end) == Ok(page);
            ends.into_iter().filter(|&end| end <= largest && is_used(&end)).min().or(Some(largest))
        }
    }
}

/// WebAssembly memory of up to 4 GiB lies at the start of 8 GiB, so that no 32-bit index and offset leads
/// out of it (V8's trap handler); up to Node.js 22 there are 2 GiB more before it. Nothing else that V8
/// keeps has so much closed memory behind it, but for its sandbox, which is larger still.
fn wasm(mappings: &[Mapping]) -> HashSet<usize> {
    const GIB: u64 = 1 << 30;
    let mut wasm = HashSet::new();
    for (index, guard) in mappings.iter().enumerate() {
        if !is_v8(guard) || !guard.is_closed() || !(4 * GIB..64 * GIB).contains(&guard.size()) {
            continue;
        }
        let memory = mappings[..index]
            .iter()
            .rev()
            .zip(mappings[..=index].iter().rev())
            .take_while(|(below, above)| is_v8(below) && below.write && below.end == above.start)
            .count();
        if guard.end - mappings[index - memory].start >= 8 * GIB {
            wasm.extend(index - memory..=index);
        }
    }
    wasm
}

/// V8 takes the address space for all that an ArrayBuffer with `maxByteLength` can grow to, and opens what it
/// has grown to: a closed mapping follows. V8's tables look the same, and are smaller; so do heaps inside of a
/// cage for compressed pointers, which has 4 GiB in one piece. A buffer that has grown to its end cannot be told
/// from a heap.
fn resizable(mappings: &[Mapping]) -> HashSet<usize> {
    const LARGEST_TABLE: u64 = 4 << 20;
    const CAGE: u64 = 4 << 30;
    let is_one = |open: &Mapping, closed: &Mapping| {
        touch(open, closed)
            && (open.read && open.write && !open.execute)
            && closed.is_closed()
            && open.rss > LARGEST_TABLE
    };
    let mut found = HashSet::new();
    let mut first = 0;
    for piece in mappings.chunk_by(touch) {
        if piece.iter().map(Mapping::size).sum::<u64>() < CAGE {
            let pairs = piece.windows(2).zip(first..).filter(|(pair, _)| is_one(&pair[0], &pair[1]));
            found.extend(pairs.map(|(_, index)| index));
        }
        first += piece.len();
    }
    found
}

/// V8's, with nothing in between.
fn touch(below: &Mapping, above: &Mapping) -> bool {
    is_v8(below) && is_v8(above) && below.end == above.start
}

fn is_v8(mapping: &Mapping) -> bool {
    is_anonymous(mapping) && mapping.dont_copy()
}

/// A mapping, or one of the two that were joined.
struct Piece<'a> {
    of: &'a Mapping,
    kind: Kind,
    start: u64,
    end: u64,
    rss: u64,
    anonymous: u64,
    huge: u64,
    lazy_free: u64,
    swap: u64,
}

impl<'a> Piece<'a> {
    fn whole(of: &'a Mapping, kind: Kind) -> Self {
        let Mapping { start, end, rss, anonymous, huge, lazy_free, swap, .. } = *of;
        Self { of, kind, start, end, rss, anonymous, huge, lazy_free, swap }
    }

    /// The part below `end` apart, which has `resident` bytes. What is in huge pages, freed or swapped out
    /// is put down to the upper part, as far as it fits: the lower one is a stack or variables.
    fn split(self, end: u64, kind: Kind, resident: u64) -> [Self; 2] {
        let resident = resident.min(end - self.start);
        let rss = self.rss.saturating_sub(resident).min(self.end - end);
        let [anonymous, huge, lazy_free] = [self.anonymous, self.huge, self.lazy_free].map(|it| it.min(rss));
        let lower = Self {
            kind,
            end,
            rss: self.rss - rss,
            anonymous: self.anonymous - anonymous,
            huge: self.huge - huge,
            lazy_free: self.lazy_free - lazy_free,
            swap: 0,
            ..self
        };
        [lower, Self { start: end, rss, anonymous, huge, lazy_free, ..self }]
    }
}

struct Sums<'a> {
    kinds: [KindSum; 8],
    pieces: Vec<Piece<'a>>,
    mapped: Mapped,
}

impl Default for Sums<'_> {
    fn default() -> Self {
        let kinds = KINDS.map(|kind| KindSum {
            kind,
            count: 0,
            size: 0,
            rss: 0,
            anonymous: 0,
            huge_pages: 0,
            lazy_free: 0,
            swap: 0,
        });
        Self { kinds, pieces: Vec::new(), mapped: Mapped::default() }
    }
}

impl<'a> Sums<'a> {
    fn add(&mut self, piece: Piece<'a>) {
        let sum = &mut self.kinds[piece.kind as usize];
        sum.count += 1;
        sum.size += piece.end - piece.start;
        sum.rss += piece.rss;
        sum.anonymous += piece.anonymous;
        sum.huge_pages += piece.huge;
        sum.lazy_free += piece.lazy_free;
        sum.swap += piece.swap;
        if piece.kind == Kind::Allocator && piece.of.read && piece.of.write {
            self.mapped.allocator.push(Region {
                start: piece.start,
                end: piece.end,
                resident: piece.rss,
                huge: piece.huge,
                is_brk: piece.of.path.as_deref() == Some("[heap]"),
            });
        }
        self.pieces.push(piece);
    }

    fn total(&mut self, mapping: &Mapping, is_in_memory: bool) {
        let total = &mut self.mapped;
        let backed = mapping.rss - mapping.anonymous.min(mapping.rss);
        total.count += 1;
        total.rss += mapping.rss;
        total.pss += mapping.pss;
        total.anon += mapping.rss - backed;
        *(if is_in_memory { &mut total.shmem } else { &mut total.file }) += backed;
    }

    fn end(mut self) -> Mapped {
        self.pieces.sort_unstable_by_key(|piece| std::cmp::Reverse(piece.rss));
        let name = |piece: &Piece| piece.of.path.clone().unwrap_or_else(|| "anonymous".to_owned());
        let largest = |piece: &Piece| Largest {
            kind: piece.kind,
            name: name(piece),
            size: piece.end - piece.start,
            rss: piece.rss,
        };
        Mapped {
            kinds: self.kinds.to_vec(),
            largest: self.pieces.iter().take(10).map(largest).collect(),
            ..self.mapped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{process, threads};
    use std::sync::mpsc;

    const MIB: u64 = 1 << 20;
    const ROOT: &str = "/";

    struct Fixture {
        mappings: Vec<Mapping>,
        clues: Clues,
    }

    /// A real process's smaps, and what was known of it: stack pointers, and its objects' segments as
    /// readelf has them.
    fn fixture(smaps: &str, facts: &str) -> Fixture {
        let mut clues = Clues { stack_size: 8 * MIB, ..Clues::default() };
        let hex = |text| u64::from_str_radix(text, 16).unwrap_or(0);
        for line in facts.lines() {
            match line.split_once(' ') {
                Some(("stack-pointer", pointer)) => clues.stack_pointers.push(hex(pointer)),
                Some(("segment", range)) => {
                    let (start, end) = range.split_once('-').unwrap_or_default();
                    clues.segments.push(hex(start)..hex(end));
                }
                _ => unreachable!("{line}"),
            }
        }
        Fixture { mappings: smaps::parse(smaps).unwrap_or_default(), clues }
    }

    fn node_20() -> Fixture {
        fixture(
            include_str!("../../__test__/fixtures/smaps/node20-glibc"),
            include_str!("../../__test__/fixtures/smaps/node20-glibc.facts"),
        )
    }

    fn node_24_jemalloc() -> Fixture {
        fixture(
            include_str!("../../__test__/fixtures/smaps/node24-jemalloc"),
            include_str!("../../__test__/fixtures/smaps/node24-jemalloc.facts"),
        )
    }

    fn linux_4_18() -> Fixture {
        fixture(
            include_str!("../../__test__/fixtures/smaps/linux-4.18"),
            include_str!("../../__test__/fixtures/smaps/node20-glibc.facts"),
        )
    }

    impl Fixture {
        /// `resident` answers for the lower parts of joined mappings.
        fn classify(&self, resident: impl FnMut(Range<u64>) -> Figure) -> Mapped {
            let mapped = classify(&self.mappings, &self.clues, resident).unwrap_or_default();
            check_sums(&mapped, &self.mappings);
            mapped
        }
    }

    fn nothing_joined(range: Range<u64>) -> Figure {
        unreachable!("{range:x?} was taken apart")
    }

    fn check_sums(mapped: &Mapped, mappings: &[Mapping]) {
        let sum = |of: fn(&KindSum) -> u64| mapped.kinds.iter().map(of).sum::<u64>();
        let total = |of: fn(&Mapping) -> u64| mappings.iter().map(of).sum::<u64>();
        assert_eq!(mapped.count, mappings.len() as u64);
        assert_eq!(sum(|it| it.size), total(Mapping::size));
        assert_eq!(sum(|it| it.rss), total(|it| it.rss));
        assert_eq!(sum(|it| it.anonymous), total(|it| it.anonymous));
        assert_eq!(sum(|it| it.huge_pages), total(|it| it.huge));
        assert_eq!(sum(|it| it.lazy_free), total(|it| it.lazy_free));
        assert_eq!(sum(|it| it.swap), total(|it| it.swap));
        assert_eq!(mapped.rss, total(|it| it.rss));
        assert_eq!(mapped.rss, mapped.anon + mapped.file + mapped.shmem);
        for kind in &mapped.kinds {
            assert!(kind.anonymous <= kind.rss && kind.rss <= kind.size, "{kind:?}");
        }
        let writable: u64 = mapped.allocator.iter().map(|region| region.resident).sum();
        assert!(writable <= mapped.of(Kind::Allocator).rss);
        assert!(mapped.allocator.is_sorted_by_key(|region| region.start));
    }

    #[test]
    fn a_node_process_on_glibc() {
        let fixture = node_20();
        let mapped = fixture.classify(nothing_joined);
        let rss = |of: fn(&Mapping) -> bool| -> u64 {
            fixture.mappings.iter().filter(|it| of(it)).map(|it| it.rss).sum()
        };
        assert_eq!(mapped.of(Kind::Wasm).rss, 10 * MIB, "what its program wrote to");
        assert_eq!(mapped.of(Kind::V8).rss + 10 * MIB, rss(|it| it.dont_copy()));
        // Each thread has a stack and a guard, but for the first one.
        assert_eq!(mapped.of(Kind::Stack).count, 2 * fixture.clues.stack_pointers.len() as u64 - 1);
        assert!((128 << 10..512 << 10).contains(&mapped.of(Kind::Stack).rss));
        // All files of this process are code, and few pages of variables belong to them.
        let files = rss(|it| it.path.as_deref().is_some_and(|path| path.starts_with(['/', '['])));
        let (heap, stack) = (2_785_280, rss(|it| it.path.as_deref() == Some("[stack]")));
        let variables = mapped.of(Kind::Code).rss - (files - heap - stack);
        assert!((16 << 10..512 << 10).contains(&variables), "{variables}");
        // What its program allocated, and what Node.js does.
        assert!((31 * MIB..35 * MIB).contains(&mapped.of(Kind::Allocator).rss));
        assert_eq!(mapped.largest.len(), 10);
        let largest = &mapped.largest[0];
        assert_eq!((largest.kind, largest.name.as_str()), (Kind::Allocator, "anonymous"));
        assert_eq!((largest.size, largest.rss), (30 * MIB + 4096, 30 * MIB + 4096), "its Buffer");
        let brk: Vec<_> = mapped.allocator.iter().filter(|region| region.is_brk).collect();
        assert_eq!(brk.len(), 1);
        assert_eq!(brk[0].resident, heap);
        assert_eq!([mapped.anon, mapped.file, mapped.shmem].iter().sum::<u64>(), mapped.rss);
    }

    #[test]
    fn a_node_process_on_jemalloc() {
        let fixture = node_24_jemalloc();
        let mapped = fixture.classify(nothing_joined);
        assert_eq!(mapped.of(Kind::Wasm).rss, 10 * MIB);
        assert_eq!(mapped.of(Kind::Stack).count, 2 * fixture.clues.stack_pointers.len() as u64 - 1);
        assert!((31 * MIB..40 * MIB).contains(&mapped.of(Kind::Allocator).rss));
        assert_eq!(mapped.of(Kind::Other).rss, 112 << 10, "io_uring's queues");
        // 2.1 MiB of jemalloc's zeroed variables.
        assert!(fixture.mappings.iter().any(|it| it.size() == 2172 << 10 && it.path.is_none()));
        assert!(mapped.allocator.iter().all(|region| region.end - region.start != 2172 << 10));
    }

    #[test]
    fn a_kernel_that_does_not_mark_stacks() {
        let newer = node_20().classify(nothing_joined);
        let fixture = linux_4_18();
        let mut joined = Vec::new();
        let older = fixture.classify(|range| {
            joined.push(range);
            Ok(36 << 10)
        });
        // A worker's stack of 4 MiB and the Buffer above it.
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0], 0x7f00_65df_f000..0x7f00_661f_f000);
        for kind in [Kind::V8, Kind::Wasm, Kind::Code] {
            assert_eq!(older.of(kind).rss, newer.of(kind).rss, "{kind:?}");
        }
        let above = older.largest[0].rss;
        assert_eq!(above, 30 * MIB + 4096, "the Buffer");
        // A stack of 32 KiB was joined with 8 KiB above it, which cannot be told.
        assert_eq!(older.of(Kind::Stack).rss, newer.of(Kind::Stack).rss + 8192);
        assert_eq!(older.of(Kind::Stack).count, newer.of(Kind::Stack).count);
        let unknown = fixture.classify(|_| Err(Absent::Malformed("pagemap")));
        assert_eq!(unknown.of(Kind::Stack).rss, older.of(Kind::Stack).rss - (36 << 10));
        assert_eq!(unknown.of(Kind::Allocator).rss, older.of(Kind::Allocator).rss + (36 << 10));
    }

    /// Mappings of one line each: addresses in MiB, permissions, `VmFlags`, resident MiB and a name.
    fn mappings(lines: &str) -> Vec<Mapping> {
        let mapping = |line: &str| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or("");
            let number = |text: &str| text.parse::<f64>().map_or(0, |number| (number * MIB as f64) as u64);
            let (start, end) = word().split_once('-').map_or((0, 0), |(a, b)| (number(a), number(b)));
            let (permissions, flags, rss) = (word(), word(), number(word()) >> 10);
            let path = words.collect::<Vec<_>>().join(" ");
            let inode = if path.starts_with('/') { path.len() } else { 0 };
            format!(
                "{start:x}-{end:x} {permissions} 00000000 00:05 {inode} {path}\nRss: {rss} kB\nAnonymous: {} kB\n\
                 VmFlags: {}\n",
                if inode == 0 { rss } else { 0 },
                flags.replace(',', " ")
            )
        };
        let text: String = lines.lines().map(str::trim).filter(|it| !it.is_empty()).map(mapping).collect();
        smaps::parse(&text).unwrap_or_default()
    }

    /// What each mapping is; of joined ones how many MiB the lower one has.
    fn kinds(lines: &str, clues: &Clues) -> Vec<(Kind, Option<u64>)> {
        let mappings = mappings(lines);
        assert!(!mappings.is_empty(), "{lines}");
        let kind = |(mapping, verdict): (&Mapping, Verdict)| match verdict {
            Verdict::Whole(kind) => (kind, None),
            Verdict::Joined(end, kind) => (kind, Some((end - mapping.start) / MIB)),
        };
        mappings.iter().zip(verdicts(&mappings, clues, &mut |_| Ok(0))).map(kind).collect()
    }

    /// The kind of the last one.
    fn last(lines: &str, clues: &Clues) -> (Kind, Option<u64>) {
        kinds(lines, clues).pop().unwrap_or((Kind::Other, None))
    }

    fn waiting_at(pointers: &[f64]) -> Clues {
        let stack_pointers = pointers.iter().map(|at| (at * MIB as f64) as u64).collect();
        Clues { stack_pointers, stack_size: 8 * MIB, ..Clues::default() }
    }

    const STACK: (Kind, Option<u64>) = (Kind::Stack, None);
    const ALLOCATOR: (Kind, Option<u64>) = (Kind::Allocator, None);

    #[test]
    fn stacks_that_the_kernel_marks() {
        let guarded = "99.996-100 ---p mr,nh 0\n100-300 rw-p rd,wr,ac,nh 150";
        assert_eq!(kinds(guarded, &waiting_at(&[])), [STACK, STACK], "whoever runs in it");
        assert_eq!(kinds(guarded, &waiting_at(&[151.0])), [STACK, STACK], "deep in it");
        // From glibc 2.42 on: several stacks, side by side.
        assert_eq!(last("100-124 rw-p rd,wr,ac,nh 1", &waiting_at(&[107.9, 123.9])), STACK);
        assert_eq!(last("100-124 rw-p rd,wr,ac,nh 1", &waiting_at(&[])), ALLOCATOR);
        // jemalloc with thp:never.
        assert_eq!(
            last("99.996-100 ---p mr,nr,nh 0\n100-124 rw-p rd,wr,nr,nh 1", &waiting_at(&[])),
            ALLOCATOR
        );
    }

    #[test]
    fn stacks_that_the_kernel_does_not_mark() {
        let above_guard = |rest: &str| format!("99.996-100 ---p mr,mw 0\n100-{rest}");
        let of = |rest: &str, clues: &Clues| last(&above_guard(rest), clues);
        let nobody = waiting_at(&[]);
        // Left behind by a thread that has ended, or in use by one that runs.
        assert_eq!(of("108 rw-p rd,wr,ac 1", &nobody), STACK);
        assert_eq!(of("102 rw-p rd,wr,ac 1", &nobody), STACK);
        assert_eq!(of("103 rw-p rd,wr,ac 1", &nobody), ALLOCATOR);
        // Large ones.
        assert_eq!(of("300 rw-p rd,wr,ac 1", &waiting_at(&[299.9])), STACK);
        assert_eq!(of("300 rw-p rd,wr,ac 1", &waiting_at(&[200.0])), STACK);
        assert_eq!(of("103 rw-p rd,wr,ac 1", &waiting_at(&[101.0])), STACK);
        // Joined with what is above.
        let joined = |size| (Kind::Stack, Some(size));
        assert_eq!(of("138 rw-p rd,wr,ac 31", &waiting_at(&[107.99])), joined(8));
        assert_eq!(of("138 rw-p rd,wr,ac 31", &waiting_at(&[103.9])), joined(4));
        assert_eq!(of("108.1 rw-p rd,wr,ac 1", &waiting_at(&[107.99])), joined(8));
        assert_eq!(of("138 rw-p rd,wr,ac 31", &waiting_at(&[106.0])), joined(8));
        assert_eq!(of("138 rw-p rd,wr,ac 31", &nobody), joined(8));
        // A worker's, of 4 MiB, that runs: its last page is in use, and so is all above it.
        let mappings = mappings(&above_guard("138 rw-p rd,wr,ac 31"));
        let from = 104 * MIB - page_size();
        let running = verdicts(&mappings, &nobody, &mut |range: Range<u64>| {
            Ok(range.end.saturating_sub(range.start.max(from)))
        });
        assert_eq!(running[1], Verdict::Joined(104 * MIB, Kind::Stack));
        // No guard, one that is too large, one that is an arena's rest.
        assert_eq!(last("100-108 rw-p rd,wr,ac 1", &nobody), ALLOCATOR);
        assert_eq!(last("99-100 ---p mr,mw 0\n100-108 rw-p rd,wr,ac 1", &nobody), ALLOCATOR);
        assert_eq!(last("99.996-100 ---p mr,nr 0\n100-108 rw-p rd,wr,ac 1", &nobody), ALLOCATOR);
        assert_eq!(of("108 rw-p rd,wr,nr 1", &nobody), ALLOCATOR);
        assert_eq!(last("99.9-99.996 ---p mr,mw 0\n100-108 rw-p rd,wr,ac 1", &nobody), ALLOCATOR);
        assert_eq!(of("108 r--p rd,ac 1", &nobody), ALLOCATOR);
    }

    #[test]
    fn stacks_that_have_a_name() {
        for name in ["[stack]", "[stack:4711]", "[anon: glibc: pthread stack: 4711]"] {
            assert_eq!(last(&format!("100-108 rw-p rd,wr,ac 1 {name}"), &Clues::default()), STACK, "{name}");
        }
        assert_eq!(last("100-108 rw-p rd,wr,nr 1 [anon: glibc: malloc arena]", &Clues::default()), ALLOCATOR);
    }

    #[test]
    fn names() {
        let clues = Clues { tmpfs: vec![(0, 5)], ..Clues::default() };
        for (mapping, on_disk, on_tmpfs) in [
            ("r--p rd /some/file", Kind::File, Kind::Shared),
            ("rw-s rd,wr /some/file (deleted)", Kind::File, Kind::Shared),
            ("r-xp rd,ex /lib/some.so", Kind::Code, Kind::Code),
            ("rw-s rd,wr /dev/zero (deleted)", Kind::Shared, Kind::Shared),
            ("rw-p rd,wr /dev/zero", Kind::Allocator, Kind::Allocator),
            ("rw-s rd,wr /dev/shm/some", Kind::Shared, Kind::Shared),
            ("rw-s rd,wr /memfd:name (deleted)", Kind::Shared, Kind::Shared),
            ("rw-s rd,wr /SYSV00000000 (deleted)", Kind::Shared, Kind::Shared),
            ("rw-s rd,wr [anon_shmem:name]", Kind::Shared, Kind::Shared),
            ("rw-s rd,wr /dev/dri/card0", Kind::Other, Kind::Other),
            ("rw-s rd,wr anon_inode:[io_uring]", Kind::Other, Kind::Other),
            ("r-xp rd,ex [vdso]", Kind::Code, Kind::Code),
            ("r--p rd [vvar]", Kind::Code, Kind::Code),
            ("--xp ex [vsyscall]", Kind::Code, Kind::Code),
            ("rw-p rd,wr [heap]", Kind::Allocator, Kind::Allocator),
            ("rw-p rd,wr", Kind::Allocator, Kind::Allocator),
            ("rwxp rd,wr,ex", Kind::Allocator, Kind::Allocator),
            ("rw-p rd,wr,dc", Kind::V8, Kind::V8),
        ] {
            let mut words = mapping.splitn(3, ' ');
            let [permissions, flags, path] = std::array::from_fn(|_| words.next().unwrap_or(""));
            let line = format!("100-101 {permissions} {flags} 1 {path}");
            assert_eq!(last(&line, &Clues::default()).0, on_disk, "{mapping}");
            assert_eq!(last(&line, &clues).0, on_tmpfs, "{mapping}, on tmpfs");
            // The kernel's own split.
            let mapped = classify(&self::mappings(&line), &clues, |_| Ok(0)).unwrap_or_default();
            let is_file = path.starts_with('/');
            assert_eq!(mapped.anon, if is_file { 0 } else { MIB }, "{mapping}");
            assert_eq!(mapped.shmem, if is_file { MIB } else { 0 }, "{mapping}");
        }
    }

    #[test]
    fn all_mappings_of_a_file_that_is_executed_are_code() {
        let lines = "100-101 r--p rd 1 /lib/one.so\n101-102 r-xp rd,ex 1 /lib/one.so\n\
                     102-103 rw-p rd,wr 1 /lib/one.so\n200-201 r--s rd 1 /lib/data";
        let [code, file] = [Kind::Code, Kind::File].map(|kind| (kind, None));
        assert_eq!(kinds(lines, &Clues::default()), [code, code, code, file]);
    }

    #[test]
    fn zeroed_variables_are_code_as_far_as_the_segment_goes() {
        let segments = [10..20, 102 * MIB + 5..104 * MIB - 5].to_vec();
        let clues = Clues { segments, ..Clues::default() };
        let of = |line: &str| last(line, &clues);
        assert_eq!(of("103-104 rw-p rd,wr,ac 1"), (Kind::Code, None));
        assert_eq!(of("103-130 rw-p rd,wr,ac 27"), (Kind::Code, Some(1)));
        assert_eq!(of("103-130 rw-p rd,wr,ac 27 [heap]"), (Kind::Code, Some(1)));
        assert_eq!(of("104-130 rw-p rd,wr,ac 1"), ALLOCATOR);
        assert_eq!(of("102-103 rwxp rd,wr,ex 1"), (Kind::Code, None), "node --use-largepages");
    }

    #[test]
    fn an_array_buffer_that_can_grow_is_no_heap() {
        let [v8, buffer] = [Kind::V8, Kind::Wasm].map(|kind| (kind, None));
        let of = |open: &str, closed: &str| kinds(&format!("100-200 {open}\n{closed}"), &Clues::default())[0];
        assert_eq!(of("rw-p dc 100", "200-300 ---p dc 0"), buffer);
        assert_eq!(of("rw-p dc 4", "200-300 ---p dc 0"), v8, "one of V8's tables");
        assert_eq!(of("rw-p dc 100", "201-300 ---p dc 0"), v8, "not next to it");
        assert_eq!(of("rw-p dc 100", "200-300 rw-p dc 0"), v8);
        assert_eq!(of("rw-p dc 100", "200-300 ---p wr 0"), v8, "a guard of someone else's");
        assert_eq!(of("rwxp dc 100", "200-300 ---p dc 0"), v8, "code");
        assert_eq!(of("rw-p dc 100", "200-4196 ---p dc 0"), v8, "a cage");
        let two = "100-200 rw-p dc 9\n200-300 ---p dc 0\n300-400 rw-p dc 9\n400-500 ---p dc 0";
        assert_eq!(kinds(two, &Clues::default()), [buffer, v8, buffer, v8]);
    }

    #[test]
    fn webassembly_memory_has_8_gib() {
        let [v8, wasm] = [Kind::V8, Kind::Wasm].map(|kind| (kind, None));
        let of = |lines: &str| kinds(lines, &Clues::default());
        let gib = |gib: u64| gib * 1024;
        let memory = |start: u64| {
            let (middle, end) = (start + 10, start + gib(8));
            format!("{start}-{middle} rw-p rd,wr,dc 10\n{middle}-{end} ---p dc 0\n")
        };
        assert_eq!(of(&memory(gib(1))), [wasm, wasm]);
        // Two, one behind the other, as the kernel places them.
        assert_eq!(of(&(memory(gib(1)) + &memory(gib(9)))), [wasm; 4]);
        // Node.js 20 and 22: closed memory before it, too.
        assert_eq!(of(&format!("{}-{} ---p dc 0\n{}", gib(1), gib(3), memory(gib(3)))), [v8, wasm, wasm]);
        // Compressed pointers (a cage of 4 GiB) and V8's sandbox (1 TiB).
        assert_eq!(
            of(&format!("{}-{} rw-p rd,wr,dc 9\n{}-{} ---p dc 0", gib(4), gib(5), gib(5), gib(8))),
            [v8; 2]
        );
        let sandbox = format!("{}-{} rw-p rd,wr,dc 9\n{}-{} ---p dc 0", gib(4), gib(5), gib(5), gib(900));
        assert_eq!(of(&sandbox), [v8; 2]);
        // 4 GiB of memory that is not V8's.
        assert_eq!(of(&memory(gib(1)).replace(",dc", "")), [ALLOCATOR, v8]);
    }

    #[test]
    fn a_kernel_that_says_too_little() {
        let text = "1000-2000 rw-p 00000000 00:00 0\nRss: 4 kB\n";
        let mappings = smaps::parse(text).unwrap_or_default();
        let mapped = classify(&mappings, &Clues::default(), |_| Ok(0));
        assert_eq!(mapped, Err(Absent::NoLine("proc/self/smaps", "VmFlags")));
    }

    #[test]
    fn a_joined_mapping_is_split_without_a_byte_lost() {
        let mapping = Mapping {
            start: 0,
            end: 100,
            rss: 80,
            anonymous: 80,
            huge: 70,
            lazy_free: 5,
            swap: 20,
            ..Mapping::default()
        };
        for resident in [0, 10, 30, 100] {
            let [lower, upper] = Piece::whole(&mapping, Kind::Allocator).split(40, Kind::Stack, resident);
            assert_eq!((lower.kind, upper.kind), (Kind::Stack, Kind::Allocator));
            assert_eq!((lower.end, upper.start), (40, 40));
            assert_eq!(
                (lower.rss + upper.rss, lower.huge + upper.huge, lower.swap + upper.swap),
                (80, 70, 20)
            );
            assert!(lower.rss <= 40 && upper.rss <= 60 && lower.huge <= lower.rss && upper.huge <= upper.rss);
        }
    }

    #[test]
    fn serialized_as_index_d_ts_has_it() {
        let mapped = classify(&mappings("100-101 rw-p rd,wr,dc 1"), &Clues::default(), |_| Ok(0));
        let json = mapped.ok().and_then(|mapped| serde_json::to_value(&mapped).ok()).unwrap_or_default();
        assert_eq!(json["count"], 1);
        let v8 = serde_json::json!({ "kind": "v8", "count": 1, "size": MIB, "rss": MIB, "anonymous": MIB,
            "hugePages": 0, "lazyFree": 0, "swap": 0 });
        assert_eq!(json["kinds"][0], v8);
        let largest = serde_json::json!([{ "kind": "v8", "name": "anonymous", "size": MIB, "rss": MIB }]);
        assert_eq!(json["largest"], largest);
        assert_eq!(json.as_object().map(|object| object.len()), Some(4), "count, kinds, largest, pss");
    }

    /// This process, as it is, and as a kernel that does not mark stacks would show it.
    fn own() -> [Mapped; 2] {
        let root = Path::new(ROOT);
        let threads = threads::read(root).unwrap_or_default();
        let clues = own_clues(root, &threads);
        let mut pagemap = Pagemap::open(root);
        let mut present = |range| pagemap.as_mut().map_err(|reason| *reason)?.present(range);
        let mut mappings = smaps::read(root).unwrap_or_default();
        let newer = classify(&mappings, &clues, &mut present);
        for mapping in &mut mappings {
            mapping.flags = mapping.flags.map(|flags| smaps::Flags { no_huge_page: false, ..flags });
        }
        let older = classify(&mappings, &clues, &mut present);
        [newer, older].map(|mapped| {
            let mapped = mapped.unwrap_or_default();
            check_sums(&mapped, &mappings);
            mapped
        })
    }

    /// Whether a kind has about so many MiB more while `hold` holds something. Other tests take and free
    /// memory meanwhile: one undisturbed try will do.
    fn holds<T>(kind: Kind, expected: u64, mut hold: impl FnMut() -> T) -> bool {
        let rss = || own().map(|mapped| (mapped.of(kind).rss / MIB) as i64);
        (0..50).any(|_| {
            let before = rss();
            let held = hold();
            let after = rss();
            drop(held);
            before.iter().zip(after).all(|(before, after)| (after - before).abs_diff(expected as i64) < 8)
        })
    }

    /// A fresh mapping, written to page by page.
    struct Mmap {
        start: *mut libc::c_void,
        len: usize,
    }

    impl Mmap {
        fn new(mib: u64, flags: libc::c_int, file: Option<&std::fs::File>) -> Self {
            use std::os::fd::AsRawFd;
            let len = (mib * MIB) as usize;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: the kernel chooses where; nobody else has the mapping.
            let start = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    len,
                    protection,
                    flags,
                    file.map_or(-1, |it| it.as_raw_fd()),
                    0,
                )
            };
            assert_ne!(start, libc::MAP_FAILED);
            Self { start, len }
        }

        fn write(self) -> Self {
            for offset in (0..self.len).step_by(page_size() as usize) {
                // SAFETY: inside of the mapping.
                unsafe { self.start.byte_add(offset).cast::<u8>().write_volatile(1) };
            }
            self
        }
    }

    impl Drop for Mmap {
        fn drop(&mut self) {
            // SAFETY: mapped in `new`, and used no more.
            unsafe { libc::munmap(self.start, self.len) };
        }
    }

    /// A thread that uses `mib` of its stack, and then waits: there, or back at its start. Ends when
    /// it is dropped.
    struct Deep(Option<(mpsc::Sender<()>, std::thread::JoinHandle<()>)>);

    impl Deep {
        fn new(stack: u64, mib: u64, waits_there: bool) -> Self {
            let (tell, told) = mpsc::channel();
            let (end, wait) = mpsc::channel::<()>();
            let name = format!("deep {mib} {waits_there}");
            let builder = std::thread::Builder::new().name(name.clone()).stack_size((stack * MIB) as usize);
            let thread = builder.spawn(move || {
                let wait = || {
                    let _ = tell.send(());
                    let _ = wait.recv();
                };
                let bottom = &raw const tell as u64 - mib * MIB;
                if waits_there {
                    descend(bottom, &wait);
                } else {
                    descend(bottom, &|| ());
                    wait();
                }
            });
            assert!(thread.is_ok() && told.recv().is_ok());
            let waits = |thread: &Thread| thread.name == name && thread.stack_pointer.is_some();
            assert!(
                (0..100_000).any(|_| threads::read(Path::new(ROOT)).is_ok_and(|all| all.iter().any(waits)))
            );
            Self(thread.ok().map(|thread| (end, thread)))
        }
    }

    impl Drop for Deep {
        fn drop(&mut self) {
            if let Some((end, thread)) = self.0.take() {
                drop(end);
                assert!(thread.join().is_ok());
            }
        }
    }

    /// Goes down to an address, writing to the stack on the way.
    fn descend(to: u64, at_the_end: &dyn Fn()) {
        let used = std::hint::black_box([1u8; 1024]);
        if (&raw const used as u64) < to {
            at_the_end();
        } else {
            descend(to, at_the_end);
        }
        std::hint::black_box(used);
    }

    #[test]
    fn stacks_hold_what_threads_used_of_them() {
        assert!(holds(Kind::Stack, 40, || Deep::new(64, 40, true)));
        assert!(holds(Kind::Stack, 40, || Deep::new(64, 40, false)));
    }

    #[test]
    fn allocations_are_the_allocators() {
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        assert!(holds(Kind::Allocator, 48, || Mmap::new(48, anonymous, None).write()));
        let like_v8 = || {
            let mapping = Mmap::new(48, anonymous, None).write();
            // SAFETY: it changes nothing but what a child gets.
            unsafe { libc::madvise(mapping.start, mapping.len, libc::MADV_DONTFORK) };
            mapping
        };
        assert!(holds(Kind::V8, 48, like_v8));
    }

    #[test]
    fn shared_memory_is_shared() {
        let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        assert!(holds(Kind::Shared, 48, || Mmap::new(48, shared, None).write()));
    }

    #[test]
    fn a_mapped_file_is_a_file_and_its_copies_count_with_it() {
        let path = std::env::temp_dir().join(format!("heapgap-mapped-{}", std::process::id()));
        let open = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let Ok(file) = open else { unreachable!("{open:?}") };
        assert!(file.set_len(48 * MIB).is_ok());
        // SAFETY: a statfs is plain numbers; the descriptor is open.
        let is_tmpfs = unsafe {
            use std::os::fd::AsRawFd;
            let mut said: libc::statfs = std::mem::zeroed();
            assert_eq!(libc::fstatfs(file.as_raw_fd(), &mut said), 0);
            said.f_type == libc::TMPFS_MAGIC
        };
        let _ = std::fs::remove_file(&path);
        let kind = if is_tmpfs { Kind::Shared } else { Kind::File };
        for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
            assert!(holds(kind, 48, || Mmap::new(48, flags, Some(&file)).write()), "{flags}");
        }
    }

    #[test]
    fn sums_are_the_kernels() {
        let root = Path::new(ROOT);
        let held = (
            Mmap::new(48, libc::MAP_SHARED | libc::MAP_ANONYMOUS, None).write(),
            Mmap::new(64, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, None).write(),
        );
        let agree = || {
            let threads = threads::read(root).unwrap_or_default();
            let mapped = read(root, &threads).unwrap_or_default();
            let (rollup, status) = (smaps::rollup(root), process::Source::own().read());
            assert!(mapped.shmem >= 48 * MIB && mapped.anon >= 64 * MIB);
            assert!(mapped.of(Kind::Code).rss > MIB, "{mapped:?}");
            [
                (mapped.rss, rollup.and_then(|rollup| rollup.rss)),
                (mapped.pss, rollup.and_then(|rollup| rollup.pss)),
                (mapped.rss, status.rss),
                (mapped.anon, status.anon),
                (mapped.file, status.file),
                (mapped.shmem, status.shmem),
            ]
            .into_iter()
            .all(|(ours, theirs)| theirs.is_ok_and(|theirs| ours.abs_diff(theirs) < 2 * MIB))
        };
        // Other tests take and free memory meanwhile.
        assert!((0..50).any(|_| agree()));
        drop(held);
    }

    #[test]
    fn zeros_in_huge_pages_are_told_from_a_sample() {
        let root = Path::new(ROOT);
        let mapping = Mmap::new(64, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, None);
        // SAFETY: the mapping is ours.
        unsafe { libc::madvise(mapping.start, mapping.len, libc::MADV_HUGEPAGE) };
        let page = page_size() as usize;
        for index in (0..mapping.len / page).step_by(4) {
            // SAFETY: inside of the mapping.
            unsafe { mapping.start.byte_add(index * page + 7).cast::<u8>().write_volatile(1) };
        }
        // The second half in pieces: what is given back of a huge page breaks it up, and reads as zeros.
        for offset in (mapping.len / 2..mapping.len).step_by(MIB as usize) {
            // SAFETY: inside of the mapping.
            unsafe { libc::madvise(mapping.start.byte_add(offset), (MIB / 2) as usize, libc::MADV_DONTNEED) };
        }
        let threads = threads::read(root).unwrap_or_default();
        let mapped = read(root, &threads).unwrap_or_default();
        let start = mapping.start as u64;
        let regions: Vec<_> = mapped
            .allocator
            .into_iter()
            .filter(|region| region.start < start + 64 * MIB && start < region.end)
            .collect();
        assert!(!regions.is_empty());
        let huge: u64 = regions.iter().map(|region| region.huge).sum();
        match zero_share(root, &regions) {
            Some(share) => assert!((0.7..0.8).contains(&share), "{share} of {huge}"),
            None => assert!(huge < 4 * MIB, "{huge}"),
        }
        let none: Vec<_> = regions.iter().map(|region| Region { huge: 0, ..*region }).collect();
        assert_eq!(zero_share(root, &none), None);
    }
}

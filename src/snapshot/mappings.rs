//! What each mapping is for, and what all of a kind hold together.
//!
//! The kernel does not say what anonymous memory is for; whoever mapped it left marks. V8 keeps its memory
//! from being copied by fork (`dc`), which nobody else does, and a heap is therefore never one mapping with
//! something else. A stack lies above a guard. All other anonymous memory is the allocator's.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

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
    /// WebAssembly memory, which is an ArrayBuffer as well.
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

/// Memory of the allocator: one mapping, or what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Of it, resident.
    pub resident: u64,
    /// Of that, in transparent huge pages.
    pub huge: u64,
    /// What brk(2) moves the end of, `[heap]`.
    pub is_brk: bool,
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
    let clues = Clues {
        stack_pointers: threads.iter().filter_map(|thread| thread.stack_pointer).collect(),
        stack_size: stack_size(),
        segments: objects::segments(),
        tmpfs: mounts::devices(root, "tmpfs").unwrap_or_default(),
    };
    let mut pagemap = Pagemap::open(root);
    classify(&smaps::read(root)?, &clues, |range| match &mut pagemap {
        Ok(pagemap) => pagemap.present(range),
        Err(reason) => Err(*reason),
    })
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
    let wasm = wasm(mappings);
    let executed = mappings.iter().filter(|mapping| mapping.execute).map(file).collect();
    let mut sums = Sums::default();
    for (index, mapping) in mappings.iter().enumerate() {
        let verdict = match kind_by_name(mapping, &executed, clues) {
            Some(kind) => Verdict::Whole(kind),
            None if wasm.contains(&index) => Verdict::Whole(Kind::Wasm),
            None => anonymous(mappings, index, clues),
        };
        let whole = |kind| Piece::whole(mapping, kind);
        match verdict {
            Verdict::Whole(kind) => sums.add(whole(kind)),
            Verdict::Joined(end, kind) => match resident(mapping.start..end) {
                Ok(resident) => {
                    whole(Kind::Allocator).split(end, kind, resident).into_iter().for_each(|it| sums.add(it));
                }
                // What is not known to be something else is the allocator's.
                Err(_) => sums.add(whole(Kind::Allocator)),
            },
        }
        sums.total(mapping, is_in_memory(mapping, clues));
    }
    Ok(sums.end())
}

/// A file's identity.
fn file(mapping: &Mapping) -> ((u32, u32), u64) {
    (mapping.device, mapping.inode)
}

/// By what the kernel calls it; `None` for anonymous memory.
fn kind_by_name(mapping: &Mapping, executed: &HashSet<((u32, u32), u64)>, clues: &Clues) -> Option<Kind> {
    let path = mapping.path.as_deref()?;
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    // `[stack:<tid>]` is that of kernels before 4.5; glibc names stacks from 2.39, when it is told to.
    if starts(&["[stack", "[anon: glibc: pthread stack"]) {
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

fn anonymous(mappings: &[Mapping], index: usize, clues: &Clues) -> Verdict {
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
    if let Some(end) = stack_end(mapping, below, clues) {
        return up_to(end, Kind::Stack);
    }
    let guards_a_stack = is_guard(mapping)
        && mappings.get(index + 1).is_some_and(|above| {
            above.start == mapping.end
                && is_anonymous(above)
                && stack_end(above, Some(mapping), clues).is_some()
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
fn stack_end(mapping: &Mapping, below: Option<&Mapping>, clues: &Clues) -> Option<u64> {
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
    let ends = usual_sizes(guard, clues).map(|size| start.saturating_add(size));
    let largest = start.saturating_add(clues.stack_size);
    if waits_near(end) || ends.contains(&end) {
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
        // The thread runs, or has ended and left its stack to the next one.
        None => (end > largest).then_some(largest),
    }
}

/// Of the stacks of threads that Node.js, its libraries and addons start. glibc before 2.27 took the guard
/// off the size.
fn usual_sizes(guard: &Mapping, clues: &Clues) -> [u64; 10] {
    let sizes = [clues.stack_size, 8 << 20, 4 << 20, 2 << 20, 1 << 20];
    std::array::from_fn(|index| match sizes.get(index) {
        Some(&size) => size,
        None => sizes[index - sizes.len()].saturating_sub(guard.size()),
    })
}

/// WebAssembly memory of up to 4 GiB lies at the start of 8 GiB, so that no 32-bit index and offset leads
/// out of it (V8's trap handler); up to Node.js 22 there are 2 GiB more before it. Nothing else that V8
/// keeps has so much closed memory behind it, but for its sandbox, which is larger still.
fn wasm(mappings: &[Mapping]) -> HashSet<usize> {
    const GIB: u64 = 1 << 30;
    let is_v8 = |mapping: &Mapping| is_anonymous(mapping) && mapping.dont_copy();
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
        let rss = self.rss.saturating_sub(resident);
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
        self.pieces.sort_by_key(|piece| std::cmp::Reverse(piece.rss));
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

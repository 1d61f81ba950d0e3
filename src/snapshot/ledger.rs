//! RSS, split into named parts that sum to it. Pure: readings in, parts out.
//!
//! What the kernel counts page by page (V8's mappings, stacks, files) is taken first and as it is. What is
//! left of private memory is the allocator's room, and the allocator's own figures are fitted into it:
//! they count pages that were never touched, so where they exceed the room all shrink in proportion, and
//! where they fall short of it the difference is huge pages' slack, or nobody's.

use serde::Serialize;

use super::Stats;
use crate::sources::process::Process;

/// How far a part can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accuracy {
    /// Counted by the kernel page by page.
    Exact,
    /// No more than this.
    Bound,
    /// From figures that count something else as well.
    Estimate,
}

impl Accuracy {
    /// As JavaScript has it.
    pub fn name(self) -> &'static str {
        match self {
            Accuracy::Exact => "exact",
            Accuracy::Bound => "bound",
            Accuracy::Estimate => "estimate",
        }
    }
}

/// One part of RSS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `None` where it cannot be told apart.
    pub bytes: Option<u64>,
    /// `None` as `bytes`.
    pub accuracy: Option<Accuracy>,
    /// Where it comes from, or why there is none.
    pub source: &'static str,
    /// What it consists of, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Share>,
}

/// A named piece of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// A heap space, a thread.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

impl Part {
    const fn unknown(source: &'static str) -> Self {
        Self { bytes: None, accuracy: None, source, of: Vec::new() }
    }

    const fn new(bytes: u64, accuracy: Accuracy, source: &'static str) -> Self {
        Self { bytes: Some(bytes), accuracy: Some(accuracy), source, of: Vec::new() }
    }
}

/// All parts; `LedgerPartName` in `index.d.ts` says what each is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Parts {
    pub v8_heap: Part,
    pub v8_workers: Part,
    pub buffers: Part,
    pub external: Part,
    pub native: Part,
    pub thread_caches: Part,
    pub pinned: Part,
    pub dirty: Part,
    pub muzzy: Part,
    pub metadata: Part,
    pub code: Part,
    pub mapped_files: Part,
    pub shared: Part,
    pub stacks: Part,
    pub huge_page_slack: Part,
    pub unattributed: Part,
}

impl Parts {
    /// Every part with its name, in the order that `lib/table.js` has them.
    pub fn all(&self) -> [(&'static str, &Part); 16] {
        [
            ("v8Heap", &self.v8_heap),
            ("v8Workers", &self.v8_workers),
            ("buffers", &self.buffers),
            ("external", &self.external),
            ("native", &self.native),
            ("threadCaches", &self.thread_caches),
            ("pinned", &self.pinned),
            ("dirty", &self.dirty),
            ("muzzy", &self.muzzy),
            ("metadata", &self.metadata),
            ("code", &self.code),
            ("mappedFiles", &self.mapped_files),
            ("shared", &self.shared),
            ("stacks", &self.stacks),
            ("hugePageSlack", &self.huge_page_slack),
            ("unattributed", &self.unattributed),
        ]
    }

    fn unknown(source: &'static str) -> Self {
        let part = || Part::unknown(source);
        Self {
            v8_heap: part(),
            v8_workers: part(),
            buffers: part(),
            external: part(),
            native: part(),
            thread_caches: part(),
            pinned: part(),
            dirty: part(),
            muzzy: part(),
            metadata: part(),
            code: part(),
            mapped_files: part(),
            shared: part(),
            stacks: part(),
            huge_page_slack: part(),
            unattributed: part(),
        }
    }

    /// Gives what is left of `rss` to `unattributed`.
    fn close(mut self, rss: u64, source: &'static str) -> Ledger {
        let sum: u64 = self.all().iter().filter_map(|(_, part)| part.bytes).sum();
        self.unattributed = Part::new(rss.saturating_sub(sum), Accuracy::Exact, source);
        Ledger { rss: Some(rss.max(sum)), parts: self }
    }
}

/// RSS by parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// What the parts sum to.
    pub rss: Option<u64>,
    /// The parts.
    pub parts: Parts,
}

/// What JavaScript told of V8, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct V8 {
    /// The heap's pages in physical memory.
    pub heap: u64,
    /// The same by space.
    pub spaces: Vec<Share>,
    /// Buffers and ArrayBuffers; `None` where Node.js could not say.
    pub array_buffers: Option<u64>,
    /// All memory that V8 was told of.
    pub external: u64,
    /// The other isolates that answered.
    pub workers: Vec<Worker>,
    /// How many other isolates there are, as far as is known.
    pub other_isolates: usize,
}

/// Another thread's isolate, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// What it is called.
    pub name: String,
    /// The heap's pages in physical memory.
    pub heap: u64,
    /// All memory that its V8 was told of: Buffers, mostly.
    pub external: u64,
}

/// What the allocator says of the memory that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its counters. They count pages that were never touched.
    Counted(Counted),
    /// Its free chunks, page by page, against the kernel's count (glibc).
    Walked(Walked),
    /// In use and free, resident or not (glibc's counters).
    Free { live: u64, free: u64 },
    /// Nothing.
    Unknown,
}

/// An allocator's counters; `None` for what it does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Counted {
    /// Without what thread caches keep.
    pub live: u64,
    pub thread_caches: Option<u64>,
    pub pinned: Option<u64>,
    pub dirty: Option<u64>,
    pub muzzy: Option<u64>,
    pub metadata: Option<u64>,
}

/// A heap's pages in physical memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Walked {
    pub live: u64,
    pub pinned: u64,
    pub dirty: u64,
    /// Of blocks that are mappings of their own, what is not in memory: it is in none of the others.
    pub untouched: u64,
    /// Every arena was walked.
    pub complete: bool,
}

impl From<&Stats> for Held {
    fn from(stats: &Stats) -> Self {
        let (Ok(allocated), thread_caches) = (stats.allocated, stats.thread_caches.ok()) else {
            return Held::Unknown;
        };
        if let Ok(free) = stats.free {
            return Held::Free { live: allocated, free };
        }
        Held::Counted(Counted {
            live: allocated.saturating_sub(thread_caches.unwrap_or(0)),
            thread_caches,
            pinned: stats.pinned.ok(),
            dirty: stats.dirty.ok(),
            muzzy: stats.muzzy.ok(),
            metadata: stats.metadata.ok(),
        })
    }
}

/// What the kernel counts by kind of mapping, in bytes of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is a kind of snapshot::mappings")]
pub struct Resident {
    pub v8: u64,
    pub wasm: u64,
    pub stacks: u64,
    pub code: u64,
    pub files: u64,
    pub shared: u64,
    /// All other private memory.
    pub allocator: u64,
    /// Of devices and of the kernel.
    pub other: u64,
    /// Of `allocator`, in transparent huge pages.
    pub huge: u64,
    /// Of `huge`, what holds nothing but zeros.
    pub zero: u64,
}

impl Resident {
    /// A Node.js that was built without `v8_enable_private_mapping_fork_optimization` does not mark V8's
    /// mappings: its heap is then among the allocator's.
    fn with_v8(self, heap: u64) -> Self {
        if self.v8 > 0 {
            return self;
        }
        let v8 = heap.min(self.allocator);
        Self { v8, allocator: self.allocator - v8, ..self }
    }

    fn total(&self) -> u64 {
        let Self { v8, wasm, stacks, code, files, shared, allocator, other, .. } = *self;
        v8 + wasm + stacks + code + files + shared + allocator + other
    }
}

const ONLY_INSPECT: &str = "inside `unattributed`: inspect() tells it apart";

/// For the JavaScript thread: from counters alone.
pub fn from_counters(process: &Process, v8: &V8, held: &Held) -> Ledger {
    let (Ok(rss), Ok(anon), Ok(file), Ok(shmem)) = (process.rss, process.anon, process.file, process.shmem)
    else {
        return Ledger { rss: process.rss.ok(), parts: Parts::unknown("the kernel does not split RSS here") };
    };
    let mut parts = Parts::unknown(ONLY_INSPECT);
    let heap = v8.heap.min(anon);
    parts.v8_heap = Part::new(heap, Accuracy::Estimate, "total_physical_size of this thread's isolate");
    parts.code = Part::new(file, Accuracy::Bound, "RssFile: code and all other mapped files");
    parts.mapped_files = Part::unknown("inside `code`: inspect() tells it apart");
    parts.shared = Part::new(shmem, Accuracy::Exact, "RssShmem");
    split(&mut parts, anon - heap, &Told::new(v8, 0), held);
    parts.close(rss, "RSS minus all other parts: stacks, libraries' variables, other threads' heaps")
}

/// For other threads: from the kernel's count of every mapping.
pub fn from_mappings(resident: &Resident, v8: &V8, held: &Held) -> Ledger {
    let mut parts = Parts::unknown(ONLY_INSPECT);
    if resident.v8 > 0 {
        (parts.v8_heap, parts.v8_workers) = heaps(resident.v8, v8);
    }
    let resident = &resident.with_v8(v8.heap);
    if parts.v8_heap.bytes.is_none() {
        parts.v8_heap = Part::new(
            resident.v8,
            Accuracy::Estimate,
            "total_physical_size: V8 does not mark its mappings here",
        );
        parts.v8_workers =
            Part::unknown("inside `native` or `unattributed`: V8 does not mark its mappings here");
    }
    let mappings = |bytes, source| Part::new(bytes, Accuracy::Exact, source);
    parts.code =
        mappings(resident.code, "smaps: files that are mapped executable somewhere, and their variables");
    parts.mapped_files = mappings(resident.files, "smaps: all other mapped files");
    parts.shared = mappings(resident.shared, "smaps: shared mappings without a file");
    parts.stacks = mappings(resident.stacks, "smaps: [stack], and mappings above a guard page");
    let zero = resident.zero.min(resident.huge).min(resident.allocator);
    let left = split(&mut parts, resident.allocator - zero, &Told::new(v8, resident.wasm), held);
    if let Some(bytes) = &mut parts.buffers.bytes {
        *bytes += resident.wasm;
    }
    parts.huge_page_slack = match resident.huge {
        0 => Part::new(0, Accuracy::Exact, "smaps: no AnonHugePages in the allocator's memory"),
        huge => Part::new(
            zero + left.min(huge - zero),
            Accuracy::Estimate,
            "smaps: AnonHugePages beyond what the allocator counts, and what of a sample of them is zeros",
        ),
    };
    parts.close(
        resident.total(),
        "smaps: private memory beyond what the allocator counts, and the kernel's own",
    )
}

/// V8's mappings, which are those of all isolates, and of pages that it keeps for later.
fn heaps(resident: u64, v8: &V8) -> (Part, Part) {
    const ALL: &str = "smaps: V8's mappings (VmFlags dc)";
    const MINUS: &str = "smaps: V8's mappings (VmFlags dc), minus `v8Workers`";
    let own = v8.heap.min(resident);
    let told: u64 = v8.workers.iter().map(|worker| worker.heap).sum();
    let (workers, mut part) = if v8.other_isolates == 0 {
        (0, Part::unknown("no worker thread was seen; were there one, it would be inside `v8Heap`"))
    } else if v8.workers.len() < v8.other_isolates {
        let rest = resident - own;
        (
            rest,
            Part::new(
                rest,
                Accuracy::Bound,
                "smaps: V8's mappings beyond this isolate's total_physical_size",
            ),
        )
    } else {
        let workers = told.min(resident - own);
        (workers, Part::new(workers, Accuracy::Estimate, "total_physical_size of each worker's isolate"))
    };
    let share = |worker: &Worker| Share { name: worker.name.clone(), bytes: worker.heap };
    part.of = shares(workers, v8.workers.iter().map(share).collect());
    let heap = resident - workers;
    let source = if workers == 0 { ALL } else { MINUS };
    let accuracy = if workers == 0 { Accuracy::Exact } else { Accuracy::Estimate };
    let mut own = Part::new(heap, accuracy, source);
    own.of = shares(heap, v8.spaces.clone());
    let in_spaces: u64 = own.of.iter().map(|space| space.bytes).sum();
    own.of.push(Share { name: "kept by V8 for later".to_owned(), bytes: heap - in_spaces });
    (own, part)
}

/// V8's own figures of a part count pages that the kernel has taken back: together they are no more than `bytes`.
fn shares(bytes: u64, mut told: Vec<Share>) -> Vec<Share> {
    let total: u128 = told.iter().map(|share| u128::from(share.bytes)).sum();
    if total > u128::from(bytes) {
        for share in &mut told {
            share.bytes = fraction(share.bytes, bytes, total);
        }
    }
    told
}

/// `part` of `total`, of `whole` instead. Never more than the part, where `whole` is no more than `total`.
fn fraction(part: u64, whole: u64, total: u128) -> u64 {
    u64::try_from(u128::from(part) * u128::from(whole) / total).unwrap_or(part)
}

/// Splits the allocator's room; answers what is left of it.
fn split(parts: &mut Parts, room: u64, told: &Told, held: &Held) -> u64 {
    match *held {
        Held::Counted(counted) => counted_parts(parts, room, told, counted),
        Held::Walked(walked) => walked_parts(parts, room, told, walked),
        Held::Free { live, free } => free_parts(parts, room, told, live, free),
        Held::Unknown => unknown_parts(parts, room, told),
    }
}

/// Who V8 was told owns native memory, WebAssembly's left out: that has mappings of its own.
struct Told {
    buffers: Option<u64>,
    external: u64,
}

impl Told {
    fn new(v8: &V8, wasm: u64) -> Self {
        let workers: u64 = v8.workers.iter().map(|worker| worker.external).sum();
        // V8 does not count SharedArrayBuffers as external, and Node.js does not count WebAssembly as
        // ArrayBuffers: either can exceed the other.
        let external = v8.external.saturating_sub(v8.array_buffers.unwrap_or(0)).saturating_sub(wasm);
        Self { buffers: v8.array_buffers.map(|own| own + workers), external }
    }

    /// Without what nobody has written to yet, where more Buffers were told of than there is memory in use.
    fn touched(&self, walked: &Walked) -> Self {
        let touched =
            |bytes: u64| if bytes > walked.live { bytes.saturating_sub(walked.untouched) } else { bytes };
        Self { buffers: self.buffers.map(touched), external: self.external }
    }

    /// Splits live memory into Buffers, other memory that V8 was told of, and the rest.
    fn split(&self, live: u64) -> [u64; 3] {
        let buffers = self.buffers.unwrap_or(0).min(live);
        let external = self.external.min(live - buffers);
        [buffers, external, live - buffers - external]
    }
}

const BUFFERS: &str = "process.memoryUsage().arrayBuffers; workers' external memory; mappings of WebAssembly and of resizable ArrayBuffers";
const EXTERNAL: &str = "v8.getHeapStatistics().external_memory beyond ArrayBuffers";

fn live_parts(parts: &mut Parts, [buffers, external, native]: [u64; 3], told: &Told, source: &'static str) {
    parts.buffers = match told.buffers {
        Some(_) => Part::new(buffers, Accuracy::Estimate, BUFFERS),
        None => Part::unknown("inside `native`: process.memoryUsage() failed"),
    };
    parts.external = Part::new(external, Accuracy::Estimate, EXTERNAL);
    parts.native = Part::new(native, Accuracy::Estimate, source);
}

/// Fits `claims` into `room`, all by the same factor; answers what is left of the room.
fn fit<const N: usize>(room: u64, claims: [u64; N]) -> ([u64; N], u64) {
    let total: u128 = claims.iter().map(|&claim| u128::from(claim)).sum();
    if total <= u128::from(room) {
        return (claims, room - claims.iter().sum::<u64>());
    }
    // What rounding takes is a few bytes: they become `unattributed`.
    (claims.map(|claim| fraction(claim, room, total)), 0)
}

/// Of jemalloc's metadata, what hardly any page is touched of: a leaf of its radix tree, which has 2 MiB for
/// a GiB of addresses (rtree.h). It gives way before all others do.
const SPARSE: u64 = 2 << 20;
const METADATA: usize = 7;
const BUFFERS_CLAIM: usize = 0;

fn counted_parts(parts: &mut Parts, room: u64, told: &Told, counted: Counted) -> u64 {
    let [buffers, external, native] = told.split(counted.live);
    let known = |figure: Option<u64>| figure.unwrap_or(0);
    let mut claims = [
        buffers,
        external,
        native,
        known(counted.thread_caches),
        known(counted.pinned),
        known(counted.dirty),
        known(counted.muzzy),
        known(counted.metadata),
    ];
    if buffers > room {
        // Nobody has written to all of them: what is not there is Buffers, before all else.
        let excess = claims.iter().sum::<u64>() - room;
        claims[BUFFERS_CLAIM] -= excess.min(buffers);
    }
    let excess = claims.iter().sum::<u64>().saturating_sub(room);
    claims[METADATA] -= excess.min(SPARSE).min(claims[METADATA]);
    let ([buffers, external, native, caches, pinned, dirty, muzzy, metadata], left) = fit(room, claims);
    live_parts(
        parts,
        [buffers, external, native],
        told,
        "allocated, minus thread caches and what V8 was told of",
    );
    let part = |figure: Option<u64>, bytes, source| match figure {
        Some(_) => Part::new(bytes, Accuracy::Estimate, source),
        None => Part::unknown("inside `native` or `unattributed`: this allocator does not count it"),
    };
    parts.thread_caches = part(counted.thread_caches, caches, "stats().threadCaches");
    parts.pinned = part(counted.pinned, pinned, "stats().pinned");
    parts.dirty = part(counted.dirty, dirty, "stats().dirty");
    parts.muzzy = part(counted.muzzy, muzzy, "stats().muzzy");
    parts.metadata = part(counted.metadata, metadata, "stats().metadata");
    left
}

const NOT_OF_GLIBC: &str = "glibc has no such pages";
const IN_CHUNKS: &str = "inside `native`: glibc keeps its book-keeping in the chunks";
const IN_TCACHE: &str =
    "inside `native`: glibc counts what its thread caches keep as in use, 230 kB a thread at most";

fn walked_parts(parts: &mut Parts, room: u64, told: &Told, walked: Walked) -> u64 {
    let [buffers, external, native] = told.touched(&walked).split(walked.live);
    let claims = [buffers, external, native, walked.pinned, walked.dirty];
    let ([buffers, external, native, pinned, dirty], left) = fit(room, claims);
    live_parts(parts, [buffers, external, native], told, "chunks in use, minus what V8 was told of");
    let is_whole = walked.complete && claims[3..] == [pinned, dirty];
    let accuracy = if is_whole { Accuracy::Exact } else { Accuracy::Estimate };
    parts.pinned = Part::new(pinned, accuracy, "free room in pages that hold chunks in use (heap walk)");
    parts.dirty = Part::new(dirty, accuracy, "resident pages of free chunks (heap walk, pagemap)");
    parts.thread_caches = Part::unknown(IN_TCACHE);
    parts.muzzy = Part::unknown(NOT_OF_GLIBC);
    parts.metadata = Part::unknown(IN_CHUNKS);
    left
}

fn free_parts(parts: &mut Parts, room: u64, told: &Told, live: u64, free: u64) -> u64 {
    let live = live.min(room);
    let dirty = free.min(room - live);
    live_parts(parts, told.split(live), told, "uordblks + hblkhd, minus what V8 was told of");
    parts.dirty = Part::new(dirty, Accuracy::Bound, "fordblks, as far as RSS has room: `pinned` is in it");
    parts.pinned = Part::unknown("inside `dirty`: inspect() tells it apart");
    parts.thread_caches = Part::unknown(IN_TCACHE);
    parts.muzzy = Part::unknown(NOT_OF_GLIBC);
    parts.metadata = Part::unknown(IN_CHUNKS);
    room - live - dirty
}

fn unknown_parts(parts: &mut Parts, room: u64, told: &Told) -> u64 {
    live_parts(
        parts,
        told.split(room),
        told,
        "all other private memory: this allocator does not tell what is free",
    );
    parts.native.accuracy = Some(Accuracy::Bound);
    for part in
        [&mut parts.thread_caches, &mut parts.pinned, &mut parts.dirty, &mut parts.muzzy, &mut parts.metadata]
    {
        *part = Part::unknown("inside `native`: heapgap does not read this allocator");
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Absent;
    use proptest::prelude::*;

    fn sum(ledger: &Ledger) -> u64 {
        ledger.parts.all().iter().filter_map(|(_, part)| part.bytes).sum()
    }

    fn process(anon: u64, file: u64, shmem: u64) -> Process {
        Process { rss: Ok(anon + file + shmem), anon: Ok(anon), file: Ok(file), shmem: Ok(shmem), ..absent() }
    }

    fn absent() -> Process {
        Process::absent(Absent::Because("not in this test"))
    }

    const JEMALLOC: Counted = Counted {
        live: 100,
        thread_caches: Some(10),
        pinned: Some(20),
        dirty: Some(60),
        muzzy: Some(0),
        metadata: Some(10),
    };

    #[test]
    fn what_fits_is_taken_as_it_is() {
        let v8 = V8 { heap: 50, array_buffers: Some(30), external: 35, ..V8::default() };
        let resident =
            Resident { v8: 55, stacks: 3, code: 40, files: 7, allocator: 210, ..Resident::default() };
        let ledger = from_mappings(&resident, &v8, &Held::Counted(JEMALLOC));
        let parts = &ledger.parts;
        assert_eq!(parts.v8_heap.bytes, Some(55));
        assert_eq!(parts.buffers.bytes, Some(30));
        assert_eq!(parts.external.bytes, Some(5));
        assert_eq!(parts.native.bytes, Some(65));
        assert_eq!(parts.dirty.bytes, Some(60));
        assert_eq!(parts.unattributed.bytes, Some(10), "ten that nobody counts");
        assert_eq!((ledger.rss, sum(&ledger)), (Some(315), 315));
    }

    #[test]
    fn pages_never_touched_shrink_all_in_proportion() {
        let resident = Resident { allocator: 100, ..Resident::default() };
        let ledger = from_mappings(&resident, &V8::default(), &Held::Counted(JEMALLOC));
        assert_eq!(ledger.parts.dirty.bytes, Some(31));
        assert_eq!(ledger.parts.native.bytes, Some(52));
        assert_eq!(sum(&ledger), 100);
    }

    #[test]
    fn metadata_that_is_hardly_touched_gives_way_first() {
        const MIB: u64 = 1 << 20;
        let counted = Counted { live: 100 * MIB, metadata: Some(3 * MIB), ..Counted::default() };
        let resident = Resident { allocator: 101 * MIB, ..Resident::default() };
        let ledger = from_mappings(&resident, &V8::default(), &Held::Counted(counted));
        assert_eq!(ledger.parts.native.bytes, Some(100 * MIB));
        assert_eq!(ledger.parts.metadata.bytes, Some(MIB));
    }

    #[test]
    fn huge_pages_explain_what_exceeds_the_allocators_count() {
        let resident = Resident { allocator: 260, huge: 100, zero: 40, ..Resident::default() };
        let ledger = from_mappings(&resident, &V8::default(), &Held::Counted(JEMALLOC));
        assert_eq!(ledger.parts.huge_page_slack.bytes, Some(60), "40 of zeros, and 20 beyond the count");
        assert_eq!(ledger.parts.unattributed.bytes, Some(0));
    }

    #[test]
    fn a_heap_whose_mappings_are_not_marked_is_taken_at_v8s_word() {
        let v8 = V8 { heap: 30, ..V8::default() };
        let resident = Resident { allocator: 240, ..Resident::default() };
        let ledger = from_mappings(&resident, &v8, &Held::Counted(JEMALLOC));
        assert_eq!(ledger.parts.v8_heap.bytes, Some(30));
        assert_eq!(ledger.parts.unattributed.bytes, Some(10));
    }

    #[test]
    fn workers_that_do_not_answer_have_what_is_left_of_v8s_mappings() {
        let resident = Resident { v8: 100, ..Resident::default() };
        let silent = V8 { heap: 30, other_isolates: 2, ..V8::default() };
        let ledger = from_mappings(&resident, &silent, &Held::Unknown);
        assert_eq!(ledger.parts.v8_workers.bytes, Some(70));
        assert_eq!(ledger.parts.v8_workers.accuracy, Some(Accuracy::Bound));
        assert_eq!(ledger.parts.v8_heap.bytes, Some(30));
    }

    #[test]
    fn workers_that_answer_have_what_they_said_and_their_buffers() {
        let worker = |name: &str| Worker { name: name.to_owned(), heap: 20, external: 15 };
        let workers = vec![worker("worker 1"), worker("worker 2")];
        let v8 =
            V8 { heap: 30, array_buffers: Some(5), external: 5, workers, other_isolates: 2, ..V8::default() };
        let resident = Resident { v8: 100, allocator: 200, ..Resident::default() };
        let ledger = from_mappings(&resident, &v8, &Held::Counted(JEMALLOC));
        assert_eq!(ledger.parts.v8_workers.bytes, Some(40));
        assert_eq!(ledger.parts.v8_heap.bytes, Some(60), "with pages that V8 keeps");
        assert_eq!(ledger.parts.buffers.bytes, Some(35));
    }

    #[test]
    fn what_v8_overstates_is_not_more_than_its_part() {
        let space = |bytes| Share { name: "space".to_owned(), bytes };
        let worker = Worker { name: "worker 1".to_owned(), heap: 60, external: 0 };
        let spaces = vec![space(30), space(50)];
        let v8 = V8 { heap: 80, spaces, workers: vec![worker], other_isolates: 1, ..V8::default() };
        let resident = Resident { v8: 100, ..Resident::default() };
        let Parts { v8_heap, v8_workers, .. } = from_mappings(&resident, &v8, &Held::Unknown).parts;
        for part in [v8_heap, v8_workers] {
            let sum: u64 = part.of.iter().map(|share| share.bytes).sum();
            assert!(part.bytes.is_some_and(|bytes| sum <= bytes), "{part:?}");
        }
    }

    #[test]
    fn webassembly_is_a_buffer_with_mappings_of_its_own() {
        let v8 = V8 { array_buffers: Some(10), external: 110, ..V8::default() };
        let resident = Resident { wasm: 100, allocator: 200, ..Resident::default() };
        let ledger = from_mappings(&resident, &v8, &Held::Counted(JEMALLOC));
        assert_eq!(ledger.parts.buffers.bytes, Some(110));
        assert_eq!(ledger.parts.external.bytes, Some(0), "what V8 was told of it is not counted twice");
    }

    #[test]
    fn a_walked_heap_is_what_the_kernel_has() {
        let walked = Walked { live: 50, pinned: 20, dirty: 25, untouched: 0, complete: true };
        let of = |allocator: u64, walked: Walked| {
            let resident = Resident { allocator, ..Resident::default() };
            from_mappings(&resident, &V8::default(), &Held::Walked(walked)).parts
        };
        let parts = of(100, walked);
        assert_eq!(parts.dirty.bytes, Some(25));
        assert_eq!(parts.unattributed.bytes, Some(5));
        assert_eq!(parts.thread_caches.bytes, None);
        let accuracies = |parts: Parts| [parts.pinned.accuracy, parts.dirty.accuracy];
        assert_eq!(accuracies(parts), [Some(Accuracy::Exact); 2]);
        let estimates = [Some(Accuracy::Estimate); 2];
        assert_eq!(accuracies(of(90, walked)), estimates, "made to fit");
        assert_eq!(accuracies(of(100, Walked { complete: false, ..walked })), estimates, "of some arenas");
    }

    #[test]
    fn buffers_that_nobody_wrote_to_do_not_hide_native_memory() {
        let v8 = V8 { array_buffers: Some(1005), external: 1005, ..V8::default() };
        let resident = Resident { allocator: 100, ..Resident::default() };
        let buffers_and_native = |held: &Held| {
            let Parts { buffers, native, .. } = from_mappings(&resident, &v8, held).parts;
            (buffers.bytes, native.bytes)
        };
        let walked = Walked { live: 90, pinned: 10, dirty: 0, untouched: 1000, complete: true };
        assert_eq!(buffers_and_native(&Held::Walked(walked)), (Some(5), Some(85)));
        let counted = Counted { live: 1090, pinned: Some(10), ..Counted::default() };
        assert_eq!(buffers_and_native(&Held::Counted(counted)), (Some(5), Some(85)));
    }

    #[test]
    fn counters_that_do_not_know_what_is_resident_are_a_bound() {
        let v8 = V8 { heap: 30, array_buffers: Some(10), external: 10, ..V8::default() };
        let held = Held::Free { live: 40, free: 100 };
        let ledger = from_counters(&process(120, 40, 2), &v8, &held);
        assert_eq!(ledger.parts.dirty.bytes, Some(50));
        assert_eq!(ledger.parts.pinned.bytes, None);
        assert_eq!(ledger.parts.native.bytes, Some(30));
        assert_eq!(ledger.parts.shared.bytes, Some(2));
        assert_eq!((ledger.rss, sum(&ledger)), (Some(162), 162));
    }

    #[test]
    fn without_the_kernels_split_no_part_is_known() {
        let known = Process { rss: Ok(100), ..absent() };
        let ledger = from_counters(&known, &V8::default(), &Held::Unknown);
        assert_eq!((ledger.rss, sum(&ledger)), (Some(100), 0));
        assert!(ledger.parts.all().iter().all(|(_, part)| part.accuracy.is_none()));
    }

    fn bytes() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..1000u64, 0..(1u64 << 40)]
    }

    fn figure() -> impl Strategy<Value = Option<u64>> {
        proptest::option::of(bytes())
    }

    prop_compose! {
        fn counted()(live in bytes(), [thread_caches, pinned, dirty, muzzy, metadata] in
            [figure(), figure(), figure(), figure(), figure()]) -> Held {
            Held::Counted(Counted { live, thread_caches, pinned, dirty, muzzy, metadata })
        }
    }

    fn held() -> impl Strategy<Value = Held> {
        prop_oneof![
            counted(),
            [bytes(), bytes(), bytes()].prop_map(|[live, pinned, dirty]| Held::Walked(Walked {
                live,
                pinned,
                dirty,
                untouched: dirty,
                complete: true,
            })),
            [bytes(), bytes()].prop_map(|[live, free]| Held::Free { live, free }),
            Just(Held::Unknown),
        ]
    }

    prop_compose! {
        fn v8()(heap in bytes(), array_buffers in figure(), external in bytes(),
            workers in proptest::collection::vec((bytes(), bytes()), 0..4), more in 0usize..3) -> V8 {
            let other_isolates = workers.len() + more;
            let worker = |(heap, external)| Worker { name: "worker".to_owned(), heap, external };
            let workers = workers.into_iter().map(worker).collect();
            V8 { heap, array_buffers, external, workers, other_isolates, ..V8::default() }
        }
    }

    proptest! {
        #[test]
        fn parts_always_sum_to_rss(v8 in v8(), held in held(), kinds in [bytes(), bytes(), bytes(),
            bytes(), bytes(), bytes(), bytes(), bytes(), bytes()]) {
            let [v8_pages, wasm, stacks, code, files, shared, allocator, huge, zero] = kinds;
            let resident =
                Resident { v8: v8_pages, wasm, stacks, code, files, shared, allocator, other: 7, huge, zero };
            let ledger = from_mappings(&resident, &v8, &held);
            prop_assert_eq!(ledger.rss, Some(resident.total()));
            prop_assert_eq!(sum(&ledger), resident.total());
            let ledger = from_counters(&process(allocator, files, shared), &v8, &held);
            prop_assert_eq!(sum(&ledger), allocator + files + shared);
        }
    }
}

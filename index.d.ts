/**
 * heapgap shows, explains and closes the gap between a process's RSS and its JavaScript heap.
 *
 * Bytes are numbers. A figure that cannot be had is `null`, never 0, and `notes` says why.
 */

import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** The allocators that heapgap tells apart. */
export type AllocatorName =
  | 'jemalloc'
  | 'glibc'
  | 'mimalloc'
  | 'tcmalloc'
  | 'musl'
  | 'asan'
  | 'unknown';

/** Why a figure is missing. */
export interface Note {
  /** The path of the figure in the object that holds the note; `*` for all of them. */
  readonly field: string;
  readonly reason: string;
}

/** Who serves `malloc` in this process, proven by its behaviour. */
export interface Allocator {
  name: AllocatorName;
  /** The allocator's own version string, such as `5.3.1-0-g81034ce…` or `2.36`. */
  version: string | null;
  /** The file that serves `malloc_usable_size`, and so `malloc`. */
  library: string | null;
  /**
   * What was observed, one sentence each, in the order it was observed; then, what a look of less than
   * a millisecond finds wrong with `LD_PRELOAD` and `MALLOC_CONF`. `doctor()` looks closer.
   */
  evidence: string[];
  /** What heapgap can do with this allocator. */
  capabilities: {
    /** `stats()` has figures of the allocator's own, some at least. */
    stats: boolean;
    /** `purge()` makes it give memory back. */
    purge: boolean;
  };
}

/**
 * The allocator's figures in bytes, in jemalloc's terms, whichever allocator it is.
 *
 * On jemalloc and tcmalloc `resident = metadata + active + dirty` and `active = allocated + pinned`; these
 * hold nearly, because neither stops the process while it counts.
 */
export interface AllocatorFigures {
  /**
   * Handed out to the program and not freed. jemalloc: `stats.allocated`, which includes
   * `threadCaches`. glibc: `uordblks + hblkhd`, which includes what its thread caches keep. tcmalloc:
   * `generic.current_allocated_bytes + threadCaches`. mimalloc does not count it in a release build.
   */
  allocated: number | null;
  /**
   * In pages that hold at least one live object. jemalloc: `stats.active`. tcmalloc:
   * `generic.heap_size` without its free and its unmapped pages.
   */
  active: number | null;
  /**
   * In pages that were freed and not given back yet; a purge returns them. jemalloc:
   * `stats.arenas.4096.pdirty × arenas.page`. tcmalloc: `tcmalloc.pageheap_free_bytes`. Counts pages
   * that were never touched too.
   */
  dirty: number | null;
  /**
   * In pages that were given back lazily (`MADV_FREE`) and that the kernel may still count in RSS.
   * jemalloc: `stats.arenas.4096.pmuzzy × arenas.page`.
   */
  muzzy: number | null;
  /**
   * The allocator's own book-keeping. jemalloc: `stats.metadata`. tcmalloc: what
   * `generic.total_physical_bytes` has beside the heap.
   */
  metadata: number | null;
  /**
   * What the allocator holds in physical memory at the most: pages never touched count too, so it
   * can exceed RSS. jemalloc: `stats.resident`. tcmalloc: `generic.total_physical_bytes`. mimalloc:
   * what it has committed, from 2.1.2 on; some of its versions commit a GiB at start, and touch little.
   */
  resident: number | null;
  /**
   * Address space in use. jemalloc: `stats.mapped`. glibc: `arena + hblkhd`, resident or not. tcmalloc:
   * `generic.heap_size − retained`.
   */
  mapped: number | null;
  /**
   * Address space kept for later, without memory behind it. jemalloc: `stats.retained`. tcmalloc:
   * `tcmalloc.pageheap_unmapped_bytes`.
   */
  retained: number | null;
  /**
   * `active − allocated`: what live objects keep in their pages; no purge can return it. tcmalloc:
   * `tcmalloc.central_cache_free_bytes`.
   */
  pinned: number | null;
  /**
   * Freed objects that threads keep for themselves. jemalloc: `stats.arenas.4096.tcache_bytes`. tcmalloc:
   * `tcmalloc.thread_cache_free_bytes + tcmalloc.transfer_cache_free_bytes`.
   */
  threadCaches: number | null;
  /**
   * In free chunks, **resident or not**. glibc: `fordblks`. A trim returns their pages and leaves
   * this as it was: it is not what a trim would release.
   */
  free: number | null;
  /** A count. jemalloc: `arenas.narenas`, the room for arenas, not all of them in use. */
  arenas: number | null;
  /** A count. jemalloc: `stats.background_thread.num_threads`; 0 when they are off. */
  backgroundThreads: number | null;
  /**
   * How old the figures are, in milliseconds: 0 and a bit, or up to `maxAgeMs`, or more where a
   * refresh takes more than 1 ms (jemalloc with hundreds of arenas, glibc with a much fragmented
   * heap). Then another thread refreshes for the next call, no more than a thousandth of the time:
   * one that takes 5 ms, every 5 s.
   */
  ageMs: number | null;
}

/** What `stats()` answers. */
export interface AllocatorStats extends AllocatorFigures {
  allocator: AllocatorName;
  notes: readonly Note[];
}

/** What the kernel counts for the process, from `/proc/self/status`. Bytes, but for `threads` and `fds`. */
export interface ProcessMemory {
  /** Resident set size, `VmRSS` = `anon + file + shmem`. Without an addon: Node.js's figure. */
  rss: number | null;
  /** Heaps, stacks and allocators, `RssAnon`. */
  anon: number | null;
  /** Mapped files, `RssFile`: code, mostly; the kernel can drop and read them again. */
  file: number | null;
  /** Shared memory, `RssShmem`. */
  shmem: number | null;
  /** The highest RSS so far, `VmHWM`. */
  peak: number | null;
  /** Anonymous memory swapped out, `VmSwap`. */
  swap: number | null;
  /** The number of threads, `Threads`. */
  threads: number | null;
  /**
   * Open file descriptors: the size of `/proc/self/fd`, which kernels before 6.2 do not tell; `inspect()`
   * counts them there.
   */
  fds: number | null;
}

/** One of V8's heap spaces, in bytes; see `v8.getHeapSpaceStatistics()`. */
export interface HeapSpace {
  name: string;
  size: number;
  used: number;
  available: number;
  physical: number;
}

/** V8's heap, and what Node.js counts beside it, in bytes. This thread's isolate only. */
export interface V8Memory {
  /** `process.memoryUsage().heapTotal`. */
  heapTotal: number;
  /** `process.memoryUsage().heapUsed`. */
  heapUsed: number;
  /** Where V8 gives up, `v8.getHeapStatistics().heap_size_limit`. */
  heapLimit: number;
  /** The heap's pages in physical memory, `total_physical_size`; the heap's part in `gap`. */
  heapPhysical: number;
  /** `total_heap_size_executable`. */
  heapExecutable: number;
  /** Memory of C++ objects bound to JavaScript ones, `process.memoryUsage().external`. */
  external: number;
  /**
   * Of that, Buffers and ArrayBuffers, `process.memoryUsage().arrayBuffers`; `null` where that call
   * fails, as it does when no descriptor is left.
   */
  arrayBuffers: number | null;
  /** What V8 itself has allocated with `malloc`, `malloced_memory`. */
  malloced: number;
  /** Its highest value so far, `peak_malloced_memory`. */
  mallocedPeak: number;
  /** `total_global_handles_size`. */
  globalHandles: number;
  /** A count; one that grows is a leak, `number_of_native_contexts`. */
  nativeContexts: number;
  /** A count; above 0 for long is a leak, `number_of_detached_contexts`. */
  detachedContexts: number;
  spaces: HeapSpace[];
}

/** A line of pressure stall information; the kernel's accounting/psi.rst. */
export interface Stall {
  /** Share of the last 10 s, in percent. */
  avg10: number;
  /** Share of the last 60 s, in percent. */
  avg60: number;
  /** Share of the last 300 s, in percent. */
  avg300: number;
  /** Since the start. */
  totalMs: number;
}

/**
 * The memory cgroup that limits the process, version 1 or 2: the process's own group, or the group
 * around it that has the lowest limit. Bytes, but for `oomKills` and `pressure`.
 */
export interface Cgroup {
  /** `null` outside of a memory cgroup. */
  version: 1 | 2 | null;
  /** The group's path below its mount. */
  path: string | null;
  /** The lowest hard limit in force; `null` with a note where there is none. */
  limit: number | null;
  /** `memory.high`: where the kernel starts to throttle (version 2); the lowest in force. */
  high: number | null;
  /** All that is charged to the group, page cache included. */
  usage: number | null;
  /** Of that, what the kernel drops before it kills: page cache, and reclaimable slab (version 2). */
  reclaimable: number | null;
  /** `usage − reclaimable`: what has to fit under the limit. */
  unreclaimable: number | null;
  /** The highest `usage` so far. */
  peak: number | null;
  /**
   * A count: processes that the OOM killer ended in this process's own group, in version 2 also in the
   * groups inside it.
   */
  oomKills: number | null;
  /**
   * Time that tasks waited for memory. `of` says whose: version 1 groups have no figures of their
   * own, so the machine's are given.
   */
  pressure: { of: 'cgroup' | 'system'; some: Stall; full: Stall } | null;
}

/** What is known of one instant. */
export interface Snapshot {
  /** When, in milliseconds since the epoch. */
  time: number;
  pid: number;
  process: ProcessMemory;
  v8: V8Memory;
  allocator: Pick<Allocator, 'name' | 'version' | 'library'> & AllocatorFigures;
  cgroup: Cgroup;
  /** What keeps the event loop alive, counted by type (`process.getActiveResourcesInfo()`). */
  resources: Record<string, number> | null;
  /**
   * `process.rss − v8.heapPhysical`: all resident memory outside of this thread's V8 heap. That is
   * mapped files (code, mostly: about 45 MB of any Node.js process), what the allocator holds
   * (Buffers among it), other threads' heaps, and stacks. Negative where V8 counts pages that the
   * kernel took back.
   */
  gap: number | null;
  /** RSS by parts, as far as a synchronous call can tell; `inspect()` tells more. */
  ledger: Ledger;
  /** What the governor sees and has done; `null` where `govern()` was never called in this process. */
  governor: GovernorFigures | null;
  notes: readonly Note[];
}

/** The parts that RSS is split into; docs/diagnosis.md explains each. */
export type LedgerPartName =
  /** This thread's V8 heap: pages of it that are in physical memory. */
  | 'v8Heap'
  /** The V8 heaps of worker threads. */
  | 'v8Workers'
  /** Buffers and ArrayBuffers, WebAssembly memory among them, of all threads that could be asked. */
  | 'buffers'
  /** Other memory of C++ objects that V8 was told of (`external − arrayBuffers`). */
  | 'external'
  /** Handed out by `malloc`, not freed, and none of the above: addons, Node.js and its libraries. */
  | 'native'
  /** Freed objects that threads keep for themselves. */
  | 'threadCaches'
  /** Free room in pages that live objects hold: no purge can return it. */
  | 'pinned'
  /** Freed pages, still resident: a purge returns them. */
  | 'dirty'
  /** Freed pages that the kernel may take (`MADV_FREE`), still in RSS. */
  | 'muzzy'
  /** The allocator's own book-keeping. */
  | 'metadata'
  /** Programs and libraries: code, their constants and variables. */
  | 'code'
  /** Other files mapped into memory. */
  | 'mappedFiles'
  /** Memory shared with other processes, or that could be: `RssShmem`. */
  | 'shared'
  /** The threads' stacks. */
  | 'stacks'
  /** What transparent huge pages made resident that nobody needs. */
  | 'hugePageSlack'
  /** The rest, so that the sum is RSS. */
  | 'unattributed';

/** One part of RSS. */
export interface LedgerPart {
  /** `null` where it cannot be told apart; it is then inside the part that `source` names. */
  bytes: number | null;
  /**
   * `exact`: counted by the kernel page by page. `bound`: no more than this. `estimate`: from figures
   * that count something else as well, such as pages that were never touched.
   */
  accuracy: 'exact' | 'bound' | 'estimate' | null;
  /** Where it comes from; where `bytes` is `null`, why. */
  source: string;
  /** What it consists of: V8's heap spaces, the worker threads. Not everything need be in it. */
  of?: { name: string; bytes: number }[];
}

/** RSS, split into parts. They sum to `rss` exactly; none is negative, nothing is counted twice. */
export interface Ledger {
  /** `null` where the kernel did not say; all parts are then `null`. */
  rss: number | null;
  parts: Record<LedgerPartName, LedgerPart>;
}

/** Memory mappings of one kind, summed up, in bytes. */
export interface MappingKind {
  /** `wasm`: WebAssembly memory, and ArrayBuffers with a `maxByteLength` that they have not grown to. */
  kind: 'v8' | 'wasm' | 'allocator' | 'stack' | 'code' | 'file' | 'shared' | 'other';
  /** How many mappings. */
  count: number;
  /** Address space. */
  size: number;
  rss: number;
  /** Of `rss`: private pages that no file backs. */
  anonymous: number;
  /** Of `rss`: in transparent huge pages, `AnonHugePages`. */
  hugePages: number;
  /** Of `rss`: the kernel may take these (`MADV_FREE`). */
  lazyFree: number;
  swap: number;
}

/** One arena of the allocator. Bytes, but for `index`, `threads` and the decay times. */
export interface ArenaFigures {
  index: number;
  threads: number | null;
  allocated: number | null;
  active: number | null;
  dirty: number | null;
  muzzy: number | null;
  pinned: number | null;
  metadata: number | null;
  mapped: number | null;
  retained: number | null;
  /** By the kernel's count (glibc). */
  resident: number | null;
  /** In free chunks, resident or not (glibc). */
  free: number | null;
  /** jemalloc: `arena.<i>.dirty_decay_ms`; −1 for never. */
  dirtyDecayMs: number | null;
  /** jemalloc: `arena.<i>.muzzy_decay_ms`; −1 for never. */
  muzzyDecayMs: number | null;
}

/** One of the allocator's size classes, with something in it. */
export interface SizeClass {
  /**
   * Bytes of one object; of a free chunk, and of a large object under jemalloc 5.3.1, which rounds
   * those up to whole pages alone, the largest in this row.
   */
  size: number;
  /** `small` shares a slab with others, `large` has pages of its own; `free`: free chunks (glibc). */
  kind: 'small' | 'large' | 'free';
  /** How many are live; of kind `free`, how many are free. */
  count: number;
  /** `count` of them together; of large objects under jemalloc 5.3.1 no more than this. */
  bytes: number;
  /**
   * What slabs hold beyond live objects: the class's part of `pinned`. `null` for kind `free`.
   */
  waste: number | null;
}

/** A worker thread's isolate. Bytes, but for `threadId`. */
export interface WorkerMemory {
  threadId: number;
  /** The heap's pages in physical memory. */
  heapPhysical: number;
  heapUsed: number;
  heapTotal: number;
  external: number;
}

/** What `inspect()` answers: a snapshot, and all that takes too long for a synchronous call. */
export interface Inspection extends Snapshot {
  /** The address space by kind, from `/proc/self/smaps`. */
  mappings: {
    count: number;
    kinds: MappingKind[];
    /** The ten with the highest RSS. */
    largest: { kind: MappingKind['kind']; name: string; size: number; rss: number }[];
    /** `Pss` of the process: shared pages divided by the number of those who share them. */
    pss: number | null;
  } | null;
  /** The process's threads, counted by name. */
  threads: { name: string; count: number }[] | null;
  /**
   * The worker threads' isolates, of those that answered; `null` where Node.js cannot ask them
   * (`worker.getHeapStatistics()` came with 22.16 and 24). Those that were started before heapgap was
   * loaded, or by other workers, are not known.
   */
  workers: WorkerMemory[] | null;
  /** How many other isolates are known to run; that of the main thread is one, seen from a worker. */
  otherIsolates: number;
  /** jemalloc's arenas in use, or glibc's. */
  arenas: ArenaFigures[] | null;
  /** The size classes in use, the most wasteful first. */
  sizeClasses: SizeClass[] | null;
  /** For how long freed pages are kept, as is in force for arena 0; `null` but on jemalloc. */
  decay: { dirtyMs: number; muzzyMs: number; backgroundThreads: boolean } | null;
  /** jemalloc's options in force (`opt.*`); `null` but on jemalloc. */
  options: Record<string, string | number | boolean | null> | null;
  /** Transparent huge pages. */
  hugePages: {
    /** The kernel's mode; `null` where it does not say. */
    mode: string | null;
    /** `AnonHugePages` of the whole process. */
    bytes: number | null;
    /** Share of the allocator's huge pages that holds nothing but zeros, from a sample; 0 to 1. */
    zeroShare: number | null;
  };
  /** What the process has read and written through the kernel, from `/proc/self/io`. */
  io: { read: number; written: number } | null;
  /** Processor time that this inspection took, in a thread of its own, in milliseconds. */
  cpuMs: number | null;
}

/** What `watch()` is told. */
export interface WatchOptions {
  /** Between two samples, in milliseconds; 10 at the least. Default 1000. */
  intervalMs?: number | undefined;
  /**
   * How many samples are kept, 2 to 5000; older ones are dropped. Default 600. Each takes 192 bytes.
   */
  capacity?: number | undefined;
}

/** A bounded window of samples; see `watch()`. */
export interface Watch {
  /** How many samples it has. */
  readonly length: number;
  /** From the first sample to the last, in milliseconds. */
  readonly durationMs: number;
  /**
   * Takes a sample now, besides those that the timer takes. Never throws: what cannot be read is
   * missing in the sample. Does nothing after `stop()`.
   */
  sample(): void;
  /** Ends the sampling. What was sampled stays, for `diagnose({ window })`. */
  stop(): void;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

export interface GovernOptions {
  /**
   * What the process may hold, in bytes of RSS. It counts beside the limit of the memory cgroup: the fuller
   * of the two governs. Default: the cgroup's limit alone (its `memory.high` where that is lower), or the
   * machine's memory where there is none.
   */
  limit?: number | undefined;
  /**
   * From this share of the limit on there is pressure: freed pages are purged, and jemalloc's decay times are
   * tightened: to 100 ms, muzzy pages to 0. Default 0.8.
   */
  pressureMark?: number | undefined;
  /** Below this share, for `calmAfterMs`, pressure ends, and the decay settings are restored. Default 0.7. */
  calmMark?: number | undefined;
  /** How long usage has to stay below the calm mark: bursts follow each other. Default 5000. */
  calmAfterMs?: number | undefined;
  /**
   * Where this much of the limit is still used after a purge, what is left is live: the level is `limit`,
   * and `shed()` turns requests away, until usage is below the middle of this and the pressure mark. Default 0.9.
   */
  limitMark?: number | undefined;
  /**
   * Freed pages are purged when they exceed this share of the limit, pressure or not. They are purged sooner where
   * live memory, as high as it was in the last half minute, would not fit under the limit mark beside them. Default 0.2.
   * Only where the allocator counts them: jemalloc and tcmalloc.
   */
  dirtyMark?: number | undefined;
  /**
   * Without pressure, too, freed pages are purged so often, in milliseconds: a service that is never idle
   * would keep them for ever. On glibc it waits for an idle moment, for as long again. 0: never. Default 60,000.
   */
  purgeEveryMs?: number | undefined;
  /** The shortest time between two looks, near the limit, in milliseconds. Default 5. */
  minIntervalMs?: number | undefined;
  /** The longest, far from the limit. Default 1000. */
  maxIntervalMs?: number | undefined;
  /**
   * Asks V8 for a collection under pressure that a purge does not end: Buffers that nothing refers to are
   * freed by V8's garbage collector only, which does not know the limit. Collections hold the event loop for
   * as long as they take, a tenth of the time at the most, and less the less they free. Without pressure it asks
   * for a full one when the process has used at most 5 % of a CPU for five seconds, and memory in use is a tenth of
   * the limit above the least since the last collection that was asked for, or since the governor's start; again after
   * each such growth, not where others fill the group. Default false;
   * `heapgap run --govern` and `HEAPGAP_GOVERN=1` turn it on. In the thread that called `govern()`.
   */
  gc?: boolean | undefined;
  /**
   * Keeps a heap profile (pprof) when pressure begins and when the limit mark is passed: what held the native memory
   * then. It starts `profiler` with the governor, which samples all the while. Where there can be no profile,
   * `state().notes` says why. Default `false`.
   */
  profileOnPressure?: boolean | PressureProfileOptions | undefined;
}

/** Where profiles are kept, and how many. */
export interface PressureProfileOptions {
  /**
   * An absolute path, of a folder of this user's that nobody else can open; made where there is none. Default
   * `heapgap-profiles-<uid>` in the system's folder for temporary files.
   */
  directory?: string | undefined;
  /** The oldest make room beyond so many. Default 5. */
  maxFiles?: number | undefined;
  /** The oldest make room beyond so many bytes in all. Default 32 MiB. */
  maxBytes?: number | undefined;
  /** The least time between two, in milliseconds. Default 60,000. */
  minIntervalMs?: number | undefined;
  /** As in `ProfilerStartOptions`. */
  sampleBytes?: number | undefined;
}

/**
 * `calm`: below the pressure mark. `pressure`: above it, until below the calm mark. `limit`: above the limit
 * mark although purged, until below the middle of the limit mark and the pressure mark.
 */
export type GovernorLevel = 'calm' | 'pressure' | 'limit';

/** What the governor sees, as of its last look, and has done since the process started. */
export interface GovernorFigures {
  /** Whether one runs now. Where none does, the figures are those of the last. */
  running: boolean;
  /** `null` where there is no addon: nobody looks. */
  level: GovernorLevel | null;
  /** The limit that governs, in bytes. */
  limit: number | null;
  /**
   * What counts against the limit. In a cgroup, all that is charged to it without what the kernel would
   * drop before it kills (page cache, reclaimable slab); for the option `limit`, RSS; for the machine,
   * `MemTotal − MemAvailable`.
   */
  usage: number | null;
  /** Where the limit comes from. */
  limitSource: 'cgroup' | 'option' | 'machine' | null;
  /** Freed pages of this process that a purge returns, in bytes; `null` where the allocator does not count them. */
  dirty: number | null;
  /** Whether jemalloc's decay times are the governor's, not the process's own. */
  tightened: boolean;
  /** How often it has purged. */
  purges: number;
  /** By how much RSS fell in these, in bytes. */
  released: number;
  /** How long these took, in milliseconds of the governor's own thread. */
  purgeMs: number;
  /** How often pressure began or ended. */
  flips: number;
  /** How often V8 was asked for a collection. */
  collections: number;
  /** Processes that the OOM killer has ended in the process's own group since the governor was started. */
  oomKills: number | null;
}

/** What `governor.state()` answers. */
export interface GovernorState extends GovernorFigures {
  notes: readonly Note[];
}

/** What comes with every event; the figures are as in `GovernorFigures`. */
export interface GovernorEvent {
  /** When, in milliseconds since the epoch. */
  time: number;
  limit: number | null;
  usage: number | null;
}

/** One purge by the governor. */
export interface GovernorPurge extends GovernorEvent {
  /**
   * `pressure`: above the pressure mark. `dirty`: freed pages above the dirty mark. `periodic`: the last purge was
   * `purgeEveryMs` ago.
   */
  reason: 'pressure' | 'dirty' | 'periodic';
  /** As in `PurgeReport`. */
  method: PurgeReport['method'];
  rssBefore: number | null;
  rssAfter: number | null;
  released: number | null;
  durationMs: number;
}

export interface GovernorEvents {
  /** Pressure has begun: usage is above the pressure mark, or (`stall`) processes wait for memory. */
  pressure: [event: GovernorEvent & { reason: 'usage' | 'stall' }];
  /** Freed pages were given back. */
  purge: [event: GovernorPurge];
  /** Pressure is over; the decay settings are as they were. */
  calm: [event: GovernorEvent & { durationMs: number }];
  /** Usage is above the limit mark although purged: what is left is live. No event says when the level is left. */
  limit: [event: GovernorEvent];
  /** The limit was changed while the governor ran, or one governs that did not before. */
  limitChange: [event: GovernorEvent & { previous: number | null }];
  /** A profile was kept, with `profileOnPressure`; or, where `file` is `null`, why it was not. */
  profile: [event: PressureProfile];
}

/** A heap profile of a moment of pressure. */
export interface PressureProfile {
  /** When, in milliseconds since the epoch. */
  time: number;
  /** Its path; `null` where it could not be kept. */
  file: string | null;
  bytes: number | null;
  /** Why it could not be kept. */
  reason: string | null;
}

/**
 * The governor of this process; see `govern()`. Events that come faster than this thread takes them are lost
 * beyond some hundreds; the counters in `state()` are not.
 */
export interface Governor extends EventEmitter<GovernorEvents> {
  state(): GovernorState;
  /**
   * Ends it: restores the decay settings, and resolves when its thread has ended. Another may be started then.
   */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ProfilerStartOptions {
  /**
   * The mean number of bytes between two samples, from 1024 to 2^30: jemalloc takes powers of two, and the nearest is
   * taken. Only before anything was sampled in this process: jemalloc may crash where the rate changes later; a note says
   * so then, and the rate stays. Default: as it is, which is 524,288 at first.
   */
  sampleBytes?: number | undefined;
}

/** What the profiler does now. */
export interface ProfilerState {
  active: boolean;
  sampleBytes: number;
  /** Why stacks end where JavaScript begins, or why `sampleBytes` is not the one asked for, if that is so. */
  notes: readonly Note[];
}

export interface ProfilerDumpOptions {
  /**
   * `pprof`: a gzipped protocol buffer, for pprof, Go's tools, Pyroscope, Parca and others. `flamegraph`: an SVG by itself.
   * `jeheap`: jemalloc's own text, for jeprof. Default `pprof`.
   */
  format?: 'pprof' | 'flamegraph' | 'jeheap' | undefined;
}

export interface ProfileOptions extends ProfilerStartOptions {
  /** How long, from above 0. Default 30. */
  seconds?: number | undefined;
  /** As in `ProfilerDumpOptions`. Default `pprof`. */
  format?: 'pprof' | 'flamegraph' | undefined;
  /** Ends it at once; it rejects with the signal's reason in an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/**
 * jemalloc's heap profiler: the stacks, native and JavaScript, of a sample of the native memory that is allocated while it is
 * active and not freed yet. Bytes and objects are estimates from that sample: what was allocated before is not seen, nor
 * is V8's heap, which does not come from `malloc`. docs/profiling.md says what is exact, sampled and not seen.
 *
 * All calls reject with `ERR_HEAPGAP_PROFILER_UNAVAILABLE` where `available` is false, with `ERR_HEAPGAP_PROFILER` where jemalloc or
 * the kernel refuses, and with a TypeError or RangeError for a bad option.
 */
export interface Profiler {
  /** Whether there can be a profile in this process: jemalloc is live, with profiling built in and asked for at start. */
  readonly available: boolean;
  /** Why there can be none, and what to do; `null` where there can. */
  readonly why: string | null;
  /** Whether samples are taken now, by whoever has started it. */
  readonly active: boolean;
  /** The mean number of bytes between two samples; `null` where there can be no profile. */
  readonly sampleBytes: number | null;
  /** Takes samples from now on. */
  start(options?: ProfilerStartOptions): Promise<ProfilerState>;
  /** Takes no more. What was sampled stays until it is freed or reset. */
  stop(): Promise<void>;
  /**
   * From now on `dump()` shows what has grown since: what was sampled after this and is live, less what is freed of samples
   * from before. jemalloc's own text (`jeheap`) has it all still.
   */
  reset(): Promise<void>;
  /** What was sampled since the last reset and is still live; off the JavaScript thread. */
  dump(options?: ProfilerDumpOptions): Promise<Buffer>;
  /**
   * What grows within some seconds: what was allocated in them and is still live, less what was freed of samples from before.
   * Starts the profiler for that long where it is not active. One at a time: rejects with `ERR_HEAPGAP_BUSY` else.
   * It does not keep the process alive.
   */
  profile(options?: ProfileOptions): Promise<Buffer>;
}

/** The names and meanings of @fastify/under-pressure, where it has them. A threshold of 0 is none. */
export interface ShedOptions {
  /** Seconds, for the header `Retry-After`. Default 10. */
  retryAfter?: number | undefined;
  /** The message of the answer. Default `Service Unavailable`. */
  message?: string | undefined;
  /** The event loop's delay in milliseconds above which requests are turned away. Default 0. */
  maxEventLoopDelay?: number | undefined;
  /** The event loop's utilization, 0 to 1, above which requests are turned away. Default 0. */
  maxEventLoopUtilization?: number | undefined;
  /** V8's used heap in bytes above which requests are turned away. Default 0. */
  maxHeapUsedBytes?: number | undefined;
  /** RSS in bytes above which the process is purged; where that does not help, requests are turned away. Default 0. */
  maxRssBytes?: number | undefined;
  /** How often the numbers above are taken, in milliseconds. Default 1000. */
  sampleInterval?: number | undefined;
}

/** The numbers that @fastify/under-pressure calls `memoryUsage()`, and the governor's. */
export interface ShedFigures {
  /** In milliseconds, the mean between the last two samples; `null` without `maxEventLoopDelay`. */
  eventLoopDelay: number | null;
  /** 0 to 1, between the last two samples; `null` without `maxEventLoopUtilization`. */
  eventLoopUtilized: number | null;
  /** Read when called, as `rssBytes` is: they need no sample. */
  heapUsed: number | null;
  rssBytes: number | null;
  /** Why requests are turned away now; `null` where they are not. */
  shedding: ShedReason | null;
  /** How many were. */
  shed: number;
  governor: GovernorFigures | null;
}

/** `limit` is the governor's level; the others are the thresholds of `shed()`. */
export type ShedReason =
  | 'limit'
  | 'eventLoopDelay'
  | 'eventLoopUtilization'
  | 'heapUsedBytes'
  | 'rssBytes';

/** A middleware for Express, Connect and node:http, and an `onRequest` hook for Fastify. */
export interface Shed {
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's request and reply are no types of this package.
  (request: any, response: any, next: (error?: any) => void): void;
  memoryUsage(): ShedFigures;
  /** Ends the sampling; from then on nothing is turned away. */
  stop(): void;
}

/** What `diagnose()` can find; docs/diagnosis.md explains each. */
export type DiagnosisCode =
  | 'healthy'
  | 'js-heap'
  | 'external-buffers'
  | 'native-live'
  | 'retention'
  | 'pinned-fragmentation'
  | 'too-many-arenas'
  | 'thread-caches'
  | 'huge-pages'
  | 'decay-not-running'
  | 'handles-growing'
  | 'page-cache'
  | 'mapped-files'
  | 'stacks'
  | 'limit-too-tight'
  | 'not-live'
  | 'insufficient-data';

/** A figure that a finding rests on. */
export interface DiagnosisEvidence {
  /** Such as `ledger.dirty` or `heap growth`. */
  metric: string;
  value: number | string | null;
  unit: 'bytes' | 'bytes/s' | 'count' | 'count/s' | 'ms' | 'ratio' | 'text';
  /** What it was compared with; `null` where it stands for itself. */
  threshold: number | string | null;
  /** Which key, file or call it was read from. */
  source: string;
}

/** One cause. */
export interface DiagnosisFinding {
  code: DiagnosisCode;
  /** How much of RSS, or of what is charged to the cgroup, it explains. */
  bytes: number | null;
  /**
   * `critical`: it leads to the OOM killer soon. `warning`: it grows, or wastes what could be had back.
   * `info`: it is what RSS consists of.
   */
  severity: 'critical' | 'warning' | 'info';
  /** One sentence. */
  summary: string;
  evidence: DiagnosisEvidence[];
  /** What to do, the most useful first. */
  actions: string[];
}

/** One step of an experiment: what was measured after it. Bytes, but for `durationMs`. */
export interface ExperimentStep {
  step: 'start' | 'gc' | 'purge';
  rss: number | null;
  heapUsed: number;
  arrayBuffers: number | null;
  allocated: number | null;
  pinned: number | null;
  durationMs: number;
}

/** What `diagnose({ experiment: true })` found out by trying. Bytes. */
export interface Experiment {
  steps: ExperimentStep[];
  /** What a garbage collection freed: JavaScript objects, and Buffers with them. */
  garbage: number | null;
  /** What the purge was expected to take off RSS, from the ledger before it. */
  predicted: number | null;
  /** What it took off RSS; negative where the process grew meanwhile. */
  released: number | null;
  /** `pinned` after both. */
  pinned: number | null;
  /** Live after both: V8's heap in use, and what the allocator has handed out. */
  live: number | null;
}

/** What `diagnose()` is told. */
export interface DiagnoseOptions {
  /**
   * Collects garbage and purges, and measures what each gave back. V8 collects twice, and holds the event
   * loop each time: about 100 ms for each 100 MB of live heap. Needs no `--expose-gc`, and leaves no
   * `gc` behind. Concurrent ones share one. Default `false`: nothing is changed.
   */
  experiment?: boolean | undefined;
  /** The samples to judge growth by. Default: the running watch with the longest window. */
  window?: Watch | undefined;
}

/** What `diagnose()` answers. */
export interface Diagnosis {
  /** The code of the finding that matters most; `healthy` where there is none. */
  verdict: DiagnosisCode;
  /** Two sentences for whoever is on call. */
  summary: string;
  /** The one that matters most first. */
  findings: DiagnosisFinding[];
  ledger: Ledger;
  /** What growth was judged by; `samples` is 0 where nobody watched. */
  window: { samples: number; durationMs: number };
  experiment?: Experiment;
}

export interface StatsOptions {
  /**
   * Figures read at most this many milliseconds ago may be given again, in any thread of the
   * process. Default 0: read now.
   */
  maxAgeMs?: number | undefined;
}

export interface SnapshotOptions {
  /** As for `stats()`; holds for the cgroup's figures and for `v8.arrayBuffers` too. */
  maxAgeMs?: number | undefined;
  /**
   * Whether to count `resources`. By default they are counted until that has taken more than 1 ms
   * once, which it does at some thousands of sockets or timers; `true` counts all the same.
   */
  resources?: boolean | undefined;
}

/** Why RSS is not lower after a purge, or was not before it. */
export type KeptCode =
  /** Allocated and not freed: live after all. */
  | 'native-live'
  /** Free, in pages that live objects hold. On jemalloc `summary` names the size classes. */
  | 'pinned-fragmentation'
  /** Freed objects that threads keep for themselves. */
  | 'thread-caches'
  /** Given back with `MADV_FREE`: in RSS until the kernel needs it. */
  | 'muzzy'
  /** More is resident than the allocator holds, and transparent huge pages are why. */
  | 'huge-pages'
  /** Freed pages remain, though the allocator was asked to purge and reported success. */
  | 'purge-in-flight'
  /**
   * Freed pages had waited for this purge longer than they should: `dirty_decay_ms` is −1, or they were
   * due, and nothing allocated meanwhile or ran in the background that would have returned them.
   */
  | 'decay-not-running'
  /** Nothing had been freed, or all of it had been returned. */
  | 'nothing-to-purge';

/** One reason. */
export interface Kept {
  code: KeptCode;
  /**
   * How much of RSS it explains: an estimate, where the allocator counts pages that were never touched.
   */
  bytes: number;
  /** One sentence. */
  summary: string;
}

/** What a purge did. */
export interface PurgeReport {
  allocator: AllocatorName;
  /**
   * The call that gave memory back; `null` where heapgap has none for this allocator. `mi_collect` is
   * made in heapgap's own thread, and returns what ended threads left and what no thread owns: what the
   * JavaScript thread freed in pages of its own, mimalloc gives back only when that thread works on.
   */
  method:
    | 'arena.4096.purge'
    | 'malloc_trim'
    | 'mi_collect'
    | 'MallocExtension_ReleaseToSystem'
    | null;
  /** RSS just before, from `/proc/self/statm`. */
  rssBefore: number | null;
  /** RSS just after. */
  rssAfter: number | null;
  /** `rssBefore − rssAfter`; negative where the process grew meanwhile. */
  released: number | null;
  /**
   * What was to be expected: `dirty + muzzy`, scaled down where `resident` exceeds what the kernel has
   * beside V8's heap, because it counts pages that were never touched. An estimate. `null` on glibc and
   * mimalloc, which cannot tell what will be returned. It can be off either way.
   */
  purgeable: number | null;
  stats: { before: AllocatorStats; after: AllocatorStats };
  /**
   * All of the purge, waits between attempts included, but not the look at what remains, which follows
   * it. The event loop was free meanwhile.
   */
  durationMs: number;
  /** How often the allocator was asked: again where RSS or its figures had not fallen as expected. */
  attempts: number;
  /**
   * What is still there, and why, the largest first: all that is at least 1 MiB and 5 % of RSS, and
   * `nothing-to-purge` where less than that was freed. V8's heap and code are not in it. Where
   * the allocator tells too little to say it all, as glibc and mimalloc do, a note says so.
   */
  kept: readonly Kept[];
  notes: readonly Note[];
}

export interface RouteOptions {
  /**
   * Where the handler is reached when the framework does not strip its mount path. Default
   * `/debug/memory`.
   */
  path?: string | undefined;
  /**
   * Lets a request in when it returns, or resolves to, `true`. Anything else, an exception and a
   * rejection deny. Not together with `token`.
   */
  authorize?: ((req: IncomingMessage) => boolean | Promise<boolean>) | undefined;
  /**
   * Lets a request in that has it as `Authorization: Bearer <token>`, or, as browsers do, as the password of any
   * name (HTTP Basic). At least 16 printable ASCII characters; `undefined` is as if it were left out. Not
   * together with `authorize`.
   */
  token?: string | undefined;
  /** The least time between two purges, in milliseconds. Default 10000; 0 for no such limit. */
  minIntervalMs?: number | undefined;
  /**
   * Serves `GET …/heap-snapshot`: V8's heap snapshot, for the memory tab of Chrome's DevTools. It holds
   * every string of this thread, secrets among them; it stops the thread for seconds, and takes 5 to 30 times
   * the heap in use. One at a time (409), and none where the memory limit, or the machine, leaves no room
   * for the most of that (503), unless the request says `?force=true`. Default `false`.
   */
  heapSnapshot?: boolean | undefined;
  /**
   * Serves `GET …/profile?seconds=30`: the growth of native memory by stack (see `profiler`), from 0 to 600 s, as
   * `?format=pprof` (the default, for `go tool pprof`) or `flamegraph` (the default where a browser opens it); 0 s gives all that
   * is sampled already. `?sampleBytes=` is as for `profiler.profile()`, `?pid=` as for `POST …/purge`. One at a time (409); it ends
   * when the client leaves. It shows the names of functions and files, and slows the process down a little. Default `false`.
   */
  profile?: boolean | undefined;
}

export interface DoctorOptions {
  /** A process to look at, through `/proc`. Takes its user, or root. Not together with `command`. */
  pid?: number | undefined;
  /**
   * A command to look at, the program first. **It is really started**, watched until its processes are
   * up, and ended. Not together with `pid`.
   */
  command?: readonly string[] | undefined;
  /**
   * How long a command may take to start its processes, counted from its first Node.js process, in
   * milliseconds. Default 5000. It is ended earlier when nothing new has appeared for a while.
   */
  timeoutMs?: number | undefined;
}

/** What `doctor()` can find; docs/doctor.md in the repository explains each. */
export type FindingCode =
  | 'preload-missing'
  | 'preload-unreadable'
  | 'preload-not-a-library'
  | 'preload-wrong-architecture'
  | 'preload-wrong-libc'
  | 'preload-path'
  | 'secure-execution'
  | 'environment-lost'
  | 'not-live'
  | 'two-allocators'
  | 'conf-unknown'
  | 'conf-invalid'
  | 'conf-malformed'
  | 'conf-ignored'
  | 'conf-repeated'
  | 'etc-malloc-conf'
  | 'narenas-high'
  | 'background-thread-off'
  | 'decay-disabled'
  | 'thp-always'
  | 'heap-headroom'
  | 'addon-missing'
  | 'libc-serves';

/** Where a finding was seen. */
export interface Evidence {
  /** The process; `null` for what belongs to none, such as a file. */
  pid: number | null;
  /** A variable, a file, an option, in words. */
  source: string;
  /** What it held. Text from other processes, as it is: escape it before you print it. */
  value: string;
}

/** Lines to change, in a Dockerfile mostly. */
export interface Fix {
  /** `any` where the lines are the same everywhere. */
  distribution: 'debian' | 'alpine' | 'distroless' | 'any';
  arch: 'amd64' | 'arm64' | 'any';
  /** Whether this is the fix for where the finding was seen. One is. */
  applies: boolean;
  lines: string[];
}

/** One thing that is wrong, or, with severity `info`, a remark. */
export interface Finding {
  code: FindingCode;
  /**
   * `error`: the allocator is not live, or was not told what was written. `warning`: it works worse
   * than it could.
   */
  severity: 'error' | 'warning' | 'info';
  /** What is wrong, in one sentence. */
  summary: string;
  evidence: Evidence[];
  /** For every platform; one of them `applies`. */
  fix: Fix[];
}

/** A Node.js process that was looked at. */
export interface DoctorProcess {
  pid: number;
  ppid: number;
  /** Its program and script. */
  label: string;
  /** Who serves `malloc` there; `null` where that could not be seen. */
  allocator:
    | (Pick<Allocator, 'version' | 'library' | 'evidence'> & {
        /** One of `AllocatorName`, or another that is known by its file's name. */
        name: string;
        /** `probe`: proven by an allocation. `maps`: by what is mapped, and in which order. */
        proof: 'probe' | 'maps';
      })
    | null;
  /** jemalloc's options as they are in force; `null` where they could not be read. */
  options: Record<string, string | number | boolean | null> | null;
  /** `live`: read back from that jemalloc. `rehearsal`: tried on the one that heapgap ships. */
  optionsFrom: 'live' | 'rehearsal' | null;
}

/** What `doctor()` found. */
export interface DoctorReport {
  /** heapgap's own version. */
  version: string;
  /** Nothing was found but remarks. */
  healthy: boolean;
  /** The worst first. */
  findings: Finding[];
  processes: DoctorProcess[];
  /** Where it looked. */
  host: {
    platform: string;
    arch: string;
    distribution: 'debian' | 'alpine' | 'distroless' | 'other';
    container: {
      cpus: number | null;
      cpuQuota: number | null;
      hostCpus: number | null;
      /** Bytes. */
      memoryLimit: number | null;
      thp: string | null;
    };
    /** The jemalloc that heapgap ships. */
    shipped: { library: string | null; why: string | null };
    addon: { loaded: boolean; why: string | null };
  };
  /** What could not be looked at. */
  notes: string[];
}

/** A handler for node:http, and for Express and Connect as middleware. Its promise never rejects. */
export type RouteHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  next?: (error?: unknown) => void,
) => Promise<void>;

/**
 * Who serves `malloc` in this process. The answer of the first call holds for the life of the
 * process. Never throws.
 */
export function allocator(): Allocator;

/**
 * The live allocator's own figures. Synchronous; refreshes jemalloc's epoch, which takes about 15 µs
 * at two arenas in use and 40 µs at nine, and nothing else of the process changes.
 *
 * @throws {TypeError | RangeError} `ERR_HEAPGAP_INVALID_ARG_TYPE`, `ERR_HEAPGAP_INVALID_ARG_VALUE`
 * or `ERR_HEAPGAP_UNKNOWN_OPTION` for a bad option; never because a figure cannot be had.
 */
export function stats(options?: StatsOptions): AllocatorStats;

/**
 * The process, V8, the allocator and the cgroup at one instant. Synchronous.
 *
 * @throws {TypeError | RangeError} as `stats()`.
 */
export function snapshot(options?: SnapshotOptions): Snapshot;

/**
 * Makes the allocator give free memory back to the kernel, off the JavaScript thread, and reports
 * what that did to RSS. Concurrent calls share one run. jemalloc purges every arena, after this
 * thread's cache was flushed to them; glibc trims, which stalls allocating threads for as long as
 * it takes; tcmalloc releases in steps, and stalls them for one step: 4 MB, or a free run of pages that is
 * longer, at 30 ms a GiB; mimalloc collects in another thread, which reaches no memory that this one owns.
 *
 * Rejects with `ERR_HEAPGAP_THREAD` where no thread can be started. Where heapgap cannot purge the
 * allocator it resolves all the same, with `method: null` and a note.
 */
export function purge(): Promise<PurgeReport>;

/**
 * `GET` answers a snapshot as JSON, with `verdict`, `summary` and `findings` of a diagnosis that is up to
 * 5 s old (`null` with a note where there is none yet); `?unit=MB` words its familiar figures. Whoever prefers
 * `text/html` to JSON, as browsers do, gets a page that shows the same live; `?format=json` and `?format=html`
 * choose whatever `Accept` says.
 *
 * - `GET …/inspect` answers an inspection.
 * - `POST …/purge` purges; sooner than `minIntervalMs` after another it is 429, `ERR_HEAPGAP_RATE_LIMITED`.
 *   With `?pid=` only the process of that id does; any other of a cluster answers 409,
 *   `ERR_HEAPGAP_OTHER_PROCESS`, and is to be asked again.
 * - `GET …/metrics` answers Prometheus (404 with `ERR_HEAPGAP_PEER_MISSING` without prom-client).
 * - `GET …/heap-snapshot` has an option of its own.
 * - `GET …/live` is a stream of server-sent events for the page and for `heapgap watch`, and **its shape may
 *   change between minor versions**: `hello` says which process this is, `history` what was seen in the last ten
 *   minutes (`columns`, and `rows` of them), `sample` each second a new `row` and the `figures` of a
 *   snapshot without its ledger, `diagnosis` a new diagnosis. The process is sampled once for all who look, and only
 *   while somebody does, and 15 s longer. At most 32 can look: the next one gets 503, `ERR_HEAPGAP_BUSY`.
 *
 * Closed to strangers, with 403 (`ERR_HEAPGAP_FORBIDDEN`) or 401 (`ERR_HEAPGAP_UNAUTHORIZED`): without `authorize`
 * or `token` only a peer on the loopback interface, without forwarding headers, is let in. A proxy on
 * the same machine that adds no header makes strangers look local: set one of the two behind any. What another
 * site made a browser ask for is refused (403, `ERR_HEAPGAP_CROSS_SITE`) where it is a purge, the stream or a
 * heap snapshot.
 *
 * @throws {TypeError | RangeError} as `stats()`.
 */
export function route(options?: RouteOptions): RouteHandler;

/**
 * Looks whether the allocator that was set up is live and took its configuration, and says what to change:
 * in this process, in another one (`pid`), or in a command, which is really started. The same as
 * `npx heapgap doctor`; docs/doctor.md explains every finding.
 *
 * For a diagnosis, not for every request: the look is made in a worker thread, and the first call holds the
 * event loop for some milliseconds, which starting that takes. A command is looked at from this thread.
 *
 * Rejects with `ERR_HEAPGAP_COULD_NOT_LOOK` where there is no such process, it may not be read, or the
 * command starts no Node.js process; and as `stats()` throws, for a bad option.
 */
export function doctor(options?: DoctorOptions): Promise<DoctorReport>;

/**
 * A snapshot, and all that takes too long for a synchronous call: the ledger from the kernel's own count of
 * every mapping, arenas, size classes, threads. The work is done off the JavaScript thread.
 *
 * Rejects with `ERR_HEAPGAP_THREAD` where no thread can be started, and, when first called where no descriptor is left
 * to load it with, with `ERR_HEAPGAP_COULD_NOT_LOOK`.
 */
export function inspect(): Promise<Inspection>;

/**
 * Samples this process at an interval, and after V8's major garbage collections (at most one in a quarter
 * of the interval), so that `diagnose()` can tell growth from size. A sample takes less than 0.1 ms; while
 * many sockets or timers make counting them slow, they are left out. Keeps no process alive. In a worker
 * thread, the heap is that thread's.
 *
 * @throws {TypeError | RangeError} as `stats()`; an `Error` with `ERR_HEAPGAP_COULD_NOT_LOOK` as `inspect()`.
 */
export function watch(options?: WatchOptions): Watch;

/**
 * Says what RSS consists of, whether it is a leak, and what to do. Rules over one inspection and, where
 * somebody watches, a window of samples: without one, growth cannot be told.
 *
 * Concurrent calls share one run, as do concurrent experiments. Without an addon the verdict is
 * `insufficient-data`. Rejects as `inspect()`, and as `stats()` throws, for a bad option.
 */
export function diagnose(options?: DiagnoseOptions): Promise<Diagnosis>;

/**
 * Keeps the process under its memory limit: a thread of its own, which works while the event loop is blocked,
 * looks at the cgroup's usage and at the allocator's freed pages, the more often the nearer the limit is. Above
 * the pressure mark it tightens jemalloc's decay and purges; below the calm mark it restores the decay settings that it
 * found. glibc and mimalloc do not tell what can be returned: there it goes by what the last purges returned, and on glibc,
 * whose trim stalls threads that allocate, it waits for an idle moment while the limit is not near.
 *
 * One a process, worker threads included; one that a worker has started ends with it. It keeps no process alive.
 * In the main thread a call replaces the governor that `HEAPGAP_GOVERN` or `heapgap run --govern` has started; options
 * that it does not name stay as that one had them.
 * Where there is no addon it does nothing, and `state().notes` says why.
 *
 * @throws {TypeError | RangeError} as `stats()`; an `Error` with `ERR_HEAPGAP_ALREADY_GOVERNED` where one runs,
 * or with `ERR_HEAPGAP_THREAD` where no thread can be started.
 */
export function govern(options?: GovernOptions): Governor;

/**
 * Turns requests away, with 503 and `Retry-After`, only while memory stays near the limit after a purge (the
 * governor's level `limit`), or one of the thresholds is exceeded. Memory is watched by `govern()`, which it does
 * not start: without it only the thresholds count, and where none is set either, the first request makes the
 * process emit one warning. Nothing is sampled without a threshold. The answer's body is
 * `{ "error": { "code": "ERR_HEAPGAP_SHED", "message": … } }`.
 *
 * @throws {TypeError | RangeError} as `stats()`.
 */
export function shed(options?: ShedOptions): Shed;

/** The heap profiler of this process. */
export const profiler: Profiler;

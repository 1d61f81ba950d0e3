// docs/benchmarks.json: what `npm run bench` measured, and all that docs/benchmarks.md, its plots and README's table are
// made of. Memory is in MB of 2^20 bytes, times as their names say; what was not measured is null.

/** Of several rounds. */
interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Results {
  /** When the run ended, ISO 8601. */
  date: string;
  /** As typed: npm run bench, and its options. */
  command: string;
  minutes: number;
  machine: {
    cpu: string;
    cpus: number;
    memoryMb: number;
    kernel: string;
    libc: string;
    node: string;
    /** By contender: the allocator and its version as allocator() answers inside it. */
    allocators: Record<string, { name: string; version: string | null }>;
  };
  rounds: number;
  limitMb: number;
  /** In the order in which tables show them; the first is glibc. Titles are Markdown. */
  contenders: { name: string; title: string }[];
  workloads: Workload[];
  survival: Survival[];
  /** Null where `--sections` left it out. */
  cost: Cost | null;
}

export interface Workload {
  name: 'gateway' | 'images' | 'render' | 'pool';
  title: string;
  /** One sentence: what the service does. */
  about: string;
  /** The load, in order: requests are due at a fixed rate for so long, then nothing is. */
  bursts: { perSecond: number; seconds: number; idleSeconds: number }[];
  /** What the service really holds, measured in a run of its own, by heapgap from inside; see `floor` in the page. */
  floor: {
    /** RSS when the service listens, before any request, of the contender that takes least. */
    idleMb: number;
    /** The same and what was live at its peak: V8's heap, garbage included, and malloc's blocks, beyond what they were when idle. */
    peakMb: number;
    /** Idle and what is live a minute after the load, garbage collected. */
    restMb: number;
  } | null;
  /** By the contender's name: over the requests of all its runs; null below 1,000, or where a run did not survive. */
  p999Ms: Record<string, number | null>;
  /** By the contender's name. */
  runs: Record<string, Run[]>;
}

export interface Run {
  /** 'survived', 'killed' by the kernel, or how else it ended. */
  outcome: string;
  /** What it wrote to standard error, where it did not survive. */
  said?: string;
  /** The kernel's peak from just before the first request: VmHWM; or, of a run that did not survive, the group's since it was made, page cache included. The rest is null there. */
  peakMb: number | null;
  /** RSS when the last answer has come, 15 and 60 s later. */
  afterMb: { 0: number; 15: number; 60: number } | null;
  /** The largest heapUsed that was seen (every 100 ms). */
  heapUsedMb: number | null;
  /** RSS less V8's heap (heapTotal) where RSS was largest, of what was seen; and 15 s after the load. */
  gapMb: { peak: number; after: number } | null;
  /** Counted from when each request was due. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** Answers a second, from the beginning of each burst to its last answer. */
  perSecond: number | null;
  /** Requests that were not answered, or not with 200. */
  errors: number | null;
  /** On CPUs from the first request to the last answer. */
  cpuSeconds: number | null;
  /** The event loop's longest delay during the load. */
  loopDelayMs: number | null;
  /** The same two of the minute after it. */
  restCpuSeconds: number | null;
  restLoopDelayMs: number | null;
  /** RSS over time, from just before the first request: seconds, MB. Of a run in the middle by its peak; empty in the others. */
  series: [number, number][];
}

export interface Survival {
  workload: Workload['name'];
  /** In descending order. */
  limitsMb: number[];
  /** The load, which is less than that with the limit of all figures. */
  bursts: Workload['bursts'];
  /** By contender, then by limit. Not run (absent) where every run at a larger limit was killed. */
  kills: Record<
    string,
    Record<number, { runs: number; kills: number; errors: number; failures: string[] }>
  >;
}

export interface Cost {
  /** One call, on the JavaScript thread. */
  calls: {
    name: string;
    allocator: 'jemalloc' | 'glibc';
    /** Until it has answered. */
    us: Spread;
    /** For what answers later: how long it held the event loop at most; null for synchronous calls. */
    loopUs: Spread | null;
  }[];
  growth: {
    over: 'arenas' | 'threads' | 'mappings' | 'heap';
    /** What `at` counts, for a heading: "arenas", "GB of heap". */
    unit: string;
    points: {
      at: number;
      statsUs: Spread;
      /** How old the figures were that stats() gave: next to nothing where it read, more where it reused. */
      statsAgeMs: Spread;
      snapshotUs: Spread;
      inspectMs: Spread;
      /** How long inspect() held the event loop at most. */
      inspectLoopMs: Spread;
      memoryUsageUs: Spread;
    }[];
  }[];
  purge: {
    dirtyMb: Spread;
    durationMs: Spread;
    releasedMb: Spread;
    /** The longest delay of the event loop, and that of as long a time without a purge. */
    loopMs: Spread;
    idleLoopMs: Spread;
  }[];
  /** A service under closed-loop load: windows with the route polled each second and the governor on, in turn with windows without. */
  service: {
    windows: number;
    windowSeconds: number;
    perSecond: { off: Spread; on: Spread };
    cpuMsPerRequest: { off: Spread; on: Spread };
    /** Of neighbouring windows: on ÷ off. */
    throughputRatio: Spread;
    cpuRatio: Spread;
    /** Throughput of neighbouring windows that are both off: how far windows differ without a reason. */
    noiseRatio: Spread;
  } | null;
}

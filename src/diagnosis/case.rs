//! What a diagnosis is made from: an inspection, facts about the process, and an experiment if one was made.
//! The names are those of `index.d.ts`; what no rule looks at is left out. Everything may be missing.

use std::collections::BTreeMap;

use serde_json::Value;

/// Bytes, a count, a time or a ratio; `None` where it could not be had.
pub type Number = Option<f64>;

/// Takes itself out of JSON. What is missing, `null`, or of another type is nothing. (Derived code that tells
/// each of these apart would be a sixth of the addon.)
pub trait Read {
    /// What of `value` is one of these.
    fn read(value: &Value) -> Self;
}

impl Read for Number {
    fn read(value: &Value) -> Self {
        value.as_f64()
    }
}

impl Read for Option<bool> {
    fn read(value: &Value) -> Self {
        value.as_bool()
    }
}

impl Read for Option<String> {
    fn read(value: &Value) -> Self {
        value.as_str().map(str::to_owned)
    }
}

impl Read for String {
    fn read(value: &Value) -> Self {
        value.as_str().unwrap_or_default().to_owned()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Value) -> Self {
        value.as_array().into_iter().flatten().map(T::read).collect()
    }
}

impl Read for BTreeMap<String, Number> {
    fn read(value: &Value) -> Self {
        value.as_object().into_iter().flatten().map(|(name, count)| (name.clone(), count.as_f64())).collect()
    }
}

/// A struct whose fields are read from the properties that they are set equal to.
macro_rules! record {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$note:meta])* pub $field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $($(#[$note])* pub $field: $type,)*
        }

        impl Read for $name {
            fn read(value: &Value) -> Self {
                Self { $($field: Read::read(&value[$key]),)* }
            }
        }

        impl Read for Option<$name> {
            fn read(value: &Value) -> Self {
                value.is_object().then(|| $name::read(value))
            }
        }
    };
}

record! {
    pub struct Case {
        pub inspection: Inspection = "inspection",
        pub facts: Facts = "facts",
        pub experiment: Option<Experiment> = "experiment",
    }
}

record! {
    pub struct Facts {
        /// The allocator that the environment promises.
        pub expected: Option<Expected> = "expected",
        /// The container's.
        pub cpus: Number = "cpus",
        pub machine_memory: Number = "machineMemory",
        pub fd_limit: Number = "fdLimit",
    }
}

record! {
    pub struct Expected {
        pub name: String = "name",
        pub source: String = "source",
    }
}

record! {
    pub struct Inspection {
        pub process: Process = "process",
        pub v8: V8 = "v8",
        pub allocator: Allocator = "allocator",
        pub cgroup: Cgroup = "cgroup",
        pub resources: BTreeMap<String, Number> = "resources",
        pub ledger: Ledger = "ledger",
        pub mappings: Option<Mappings> = "mappings",
        pub threads: Vec<Threads> = "threads",
        pub workers: Vec<Worker> = "workers",
        pub arenas: Vec<Arena> = "arenas",
        pub size_classes: Vec<SizeClass> = "sizeClasses",
        pub decay: Option<Decay> = "decay",
        pub huge_pages: HugePages = "hugePages",
        pub io: Option<Io> = "io",
    }
}

record! {
    pub struct Process {
        pub rss: Number = "rss",
        pub threads: Number = "threads",
        pub fds: Number = "fds",
    }
}

record! {
    pub struct V8 {
        pub heap_used: Number = "heapUsed",
        pub heap_limit: Number = "heapLimit",
        pub detached_contexts: Number = "detachedContexts",
    }
}

record! {
    pub struct Allocator {
        pub name: String = "name",
        pub version: Option<String> = "version",
        pub allocated: Number = "allocated",
        pub active: Number = "active",
    }
}

record! {
    pub struct Cgroup {
        pub limit: Number = "limit",
        pub usage: Number = "usage",
        pub reclaimable: Number = "reclaimable",
        pub unreclaimable: Number = "unreclaimable",
    }
}

record! {
    pub struct Ledger {
        pub rss: Number = "rss",
        pub parts: Parts = "parts",
    }
}

record! {
    /// The parts that RSS is split into.
    pub struct Parts {
        pub v8_heap: Part = "v8Heap",
        pub v8_workers: Part = "v8Workers",
        pub buffers: Part = "buffers",
        pub external: Part = "external",
        pub native: Part = "native",
        pub thread_caches: Part = "threadCaches",
        pub pinned: Part = "pinned",
        pub dirty: Part = "dirty",
        pub muzzy: Part = "muzzy",
        pub code: Part = "code",
        pub mapped_files: Part = "mappedFiles",
        pub shared: Part = "shared",
        pub stacks: Part = "stacks",
        pub huge_page_slack: Part = "hugePageSlack",
        pub unattributed: Part = "unattributed",
    }
}

record! {
    pub struct Part {
        pub bytes: Number = "bytes",
        pub accuracy: Option<Accuracy> = "accuracy",
        pub source: String = "source",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accuracy {
    Exact,
    Bound,
    Estimate,
}

impl Read for Option<Accuracy> {
    fn read(value: &Value) -> Self {
        match value.as_str()? {
            "exact" => Some(Accuracy::Exact),
            "bound" => Some(Accuracy::Bound),
            "estimate" => Some(Accuracy::Estimate),
            _ => None,
        }
    }
}

record! {
    pub struct Mappings {
        pub largest: Vec<Mapping> = "largest",
    }
}

record! {
    pub struct Mapping {
        pub kind: String = "kind",
        pub name: String = "name",
        pub rss: Number = "rss",
    }
}

record! {
    pub struct Threads {
        pub name: String = "name",
        pub count: Number = "count",
    }
}

record! {
    pub struct Worker {
        pub heap_used: Number = "heapUsed",
    }
}

record! {
    pub struct Arena {
        pub allocated: Number = "allocated",
        pub dirty: Number = "dirty",
        pub muzzy: Number = "muzzy",
        pub pinned: Number = "pinned",
        pub resident: Number = "resident",
        pub free: Number = "free",
    }
}

record! {
    pub struct SizeClass {
        pub size: Number = "size",
        pub kind: String = "kind",
        pub bytes: Number = "bytes",
        pub waste: Number = "waste",
    }
}

record! {
    pub struct Decay {
        pub dirty_ms: Number = "dirtyMs",
        pub background_threads: Option<bool> = "backgroundThreads",
    }
}

record! {
    pub struct HugePages {
        pub mode: Option<String> = "mode",
        pub bytes: Number = "bytes",
        pub zero_share: Number = "zeroShare",
    }
}

record! {
    pub struct Io {
        pub read: Number = "read",
        pub written: Number = "written",
    }
}

record! {
    pub struct Experiment {
        pub steps: Vec<Step> = "steps",
        pub garbage: Number = "garbage",
        pub predicted: Number = "predicted",
        pub released: Number = "released",
        pub pinned: Number = "pinned",
        pub live: Number = "live",
    }
}

record! {
    pub struct Step {
        pub step: String = "step",
        pub rss: Number = "rss",
        pub heap_used: Number = "heapUsed",
        pub array_buffers: Number = "arrayBuffers",
        pub allocated: Number = "allocated",
    }
}

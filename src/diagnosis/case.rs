//! What a diagnosis is made from: an inspection, facts about the process, and an experiment if one was made.
//! The names are those of `index.d.ts`; what no rule looks at is left out. Everything may be missing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Bytes, a count, a time or a ratio; `None` where it could not be had.
pub type Number = Option<f64>;

/// Takes `null` where an object or a list belongs for one without anything in it.
fn or_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Case {
    #[serde(deserialize_with = "or_empty")]
    pub inspection: Inspection,
    #[serde(deserialize_with = "or_empty")]
    pub facts: Facts,
    pub experiment: Option<Experiment>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Facts {
    /// The allocator that the environment promises.
    pub expected: Option<Expected>,
    /// The container's.
    pub cpus: Number,
    pub machine_memory: Number,
    pub fd_limit: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Expected {
    #[serde(deserialize_with = "or_empty")]
    pub name: String,
    #[serde(deserialize_with = "or_empty")]
    pub source: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Inspection {
    #[serde(deserialize_with = "or_empty")]
    pub process: Process,
    #[serde(deserialize_with = "or_empty")]
    pub v8: V8,
    #[serde(deserialize_with = "or_empty")]
    pub allocator: Allocator,
    #[serde(deserialize_with = "or_empty")]
    pub cgroup: Cgroup,
    #[serde(deserialize_with = "or_empty")]
    pub resources: BTreeMap<String, Number>,
    #[serde(deserialize_with = "or_empty")]
    pub ledger: Ledger,
    pub mappings: Option<Mappings>,
    #[serde(deserialize_with = "or_empty")]
    pub threads: Vec<Threads>,
    #[serde(deserialize_with = "or_empty")]
    pub workers: Vec<Worker>,
    #[serde(deserialize_with = "or_empty")]
    pub arenas: Vec<Arena>,
    #[serde(deserialize_with = "or_empty")]
    pub size_classes: Vec<SizeClass>,
    pub decay: Option<Decay>,
    #[serde(deserialize_with = "or_empty")]
    pub huge_pages: HugePages,
    pub io: Option<Io>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Process {
    pub rss: Number,
    pub threads: Number,
    pub fds: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct V8 {
    pub heap_used: Number,
    pub heap_limit: Number,
    pub detached_contexts: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Allocator {
    #[serde(deserialize_with = "or_empty")]
    pub name: String,
    pub version: Option<String>,
    pub allocated: Number,
    pub active: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cgroup {
    pub limit: Number,
    pub usage: Number,
    pub reclaimable: Number,
    pub unreclaimable: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ledger {
    pub rss: Number,
    #[serde(deserialize_with = "or_empty")]
    pub parts: Parts,
}

/// The parts that RSS is split into.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Parts {
    #[serde(deserialize_with = "or_empty")]
    pub v8_heap: Part,
    #[serde(deserialize_with = "or_empty")]
    pub v8_workers: Part,
    #[serde(deserialize_with = "or_empty")]
    pub buffers: Part,
    #[serde(deserialize_with = "or_empty")]
    pub external: Part,
    #[serde(deserialize_with = "or_empty")]
    pub native: Part,
    #[serde(deserialize_with = "or_empty")]
    pub thread_caches: Part,
    #[serde(deserialize_with = "or_empty")]
    pub pinned: Part,
    #[serde(deserialize_with = "or_empty")]
    pub dirty: Part,
    #[serde(deserialize_with = "or_empty")]
    pub muzzy: Part,
    #[serde(deserialize_with = "or_empty")]
    pub metadata: Part,
    #[serde(deserialize_with = "or_empty")]
    pub code: Part,
    #[serde(deserialize_with = "or_empty")]
    pub mapped_files: Part,
    #[serde(deserialize_with = "or_empty")]
    pub shared: Part,
    #[serde(deserialize_with = "or_empty")]
    pub stacks: Part,
    #[serde(deserialize_with = "or_empty")]
    pub huge_page_slack: Part,
    #[serde(deserialize_with = "or_empty")]
    pub unattributed: Part,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Part {
    pub bytes: Number,
    pub accuracy: Option<Accuracy>,
    #[serde(deserialize_with = "or_empty")]
    pub source: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Accuracy {
    Exact,
    Bound,
    Estimate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mappings {
    #[serde(deserialize_with = "or_empty")]
    pub largest: Vec<Mapping>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mapping {
    #[serde(deserialize_with = "or_empty")]
    pub kind: String,
    #[serde(deserialize_with = "or_empty")]
    pub name: String,
    pub rss: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Threads {
    #[serde(deserialize_with = "or_empty")]
    pub name: String,
    pub count: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Worker {
    pub heap_used: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Arena {
    pub allocated: Number,
    pub dirty: Number,
    pub muzzy: Number,
    pub pinned: Number,
    pub resident: Number,
    pub free: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SizeClass {
    pub size: Number,
    #[serde(deserialize_with = "or_empty")]
    pub kind: String,
    pub bytes: Number,
    pub waste: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Decay {
    pub dirty_ms: Number,
    pub background_threads: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HugePages {
    pub mode: Option<String>,
    pub bytes: Number,
    pub zero_share: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Io {
    pub read: Number,
    pub written: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Experiment {
    #[serde(deserialize_with = "or_empty")]
    pub steps: Vec<Step>,
    pub garbage: Number,
    pub predicted: Number,
    pub released: Number,
    pub pinned: Number,
    pub live: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Step {
    #[serde(deserialize_with = "or_empty")]
    pub step: String,
    pub rss: Number,
    pub heap_used: Number,
    pub array_buffers: Number,
    pub allocated: Number,
}

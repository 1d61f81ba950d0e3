//! What only `inspect()` reads: rows of arenas and of size classes, whichever allocator has them.
//! `index.d.ts` documents each field (`ArenaFigures`, `SizeClass`).

use serde::Serialize;

/// One arena. Bytes, but for `index`, `threads` and the decay times; `None` where it is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Arena {
    pub index: u32,
    pub threads: Option<u64>,
    pub allocated: Option<u64>,
    pub active: Option<u64>,
    pub dirty: Option<u64>,
    pub muzzy: Option<u64>,
    pub pinned: Option<u64>,
    pub metadata: Option<u64>,
    pub mapped: Option<u64>,
    pub retained: Option<u64>,
    pub resident: Option<u64>,
    pub free: Option<u64>,
    pub dirty_decay_ms: Option<i64>,
    pub muzzy_decay_ms: Option<i64>,
}

/// What a row of [`SizeClass`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassKind {
    /// Live objects that share slabs.
    Small,
    /// Live objects with pages of their own.
    Large,
    /// Free chunks (glibc).
    Free,
}

/// One size class that has something in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct SizeClass {
    pub size: u64,
    pub kind: ClassKind,
    pub count: u64,
    pub bytes: u64,
    pub waste: Option<u64>,
}

/// Memory of the allocator: one private anonymous mapping, or what is left of it.
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

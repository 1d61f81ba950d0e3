//! The live allocator's figures in jemalloc's terms, whichever allocator it is.

use std::time::{Duration, Instant};

use crate::live::{Kind, allocator};
use crate::sources::glibc::{self, Glibc};
use crate::sources::jemalloc::{self, Jemalloc};
use crate::sources::mimalloc::{self, Mimalloc};
use crate::sources::refreshed::Sample;
use crate::sources::tcmalloc::{self, Tcmalloc};
use crate::sources::{Absent, Figure};

/// Figures of the live allocator, in bytes unless said otherwise. What each means, and where it
/// comes from, is written at `AllocatorStats` in `index.d.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Stats {
    pub allocated: Figure,
    pub active: Figure,
    pub dirty: Figure,
    pub muzzy: Figure,
    pub metadata: Figure,
    pub resident: Figure,
    pub mapped: Figure,
    pub retained: Figure,
    pub pinned: Figure,
    pub thread_caches: Figure,
    pub free: Figure,
    /// A count.
    pub arenas: Figure,
    /// A count.
    pub background_threads: Figure,
    /// When the allocator was read; `None` where it cannot be.
    pub at: Option<Instant>,
    /// Older than the caller asked for, and due for a refresh in another thread.
    pub overdue: bool,
}

impl Stats {
    /// For the JavaScript thread: figures at most `max_age` old where that costs no waiting.
    pub fn read(max_age: Duration) -> Self {
        match allocator().kind {
            Kind::Jemalloc => jemalloc::read(max_age).into(),
            Kind::Glibc => glibc::read(max_age).into(),
            Kind::Mimalloc => mimalloc::read(max_age).into(),
            Kind::Tcmalloc => tcmalloc::read(max_age).into(),
            other => Self::absent(Absent::Unread(other.name())),
        }
    }

    /// For other threads: fresh figures where the source need not rest.
    pub fn refresh_if_due() -> Self {
        match allocator().kind {
            Kind::Jemalloc => jemalloc::refresh_if_due().into(),
            Kind::Glibc => glibc::refresh_if_due().into(),
            Kind::Mimalloc => mimalloc::refresh_if_due().into(),
            Kind::Tcmalloc => tcmalloc::refresh_if_due().into(),
            other => Self::absent(Absent::Unread(other.name())),
        }
    }

    /// For other threads: fresh figures, whatever it takes.
    pub fn refresh() -> Self {
        match allocator().kind {
            Kind::Jemalloc => jemalloc::refresh().into(),
            Kind::Glibc => glibc::refresh().into(),
            Kind::Mimalloc => mimalloc::refresh().into(),
            Kind::Tcmalloc => tcmalloc::refresh().into(),
            other => Self::absent(Absent::Unread(other.name())),
        }
    }

    /// No figure at all, for tests to fill in.
    #[cfg(test)]
    pub fn unknown() -> Self {
        Self::absent(Absent::NotCounted("a test"))
    }

    fn absent(reason: Absent) -> Self {
        Self {
            allocated: Err(reason),
            active: Err(reason),
            dirty: Err(reason),
            muzzy: Err(reason),
            metadata: Err(reason),
            resident: Err(reason),
            mapped: Err(reason),
            retained: Err(reason),
            pinned: Err(reason),
            thread_caches: Err(reason),
            free: Err(reason),
            arenas: Err(reason),
            background_threads: Err(reason),
            at: None,
            overdue: false,
        }
    }

    /// In pages that were freed and not given back for certain: `dirty + muzzy`, or `dirty` alone where
    /// the allocator knows no other way.
    pub fn freed(&self) -> Figure {
        match self.muzzy {
            Err(Absent::NotCounted(_)) => self.dirty,
            muzzy => Ok(self.dirty?.saturating_add(muzzy?)),
        }
    }

    /// Whether the live allocator tells anything.
    pub fn are_there(&self) -> bool {
        self.allocated.is_ok() || self.resident.is_ok()
    }
}

impl From<Sample<Jemalloc>> for Stats {
    fn from(sample: Sample<Jemalloc>) -> Self {
        let read = sample.value;
        Self {
            allocated: read.allocated,
            active: read.active,
            dirty: read.dirty,
            muzzy: read.muzzy,
            metadata: read.metadata,
            resident: read.resident,
            mapped: read.mapped,
            retained: read.retained,
            pinned: pinned(&read),
            thread_caches: read.thread_caches,
            arenas: read.arenas,
            background_threads: read.background_threads,
            at: Some(sample.at),
            overdue: sample.overdue,
            ..Self::absent(Absent::NotCounted(Kind::Jemalloc.name()))
        }
    }
}

/// `active − allocated`: the rest of pages that live objects hold. jemalloc takes both in one pass
/// but not in one instant, so that under load `allocated` can come out ahead.
fn pinned(read: &Jemalloc) -> Figure {
    Ok(read.active?.saturating_sub(read.allocated?))
}

impl From<Sample<Glibc>> for Stats {
    fn from(sample: Sample<Glibc>) -> Self {
        let Glibc { allocated, mapped, free } = sample.value;
        Self {
            allocated,
            mapped,
            free,
            at: Some(sample.at),
            overdue: sample.overdue,
            ..Self::absent(Absent::NotCounted(Kind::Glibc.name()))
        }
    }
}

impl From<Sample<Mimalloc>> for Stats {
    fn from(sample: Sample<Mimalloc>) -> Self {
        Self {
            resident: sample.value.committed,
            at: sample.value.committed.is_ok().then_some(sample.at),
            overdue: sample.overdue,
            ..Self::absent(Absent::NotCounted(Kind::Mimalloc.name()))
        }
    }
}

impl From<Sample<Tcmalloc>> for Stats {
    fn from(sample: Sample<Tcmalloc>) -> Self {
        let read = sample.value;
        Self {
            allocated: read.allocated,
            active: read.active,
            dirty: read.dirty,
            metadata: read.metadata,
            resident: read.resident,
            mapped: read.mapped,
            retained: read.retained,
            pinned: read.pinned,
            thread_caches: read.thread_caches,
            at: Some(sample.at),
            overdue: sample.overdue,
            ..Self::absent(Absent::NotCounted(Kind::Tcmalloc.name()))
        }
    }
}

//! What more than one rule asks of a case.

use super::case::{Accuracy, Case, Experiment, Part, Parts, Step};
use super::growth;
use super::window::Window;
use super::words::MB;

/// One case, and what was sampled before it.
pub struct View<'a> {
    pub case: &'a Case,
    pub window: &'a Window,
}

/// Below this share of its limit a group has room; at most services' limits the kernel's own caches and a
/// burst fit into the rest.
const FAR_FROM_LIMIT: f64 = 0.7;
/// Where there is no limit, of the machine's memory, which others need as well.
const FAR_FROM_MACHINE: f64 = 0.5;

/// malloc_trim(3) gives back whole pages inside of free chunks, and in one of a page or less there is none.
const PAGE: f64 = 4096.0;

impl View<'_> {
    pub fn parts(&self) -> &Parts {
        &self.case.inspection.ledger.parts
    }

    /// RSS, where it is known and not nothing.
    pub fn rss(&self) -> Option<f64> {
        let inspection = &self.case.inspection;
        inspection.ledger.rss.or(inspection.process.rss).filter(|rss| *rss > 0.0)
    }

    /// The share of RSS that `bytes` are.
    pub fn share(&self, bytes: f64) -> Option<f64> {
        self.rss().map(|rss| bytes / rss)
    }

    /// `bytes`, where they are so many and so large a share of RSS.
    pub fn large(&self, bytes: f64, least: f64, share: f64) -> Option<f64> {
        (bytes >= least && self.share(bytes)? >= share).then_some(bytes)
    }

    pub fn is(&self, allocator: &str) -> bool {
        self.case.inspection.allocator.name == allocator
    }

    pub fn limit(&self) -> Option<f64> {
        self.case.inspection.cgroup.limit.filter(|limit| *limit > 0.0)
    }

    /// What has to fit under the limit.
    pub fn unreclaimable(&self) -> Option<f64> {
        let cgroup = &self.case.inspection.cgroup;
        cgroup.unreclaimable.or(cgroup.usage)
    }

    /// What is left below the limit.
    pub fn room(&self) -> Option<f64> {
        Some((self.limit()? - self.unreclaimable()?).max(0.0))
    }

    /// Whether there is room enough that size alone is no concern. Without a limit that is known: no.
    pub fn is_far_from_limits(&self) -> bool {
        match (self.limit(), self.case.facts.machine_memory) {
            (Some(limit), _) => self.unreclaimable().is_some_and(|used| used <= limit * FAR_FROM_LIMIT),
            (None, Some(memory)) => self.rss().is_some_and(|rss| rss <= memory * FAR_FROM_MACHINE),
            (None, None) => false,
        }
    }

    pub fn experiment(&self) -> Option<&Experiment> {
        self.case.experiment.as_ref()
    }

    /// What was measured after a step of the experiment.
    pub fn after(&self, step: &str) -> Option<&Step> {
        self.experiment()?.steps.iter().find(|found| found.step == step)
    }

    /// Resident and V8's, workers included.
    pub fn heap_resident(&self) -> Option<f64> {
        let workers = known(&self.parts().v8_workers).unwrap_or(0.0);
        known(&self.parts().v8_heap).map(|own| own + workers)
    }

    /// What of this thread's heap is in use, garbage left out as far as that is known.
    pub fn own_heap_in_use(&self) -> Option<f64> {
        let now = self.case.inspection.v8.heap_used?;
        Some(match self.after("gc").and_then(|step| step.heap_used) {
            Some(after_gc) => now.min(after_gc),
            None => growth::in_use(self, growth::heap, now),
        })
    }

    /// The same with the workers' heaps; of those that cannot be asked all that is resident.
    pub fn heap_in_use(&self) -> Option<f64> {
        let asked: f64 = self.case.inspection.workers.iter().filter_map(|worker| worker.heap_used).sum();
        let resident = known(&self.parts().v8_workers);
        let workers =
            resident.map_or(asked, |resident| if asked > 0.0 { asked.min(resident) } else { resident });
        self.own_heap_in_use().map(|own| own + workers)
    }

    /// Buffers in RSS that are in use, garbage left out as far as that is known, and what else V8 was told
    /// of: Buffers of addons, mostly, which `arrayBuffers` leaves out.
    pub fn buffers_in_use(&self) -> Option<f64> {
        let parts = self.parts();
        let (buffers, external) = (known(&parts.buffers), known(&parts.external));
        let others = external.unwrap_or(0.0);
        let now = buffers.or(external.map(|_| 0.0))? + others;
        Some(match self.after("gc").and_then(|step| step.array_buffers) {
            Some(after_gc) => now.min(after_gc + others),
            None => growth::in_use(self, growth::buffers, now),
        })
    }

    /// Native memory in use of which V8 was not told: a zlib stream's, for one.
    pub fn native(&self) -> Option<f64> {
        known(&self.parts().native)
    }

    /// Whether the allocator tells what it handed out from what it keeps.
    pub fn native_is_split(&self) -> bool {
        let parts = self.parts();
        parts.native.accuracy != Some(Accuracy::Bound)
            || parts.dirty.bytes.is_some()
            || parts.pinned.bytes.is_some()
    }

    /// Whether an experiment's purge told what is in use from what was freed. mimalloc's reaches nothing that the
    /// JavaScript thread freed in pages of its own: what it leaves may be either.
    pub fn purge_has_told(&self) -> bool {
        self.experiment().is_some_and(|experiment| experiment.released.is_some()) && !self.is("mimalloc")
    }

    /// Freed, and resident: what a purge returns.
    pub fn purgeable(&self) -> Option<f64> {
        let parts = self.parts();
        let free = match (known(&parts.dirty), known(&parts.muzzy)) {
            (None, None) => return None,
            (dirty, muzzy) => dirty.unwrap_or(0.0) + muzzy.unwrap_or(0.0),
        };
        Some((free - self.pinned_in_dirty()).max(0.0))
    }

    /// Free, and in pages that live objects hold.
    pub fn pinned(&self) -> Option<f64> {
        let told = known(&self.parts().pinned);
        let apart = self.pinned_in_dirty().max(self.left_by_purge().unwrap_or(0.0));
        let now = told.or((apart > 0.0).then_some(apart))?;
        let left = self.experiment().and_then(|experiment| experiment.pinned);
        Some(left.map_or(now, |left| now.min(left) + self.pinned_by_collecting()))
    }

    /// What the experiment's collection freed and the purge could not give back, because objects that survived
    /// hold the pages: it was garbage, and is pinned now. The allocator counts pages that were never touched,
    /// so no more than RSS has beside what is in use.
    pub fn pinned_by_collecting(&self) -> f64 {
        let more = || {
            let experiment = self.experiment()?;
            let more = experiment.pinned? - known(&self.parts().pinned)?;
            let others = known(&self.parts().code).unwrap_or(0.0);
            let room = self.after("purge")?.rss? - experiment.live? - others;
            Some(more.min(experiment.garbage?).min(room).max(0.0))
        };
        more().unwrap_or(0.0)
    }

    /// What the experiment's purge was expected to release, and did not.
    pub fn left_by_purge(&self) -> Option<f64> {
        let experiment = self.experiment()?;
        Some(experiment.predicted? - experiment.released?.max(0.0)).filter(|left| *left > 0.0)
    }

    /// glibc does not tell its free chunks' pages apart, but small chunks hold no whole page.
    fn pinned_in_dirty(&self) -> f64 {
        if !self.is("glibc") || self.parts().pinned.bytes.is_some() {
            return 0.0;
        }
        let small = |size: Option<f64>| size.is_some_and(|size| size <= PAGE);
        let classes = &self.case.inspection.size_classes;
        let free = classes.iter().filter(|class| class.kind == "free" && small(class.size));
        let bytes: f64 = free.filter_map(|class| class.bytes).sum();
        bytes.min(known(&self.parts().dirty).unwrap_or(0.0))
    }

    /// What of RSS is in use: it stays, whatever is purged.
    pub fn live(&self) -> f64 {
        let parts = self.parts();
        let heap = self.heap_in_use().map(|used| self.heap_resident().map_or(used, |all| used.min(all)));
        let native = self.native().filter(|_| self.native_is_split());
        [heap, self.buffers_in_use(), native, known(&parts.code), known(&parts.stacks)]
            .into_iter()
            .flatten()
            .sum()
    }
}

/// A part's bytes, where they are a number that can be one.
pub fn known(part: &Part) -> Option<f64> {
    part.bytes.filter(|bytes| *bytes >= 0.0)
}

/// What is asked of memory that a purge, or another setting, could give back: less does not end a service,
/// and 32 MB of 160 is what a busy one keeps for its next burst.
pub const LEAST_WASTE: f64 = 32.0 * MB;
pub const LEAST_WASTE_SHARE: f64 = 0.2;
/// What is asked of memory in use, before its size alone is worth a word.
pub const LEAST_MASS: f64 = 64.0 * MB;
pub const LEAST_MASS_SHARE: f64 = 0.3;
/// Buffers or native memory that are so much of RSS are said to be, though they do not grow: nobody chooses a
/// limit for them, as one does for a heap.
pub const MOST_SHARE: f64 = 0.5;

//! What is still there after a purge, and why. Pure: figures in, sentences out.

use std::cmp::Reverse;

use crate::snapshot::{Stats, touched};
use crate::sources::Figure;
use crate::sources::detail::{ClassKind, SizeClass};
use crate::sources::jemalloc::Decay;
use crate::sources::smaps::Rollup;

/// One reason why RSS is not lower, or was not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// One of `KeptCode` in index.d.ts.
    pub code: &'static str,
    /// How much of RSS it explains.
    pub bytes: u64,
    /// One sentence.
    pub summary: String,
}

/// The figures around one purge.
#[derive(Clone, Debug)]
pub struct Case {
    /// The allocator's, just before and just after.
    pub before: Stats,
    pub after: Stats,
    /// RSS, and of it what no file backs, after the purge.
    pub rss: Figure,
    pub anon: Figure,
    /// What of the freed pages could be in RSS before the purge; see [`crate::snapshot::purgeable`].
    pub purgeable: Figure,
    /// How far RSS fell.
    pub released: i64,
    /// What of `anon` is V8's heap.
    pub v8_resident: u64,
    pub rollup: Rollup,
    /// After the purge; jemalloc's.
    pub classes: Vec<SizeClass>,
    pub decay: Option<Decay>,
    /// What decay returned when it was asked to, before the purge: all of it had been due.
    pub overdue: u64,
}

/// The reasons that matter, the largest first.
pub fn kept(case: &Case) -> Vec<Kept> {
    let rules = [
        native_live,
        pinned,
        thread_caches,
        muzzy,
        huge_pages,
        purge_in_flight,
        decay_not_running,
        nothing_to_purge,
    ];
    let mut kept: Vec<Kept> = rules.iter().filter_map(|rule| rule(case)).collect();
    kept.sort_unstable_by_key(|kept| Reverse(kept.bytes));
    kept
}

impl Case {
    /// Less than this is not worth a word: 1 MiB, and 5 % of RSS.
    fn threshold(&self) -> u64 {
        (self.rss.unwrap_or(0) / 20).max(1 << 20)
    }

    /// As much of a part of what the allocator has now as can be in RSS, if that matters.
    fn remains(&self, part: Figure) -> Option<u64> {
        let part = part.ok()?;
        // Without `resident` there is nothing to scale by.
        let bytes = touched(part, &self.after, self.anon, self.v8_resident).unwrap_or(part);
        self.matters(bytes)
    }

    fn matters(&self, bytes: u64) -> Option<u64> {
        (bytes >= self.threshold()).then_some(bytes)
    }
}

fn native_live(case: &Case) -> Option<Kept> {
    let bytes = case.remains(case.after.allocated.map(|allocated| {
        // Freed objects in a thread's cache count as allocated.
        allocated.saturating_sub(case.after.thread_caches.unwrap_or(0))
    }))?;
    let summary = format!(
        "{} are allocated and not freed: Buffers, and what addons and Node.js itself hold; no purge returns these",
        mb(bytes)
    );
    Some(Kept { code: "native-live", bytes, summary })
}

fn pinned(case: &Case) -> Option<Kept> {
    let bytes = case.remains(case.after.pinned)?;
    let summary = format!(
        "{} are free, in pages that live objects hold, which no purge can return{}",
        mb(bytes),
        most_wasteful(&case.classes)
    );
    Some(Kept { code: "pinned-fragmentation", bytes, summary })
}

/// The three size classes that waste the most.
fn most_wasteful(classes: &[SizeClass]) -> String {
    let wasteful = classes.iter().filter_map(|class| {
        let waste = class.waste.filter(|&waste| waste > 0)?;
        let kind = if class.kind == ClassKind::Large { "large objects" } else { "objects" };
        Some(format!("{} in {kind} of {} bytes", mb(waste), class.size))
    });
    let named: Vec<String> = wasteful.take(3).collect();
    if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) }
}

fn thread_caches(case: &Case) -> Option<Kept> {
    let bytes = case.remains(case.after.thread_caches)?;
    let summary = format!(
        "{} are freed objects that threads keep for themselves; each thread returns its own, when it works or ends",
        mb(bytes)
    );
    Some(Kept { code: "thread-caches", bytes, summary })
}

fn muzzy(case: &Case) -> Option<Kept> {
    let bytes = case.matters(case.rollup.lazy_free.ok()?)?;
    let summary = format!(
        "{} were given back with MADV_FREE: the kernel takes them when it needs memory, and counts them in RSS until then",
        mb(bytes)
    );
    Some(Kept { code: "muzzy", bytes, summary })
}

/// A huge page that holds one used page is resident as a whole.
fn huge_pages(case: &Case) -> Option<Kept> {
    let in_huge_pages = case.rollup.huge.ok()?;
    let heap = case.anon.ok()?.saturating_sub(case.v8_resident);
    // Muzzy pages are explained, and not in `resident`.
    let known = case.after.resident.ok()?.saturating_add(case.rollup.lazy_free.unwrap_or(0));
    let bytes = case.matters(heap.saturating_sub(known).min(in_huge_pages))?;
    let summary = format!(
        "up to {} are resident beside what the allocator holds, and {} are in transparent huge pages, which fill up what was given back",
        mb(bytes),
        mb(in_huge_pages)
    );
    Some(Kept { code: "huge-pages", bytes, summary })
}

/// jemalloc answers success at once, having done nothing, while another purge of the same arena runs.
fn purge_in_flight(case: &Case) -> Option<Kept> {
    let (before, after) = (case.before.freed().ok()?, case.after.freed().ok()?);
    let bytes = case.remains(case.after.dirty)?;
    let summary = format!(
        "{} are still freed and not given back: another purge was running, or the process frees as fast as this one purged",
        mb(bytes)
    );
    (after >= before / 2).then_some(Kept { code: "purge-in-flight", bytes, summary })
}

fn decay_not_running(case: &Case) -> Option<Kept> {
    let Decay { dirty_ms, background_threads, .. } = case.decay?;
    let (freed, why) = if dirty_ms < 0 {
        (case.purgeable.ok()?, "jemalloc returns none by itself")
    } else if !background_threads {
        let why = "without background threads jemalloc returns pages only while the process allocates";
        (case.overdue.min(case.purgeable.ok()?), why)
    } else {
        return None;
    };
    let bytes = case.matters(freed)?;
    let summary = format!(
        "{} of freed pages had waited for this purge, where dirty_decay_ms is {dirty_ms}: {why}",
        mb(bytes)
    );
    Some(Kept { code: "decay-not-running", bytes, summary })
}

fn nothing_to_purge(case: &Case) -> Option<Kept> {
    // glibc's free chunks may be resident or not: few of them are nothing to purge in either case.
    let bytes = case.purgeable.or(case.before.free).ok()?;
    let threshold = case.threshold();
    if bytes >= threshold || case.released >= threshold as i64 {
        return None;
    }
    let summary = format!(
        "only {} were freed and not given back: nothing was freed, or it had been returned already",
        mb(bytes)
    );
    Some(Kept { code: "nothing-to-purge", bytes, summary })
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / (1 << 20) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Absent;

    const MIB: u64 = 1 << 20;
    const ABSENT: Figure = Err(Absent::NotCounted("jemalloc"));

    /// 200 MiB of RSS, of which V8 has 40 and jemalloc 80, all of it in use.
    fn healthy() -> Case {
        let stats = Stats {
            allocated: Ok(8 * MIB),
            active: Ok(9 * MIB),
            dirty: Ok(0),
            muzzy: Ok(0),
            resident: Ok(80 * MIB),
            pinned: Ok(MIB),
            thread_caches: Ok(MIB),
            ..Stats::unknown()
        };
        Case {
            before: Stats { dirty: Ok(60 * MIB), resident: Ok(140 * MIB), ..stats },
            after: stats,
            rss: Ok(200 * MIB),
            anon: Ok(120 * MIB),
            purgeable: Ok(60 * MIB),
            released: 60 * MIB as i64,
            v8_resident: 40 * MIB,
            rollup: Rollup {
                lazy_free: Ok(0),
                huge: Ok(0),
                ..Rollup::absent(Absent::NotCounted("jemalloc"))
            },
            classes: Vec::new(),
            decay: Some(Decay { dirty_ms: 10_000, muzzy_ms: 0, background_threads: false }),
            overdue: 0,
        }
    }

    fn codes(case: &Case) -> Vec<(&'static str, u64)> {
        kept(case).iter().map(|kept| (kept.code, kept.bytes / MIB)).collect()
    }

    fn class(size: u64, waste: u64) -> SizeClass {
        SizeClass { size, kind: ClassKind::Small, count: 1, bytes: size, waste: Some(waste) }
    }

    #[test]
    fn a_purge_that_worked_leaves_nothing_to_say() {
        assert_eq!(codes(&healthy()), []);
    }

    #[test]
    fn what_is_below_five_percent_of_rss_is_not_said() {
        let mut case = healthy();
        case.after.thread_caches = Ok(10 * MIB);
        assert_eq!(codes(&case), [("thread-caches", 10)]);
        case.after.thread_caches = Ok(10 * MIB - 1);
        assert_eq!(codes(&case), []);
        case.rss = Ok(4 * MIB);
        case.after.allocated = Ok(0);
        case.after.thread_caches = Ok(MIB - 1);
        case.after.pinned = Ok(0);
        assert_eq!(codes(&case), [], "nor what is below 1 MiB");
    }

    #[test]
    fn live_memory() {
        let mut case = healthy();
        case.after.allocated = Ok(51 * MIB);
        assert_eq!(codes(&case), [("native-live", 50)], "without the thread caches");
    }

    #[test]
    fn pinned_pages_with_the_classes_that_pin_them() {
        let mut case = healthy();
        case.after.pinned = Ok(40 * MIB);
        case.classes =
            vec![class(1280, 30 * MIB), class(64, 5 * MIB), class(80, MIB), class(96, 1), class(8, 0)];
        assert_eq!(codes(&case), [("pinned-fragmentation", 40)]);
        let summary = &kept(&case)[0].summary;
        assert!(summary.contains("30.0 MB in objects of 1280 bytes, 5.0 MB in objects of 64"), "{summary}");
        assert!(!summary.contains("96 bytes"), "three are enough: {summary}");
    }

    #[test]
    fn what_was_never_touched_is_not_in_rss() {
        let mut case = healthy();
        case.after.pinned = Ok(40 * MIB);
        case.after.resident = Ok(160 * MIB);
        assert_eq!(codes(&case), [("pinned-fragmentation", 20)]);
    }

    #[test]
    fn lazily_freed_pages() {
        let mut case = healthy();
        case.rollup.lazy_free = Ok(30 * MIB);
        assert_eq!(codes(&case), [("muzzy", 30)]);
    }

    #[test]
    fn huge_pages_only_where_more_is_resident_than_the_allocator_holds() {
        let mut case = healthy();
        case.rollup.huge = Ok(70 * MIB);
        assert_eq!(codes(&case), []);
        case.after.resident = Ok(30 * MIB);
        assert_eq!(codes(&case), [("huge-pages", 50)]);
        case.rollup.huge = Ok(20 * MIB);
        assert_eq!(codes(&case), [("huge-pages", 20)]);
        case.rollup.lazy_free = Ok(45 * MIB);
        assert_eq!(codes(&case), [("muzzy", 45)], "these are in RSS for another reason");
    }

    #[test]
    fn another_purge_in_flight() {
        let mut case = healthy();
        case.after.dirty = Ok(59 * MIB);
        case.released = 0;
        assert_eq!(codes(&case), [("purge-in-flight", 59)]);
        case.after.dirty = Ok(20 * MIB);
        assert_eq!(codes(&case), [], "most of it went, and the process went on");
    }

    #[test]
    fn decay_that_is_off() {
        let mut case = healthy();
        case.decay = Some(Decay { dirty_ms: -1, muzzy_ms: 0, background_threads: true });
        assert_eq!(codes(&case), [("decay-not-running", 60)]);
        case.purgeable = Ok(MIB);
        case.released = 0;
        assert_eq!(codes(&case), [("nothing-to-purge", 1)]);
    }

    #[test]
    fn decay_that_nobody_runs() {
        let mut case = healthy();
        case.overdue = 40 * MIB;
        assert_eq!(codes(&case), [("decay-not-running", 40)]);
        // One that is running is not late for want of somebody to do it.
        case.decay = Some(Decay { dirty_ms: 10_000, muzzy_ms: 0, background_threads: true });
        assert_eq!(codes(&case), []);
    }

    #[test]
    fn nothing_to_purge() {
        let mut case = healthy();
        (case.purgeable, case.released) = (Ok(2 * MIB), MIB as i64);
        assert_eq!(codes(&case), [("nothing-to-purge", 2)]);
        case.released = 50 * MIB as i64;
        assert_eq!(codes(&case), [], "something went all the same");
    }

    #[test]
    fn glibc_tells_little_and_nothing_is_guessed() {
        let stats = Stats { allocated: Ok(90 * MIB), free: Ok(70 * MIB), ..Stats::unknown() };
        let mut case =
            Case { before: stats, after: stats, decay: None, purgeable: ABSENT, released: 0, ..healthy() };
        assert_eq!(codes(&case), [("native-live", 90)]);
        case.before.free = Ok(3 * MIB);
        assert_eq!(codes(&case), [("native-live", 90), ("nothing-to-purge", 3)]);
    }

    #[test]
    fn without_figures_there_is_no_reason() {
        let unknown = Stats::unknown();
        let case = Case {
            before: unknown,
            after: unknown,
            rss: ABSENT,
            anon: ABSENT,
            purgeable: ABSENT,
            released: 0,
            v8_resident: 0,
            rollup: Rollup::absent(Absent::NotCounted("jemalloc")),
            classes: Vec::new(),
            decay: None,
            overdue: 0,
        };
        assert_eq!(kept(&case), []);
    }
}

//! `native-live`: memory that native code holds, neither JavaScript objects nor Buffers.

use super::{grew, of_rss, until_limit, urgency, watch_first, with_trend};
use crate::diagnosis::finding::{Code, Finding, Place, Severity};
use crate::diagnosis::growth::{self, Growth};
use crate::diagnosis::view::{LEAST_MASS, LEAST_MASS_SHARE, MOST_SHARE, View, known};
use crate::diagnosis::window::Sample;

/// Of what rises, so much has to be native memory, of which the ledger says how much there is.
const LEAST_HELD: f64 = 0.6;

pub fn judge(view: &View) -> Option<Finding> {
    growing(view).or_else(|| mass(view))
}

fn growing(view: &View) -> Option<Finding> {
    let growth = growth::of_bytes(view, growth::native, true).or_else(|| unsplit(view))?;
    let left = growth.seconds_left(view.room());
    let summary = format!(
        "Native memory leaks, or a cache fills: what is {} grows by {}{}.",
        if view.native_is_split() { "in use" } else { "neither V8's heap nor Buffers" },
        grew(view, &growth),
        until_limit(left, "the container's limit")
    );
    let finding = Finding::new(Code::NativeLive, urgency(&growth, left), view.native(), summary)
        .at(if follows_others(view, &growth) { Place::Consequence } else { Place::Growth });
    Some(advise(with_trend(finding, "native", &growth)))
}

/// Where the allocator does not say what it has handed out. It may be free as well as in use, but what is free
/// is used again before more is taken. What the window has of it includes the heaps of worker threads.
fn unsplit(view: &View) -> Option<Growth> {
    let held = view.large(view.native()?, LEAST_MASS, LEAST_MASS_SHARE)?;
    let growth = growth::of_bytes(view, growth::unsplit, true)?;
    (growth.trend.rise <= held / LEAST_HELD).then_some(growth)
}

/// The allocator rounds Buffers up, jemalloc by a quarter and a page, and V8 has tables beside its heap:
/// where those grow more, this is theirs.
fn follows_others(view: &View, growth: &Growth) -> bool {
    let rises_more = |other: fn(&Sample) -> f64| {
        growth::of_bytes(view, other, false).is_some_and(|other| other.trend.rise > 2.0 * growth.trend.rise)
    };
    rises_more(growth::buffers) || rises_more(growth::heap)
}

fn mass(view: &View) -> Option<Finding> {
    // What an allocator has merely not given back is no memory in use; a purge tells them apart.
    if !view.native_is_split() && !view.purge_has_told() {
        return None;
    }
    let released = view.experiment().and_then(|experiment| experiment.released).unwrap_or(0.0).max(0.0);
    let native = if view.native_is_split() { view.native()? } else { view.native()? - released };
    let bytes = view.large(native, LEAST_MASS, LEAST_MASS_SHARE)?;
    let is_most = view.share(bytes)? >= MOST_SHARE;
    if !is_most && growth::is_steady(view, growth::native) && view.is_far_from_limits() {
        return None;
    }
    let parts = view.parts();
    let pinned = if view.native_is_split() { "in use" } else { "in use, or pinned by what is" };
    let summary = format!(
        "Native memory that is neither V8's heap nor Buffers and is {pinned} is {}.",
        of_rss(view, bytes)
    );
    let finding = Finding::new(Code::NativeLive, Severity::Info, bytes, summary).bytes(
        "ledger.native",
        known(&parts.native),
        Some(LEAST_MASS),
        &parts.native.source,
    );
    Some(watch_first(view, advise(finding)))
}

fn advise(finding: Finding) -> Finding {
    finding
        .act("Look for native objects that are never closed: zlib and crypto streams, database connections, statements and cursors.")
        .act("Find the addon: `process.report.getReport().sharedObjects` lists those that are loaded; bound its cache (`sharp.cache(false)`, SQLite's `PRAGMA cache_size`) or leave it out for a trial.")
        .act("Let jemalloc say which function allocates: `heapgap run --profile`, and `profiler.profile()` or `heapgap profile <url>` while it grows (docs/profiling.md).")
        .act("Neither a purge nor `--max-old-space-size` reduces it.")
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, codes, found_from, window};
    use crate::diagnosis::window::Column;
    use crate::diagnosis::words::MB;

    #[test]
    fn from_64_mb_and_three_tenths_of_rss() {
        let process = Process::on("jemalloc").part("external", 0.0);
        found_from(&process, "native", Code::NativeLive, 64.0, 0.3);
    }

    #[test]
    fn growth_tells_a_leak_where_the_allocator_does_not() {
        let samples = window(
            60,
            60.0,
            None,
            &[
                (Column::Anon, &|at| (60.0 + 80.0 * at) * MB),
                (Column::HeapPhysical, &|_| 20.0 * MB),
                (Column::ArrayBuffers, &|_| MB),
            ],
        );
        let with = |native: f64| {
            let process = Process::on("mimalloc").part("native", native).bound("native").rss_of(200.0);
            process.with(&samples)
        };
        let leak = with(90.0);
        assert_eq!(leak.verdict, Code::NativeLive);
        assert!(!leak.summary.contains("in use"), "{}", leak.summary);
        // The most of it are the heaps of worker threads.
        assert_eq!(with(47.0).verdict, Code::Healthy);
    }

    #[test]
    fn growth_takes_no_collection_but_what_rounds_buffers_up_follows_them() {
        let line = |at: f64, mb: f64| (20.0 + mb * at) * MB;
        let process = Process::on("jemalloc").part("native", 60.0);
        let alone = window(
            60,
            60.0,
            None,
            &[(Column::Allocated, &|at| line(at, 40.0)), (Column::ArrayBuffers, &|_| MB)],
        );
        assert_eq!(process.verdict_with(&alone), Code::NativeLive);
        let buffers = window(
            60,
            60.0,
            Some(5),
            &[(Column::Allocated, &|at| line(at, 250.0)), (Column::ArrayBuffers, &|at| line(at, 200.0))],
        );
        let diagnosis = process.part("native", 300.0).part("buffers", 220.0).with(&buffers);
        assert_eq!(codes(&diagnosis), [Code::ExternalBuffers, Code::NativeLive]);
    }
}

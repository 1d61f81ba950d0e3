//! `retention`: memory that was freed and is resident still; a purge returns it.

use super::{DECAY_PAIRS, RUN_ON_JEMALLOC, of_rss};
use crate::diagnosis::case::Decay;
use crate::diagnosis::finding::{Code, Finding, Severity, Unit};
use crate::diagnosis::trend;
use crate::diagnosis::view::{LEAST_WASTE, LEAST_WASTE_SHARE, View, known};
use crate::diagnosis::window::{Column, Sample};
use crate::diagnosis::words;

/// An allocator that gives back within this many milliseconds, and is at work, always has some on the way.
const SHORT_DECAY_MS: f64 = 10_000.0;
const DECAYING_SHARE: f64 = 0.25;
/// Two collections within the window: the service works.
const BUSY_COLLECTIONS: f64 = 2.0;
/// What the later half of a window loses of what it began with, where free memory is on its way out.
const FALLING: f64 = 0.1;

pub fn judge(view: &View) -> Option<Finding> {
    if let Some(released) = view.experiment().and_then(|experiment| experiment.released) {
        return proven(view, released);
    }
    let share = if gives_back(view) { DECAYING_SHARE } else { LEAST_WASTE_SHARE };
    let bytes = view.large(view.purgeable()?, LEAST_WASTE, share)?;
    if is_falling(view) {
        return None;
    }
    let summary =
        format!("{} was freed and not given back to the kernel: a purge returns it.", of_rss(view, bytes));
    let is_passing = has_background_decay(view) && view.window.len() < 2 * trend::LEAST_POINTS;
    let severity = if is_passing { Severity::Info } else { Severity::Warning };
    let parts = view.parts();
    let finding = Finding::new(Code::Retention, severity, bytes, summary)
        .bytes("ledger.dirty", known(&parts.dirty), Some(LEAST_WASTE), &parts.dirty.source)
        .bytes("ledger.muzzy", known(&parts.muzzy), None, &parts.muzzy.source);
    let finding = if is_passing {
        finding
            .act("Ask again in ten seconds: jemalloc's background threads should have given it back by then.")
    } else {
        finding
    };
    Some(advise(view, finding))
}

/// What the purge took off RSS, less what the collection before it had freed and left in the allocator.
fn proven(view: &View, released: f64) -> Option<Finding> {
    let rss = |step| view.after(step).and_then(|step| step.rss);
    let fell = rss("start").zip(rss("gc")).map_or(0.0, |(start, gc)| (start - gc).max(0.0));
    let garbage = view.experiment()?.garbage.unwrap_or(0.0);
    let own = released - (garbage - fell).max(0.0);
    let bytes = view.large(own, LEAST_WASTE, LEAST_WASTE_SHARE)?;
    let summary = format!(
        "{} was freed and not given back to the kernel until a purge took it off.",
        of_rss(view, bytes)
    );
    let finding = Finding::new(Code::Retention, Severity::Warning, bytes, summary)
        .bytes("experiment.released", Some(released), Some(LEAST_WASTE), "RSS before and after purge()")
        .bytes("experiment.predicted", view.experiment()?.predicted, None, "the ledger before purge()");
    Some(advise(view, finding))
}

fn advise(view: &View, finding: Finding) -> Finding {
    let finding = finding.act("Give it back now: `await purge()`, or `POST /debug/memory/purge`.");
    match view.case.inspection.allocator.name.as_str() {
        "jemalloc" => finding.act(format!("For good: `{DECAY_PAIRS}`, which `npx heapgap run` sets; without background threads an idle process gives nothing back.")),
        "glibc" => finding
            .act(RUN_ON_JEMALLOC)
            .act("Where glibc has to stay: `MALLOC_ARENA_MAX=2` and `MALLOC_TRIM_THRESHOLD_=131072`."),
        "tcmalloc" => finding.act("For good: `TCMALLOC_RELEASE_RATE=10`, which makes tcmalloc give pages back sooner."),
        "mimalloc" => finding.act("For good: `MIMALLOC_PURGE_DELAY=0`, which makes mimalloc give pages back at once."),
        _ => finding.act(RUN_ON_JEMALLOC),
    }
}

/// Dirty and muzzy pages, of a sample.
fn free_pages(sample: &Sample) -> f64 {
    let muzzy = sample.get(Column::Muzzy);
    sample.get(Column::Dirty) + if muzzy.is_finite() { muzzy } else { 0.0 }
}

/// Whether free pages are on their way back to the kernel.
pub fn is_falling(view: &View) -> bool {
    let points = view.window.series(free_pages);
    let (first, second) = points.split_at(points.len() / 2);
    let (Some(begin), Some(end)) = (second.first(), second.last()) else { return false };
    let highest = first.iter().map(|point| point.value).fold(0.0, f64::max);
    second.len() >= trend::LEAST_POINTS
        && end.value <= begin.value * (1.0 - FALLING)
        && end.value <= highest * (1.0 - FALLING)
}

/// Whether the program was at work during the window: then jemalloc's decay runs, and is overtaken.
pub fn is_busy(view: &View) -> bool {
    let collections = view.window.series(|sample| sample.get(Column::MajorGcs));
    match (collections.first(), collections.last()) {
        (Some(first), Some(last)) => last.value - first.value >= BUSY_COLLECTIONS,
        _ => false,
    }
}

fn has_short_decay(decay: &Decay) -> bool {
    decay.dirty_ms.is_some_and(|ms| (0.0..=SHORT_DECAY_MS).contains(&ms))
}

fn has_background_decay(view: &View) -> bool {
    let decay = view.case.inspection.decay.as_ref();
    decay.is_some_and(|decay| has_short_decay(decay) && decay.background_threads == Some(true))
}

fn gives_back(view: &View) -> bool {
    let decay = view.case.inspection.decay.as_ref();
    has_background_decay(view) || (decay.is_some_and(has_short_decay) && is_busy(view))
}

/// The decay settings, as evidence.
pub fn with_decay(finding: Finding, decay: &Decay) -> Finding {
    let finding = match decay.dirty_ms {
        Some(ms) => {
            finding.shows("decay.dirtyMs", ms, Unit::Ms, Some(SHORT_DECAY_MS), "arena.0.dirty_decay_ms")
        }
        None => finding,
    };
    match decay.background_threads {
        Some(on) => {
            let word = if on { "true" } else { "false" };
            finding.shows("decay.backgroundThreads", word, Unit::Text, None, "background_thread")
        }
        None => finding,
    }
}

/// How long the window lasted, in words, where it has lasted at all.
pub fn watched(view: &View) -> String {
    words::seconds(view.window.seconds())
}

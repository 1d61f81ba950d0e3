//! `retention`: memory that was freed and is resident still; a purge returns it.

use super::{DECAY_PAIRS, RUN_ON_JEMALLOC, of_rss};
use crate::diagnosis::case::Decay;
use crate::diagnosis::finding::{Code, Finding, Severity, Unit};
use crate::diagnosis::trend;
use crate::diagnosis::view::{LEAST_WASTE, LEAST_WASTE_SHARE, View, known};
use crate::diagnosis::window::{Column, Sample};
use crate::diagnosis::words::MB;

/// jemalloc's default; with a longer decay, or none, free pages are not on their way back.
const SHORT_DECAY_MS: f64 = 10_000.0;
/// From one look, pages that jemalloc will give back by itself may be more before they are retention: a busy
/// HTTP service had 24 % on jemalloc's defaults.
const DECAYING_SHARE: f64 = 0.3;
/// A busy service frees and takes the same pages again and again: more of them are no retention.
const BUSY_SHARE: f64 = 0.4;
/// And so much of it passes through its hands: a proxy at work had 48 MB free, and one that hashes passwords
/// had 65 MB, as scrypt takes 16 MB in each of libuv's four threads.
const BUSY_WASTE: f64 = 80.0 * MB;
/// In the last third of the window: collections, or what is allocated moves by this share.
const BUSY_COLLECTIONS: f64 = 2.0;
const BUSY_MOVES: f64 = 0.05;
/// What the later half of a window loses of what it began with, where free memory is on its way out.
const FALLING: f64 = 0.1;

pub fn judge(view: &View) -> Option<Finding> {
    if let Some(released) = view.experiment().and_then(|experiment| experiment.released) {
        return proven(view, released);
    }
    let free = view.purgeable()?;
    let unused = least_free(view).map_or(free, |least| free.min(least));
    let (least, share) = least_worth(view);
    let bytes = view.large(unused, least, share)?;
    if is_falling(view) {
        return None;
    }
    let summary =
        format!("{} was freed and not given back to the kernel: a purge returns it.", of_rss(view, bytes));
    let is_passing = has_background_decay(view) && view.window.len() < 2 * trend::LEAST_POINTS;
    let severity = if is_passing { Severity::Info } else { Severity::Warning };
    let parts = view.parts();
    let finding = Finding::new(Code::Retention, severity, bytes, summary)
        .bytes("ledger.dirty", known(&parts.dirty), Some(least), &parts.dirty.source)
        .bytes("ledger.muzzy", known(&parts.muzzy), None, &parts.muzzy.source);
    let finding = if is_passing {
        finding
            .act("Ask again in ten seconds: jemalloc's background threads should have given it back by then.")
    } else {
        finding
    };
    Some(for_good(view, finding.act("Give it back now: `await purge()`, or `POST /debug/memory/purge`.")))
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
    Some(for_good(view, finding))
}

fn for_good(view: &View, finding: Finding) -> Finding {
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

/// What was free all the time, of late: what is taken and freed by turns, as each password's hash does with
/// 16 MB, is in use, whatever moment it is looked at.
fn least_free(view: &View) -> Option<f64> {
    let recent = |figure: fn(&Sample) -> f64| {
        let mut points = view.window.series(figure);
        points.split_off(points.len() - points.len() / 3)
    };
    let pages = recent(free_pages);
    // glibc's free chunks are not all resident: no less than that was free.
    let points = if pages.is_empty() { recent(|sample| sample.get(Column::Free)) } else { pages };
    let least = points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
    (points.len() >= trend::LEAST_POINTS).then_some(least)
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

/// Whether the program is at work: then jemalloc's decay runs, and is overtaken.
pub fn is_busy(view: &View) -> bool {
    let recent = |column| {
        let points = view.window.series(|sample| sample.get(column));
        let values: Vec<f64> =
            points[points.len() - points.len() / 3..].iter().map(|point| point.value).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() { (0.0, 0.0) } else { (least, most) }
    };
    let collections = recent(Column::MajorGcs);
    let allocated = recent(Column::Allocated);
    collections.1 - collections.0 >= BUSY_COLLECTIONS || allocated.1 - allocated.0 > allocated.1 * BUSY_MOVES
}

/// From how many bytes, and which share of RSS, free pages are retention. From one look a service may be busy;
/// near a limit the little that it needs counts.
fn least_worth(view: &View) -> (f64, f64) {
    let decays = view.case.inspection.decay.as_ref().is_some_and(has_short_decay);
    let is_one_look = view.window.len() < 2 * trend::LEAST_POINTS;
    let is_busy = is_busy(view);
    let share = match (is_busy, decays) {
        (true, _) => BUSY_SHARE,
        (false, true) if is_one_look || has_background_decay(view) => DECAYING_SHARE,
        (false, _) => LEAST_WASTE_SHARE,
    };
    let may_be_busy = (is_busy || is_one_look) && view.is_far_from_limits();
    (if may_be_busy { BUSY_WASTE } else { LEAST_WASTE }, share)
}

fn has_short_decay(decay: &Decay) -> bool {
    decay.dirty_ms.is_some_and(|ms| (0.0..=SHORT_DECAY_MS).contains(&ms))
}

fn has_background_decay(view: &View) -> bool {
    let decay = view.case.inspection.decay.as_ref();
    decay.is_some_and(|decay| has_short_decay(decay) && decay.background_threads == Some(true))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::{Code, Severity};
    use crate::diagnosis::testing::{Process, codes, found_from, window};
    use crate::diagnosis::window::Column;
    use crate::diagnosis::words::MB;

    #[test]
    fn from_80_mb_and_a_fifth_of_rss() {
        for allocator in ["glibc", "tcmalloc"] {
            found_from(&Process::on(allocator), "dirty", Code::Retention, 80.0, 0.2);
        }
        let slow = json!({ "dirtyMs": 60_000.0, "backgroundThreads": true });
        let jemalloc = Process::on("jemalloc").part("dirty", 0.0);
        found_from(&jemalloc.clone().inspects("decay", slow), "dirty", Code::Retention, 80.0, 0.2);
        // What decays within ten seconds may be more, from one look.
        found_from(&jemalloc, "dirty", Code::Retention, 80.0, 0.3);
        found_from(&jemalloc, "muzzy", Code::Retention, 80.0, 0.3);
    }

    #[test]
    fn from_32_mb_at_rest_or_near_the_limit() {
        let finds = |process: Process, mb: f64, samples: &[f64]| {
            codes(&process.part("dirty", mb).rss_of(120.0).with(samples)).contains(&Code::Retention)
        };
        let rest =
            window(60, 60.0, None, &[(Column::Dirty, &|_| 60.0 * MB), (Column::Allocated, &|_| 50.0 * MB)]);
        let busy = window(60, 60.0, Some(6), &[(Column::Dirty, &|_| 60.0 * MB)]);
        let tcmalloc = || Process::on("tcmalloc");
        assert!(finds(tcmalloc(), 33.0, &rest) && !finds(tcmalloc(), 31.0, &rest));
        assert!(!finds(tcmalloc(), 50.0, &busy) && !finds(tcmalloc(), 50.0, &[]));
        let tight = || tcmalloc().limited(150.0, 125.0, 0.0);
        assert!(finds(tight(), 50.0, &busy) && finds(tight(), 50.0, &[]));
    }

    #[test]
    fn what_is_taken_and_freed_by_turns_is_in_use() {
        // As `crypto.scrypt` does with 16 MB in each of four threads.
        let hashes = |at: f64| ((at * 59.0).round() % 3.0) * 32.0 * MB;
        for (allocator, column) in [("tcmalloc", Column::Dirty), ("glibc", Column::Free)] {
            let turns = window(60, 6.0, None, &[(column, &hashes)]);
            let free = window(60, 6.0, None, &[(column, &|_| 64.0 * MB)]);
            let finds = |samples: &[f64]| {
                let process = Process::on(allocator).part("dirty", 64.0);
                codes(&process.with(samples)).contains(&Code::Retention)
            };
            assert!(!finds(&turns), "{allocator}");
            assert!(finds(&free), "{allocator}");
        }
    }

    #[test]
    fn a_busy_service_may_keep_more() {
        let busy = window(60, 60.0, Some(6), &[(Column::Dirty, &|at| (95.0 + 5.0 * (at * 40.0).sin()) * MB)]);
        let rest =
            window(60, 60.0, None, &[(Column::Dirty, &|_| 90.0 * MB), (Column::Allocated, &|_| 50.0 * MB)]);
        let moving = |at: f64| (50.0 + 10.0 * (at * 300.0).sin()) * MB;
        let moves = window(60, 60.0, None, &[(Column::Dirty, &|_| 90.0 * MB), (Column::Allocated, &moving)]);
        let found = |allocator, rss, window: &[f64]| {
            codes(&Process::on(allocator).part("dirty", 90.0).rss_of(rss).with(window))
                .contains(&Code::Retention)
        };
        for busy in [&busy, &moves] {
            for allocator in ["glibc", "jemalloc"] {
                assert!(found(allocator, 220.0, busy) && !found(allocator, 230.0, busy), "{allocator}");
            }
        }
        assert!(found("glibc", 440.0, &rest) && found("jemalloc", 440.0, &rest));
    }

    #[test]
    fn what_falls_is_on_its_way() {
        let process = Process::on("jemalloc").part("dirty", 60.0);
        let of = |level: fn(f64) -> f64| {
            let samples = window(20, 5.0, None, &[(Column::Dirty, &|at| level(at) * MB)]);
            codes(&process.with(&samples)).contains(&Code::Retention)
        };
        assert!(!of(|at| 200.0 - 140.0 * at));
        // It fell at first, and stays.
        assert!(of(|at| if at < 0.4 { 200.0 - 350.0 * at } else { 60.0 }));
        assert!(of(|_| 60.0));
    }

    #[test]
    fn a_purge_proves_it_but_for_what_was_garbage_before() {
        let rss = Process::on("glibc").rss() + 200.0;
        let tried = |garbage, after_gc| {
            Process::on("glibc").part("dirty", 204.0).tried(
                [rss, after_gc, after_gc - 190.0],
                garbage,
                1.0,
                None,
            )
        };
        assert!(tried(0.0, rss).finds(Code::Retention));
        // The collection freed 180 MB, which stayed in the allocator.
        assert!(!tried(180.0, rss).finds(Code::Retention));
        // It had left RSS before the purge.
        assert!(tried(180.0, rss - 180.0).finds(Code::Retention));
        // The ledger promised much, and the purge gave back nothing.
        let kept = Process::on("glibc").part("dirty", 204.0).tried([rss, rss, rss - 1.0], 0.0, 1.0, None);
        assert!(!kept.finds(Code::Retention));
    }

    #[test]
    fn each_allocator_gets_its_own_settings() {
        for (allocator, setting) in [
            ("glibc", "MALLOC_TRIM_THRESHOLD_"),
            ("jemalloc", "MALLOC_CONF=background_thread:true,dirty_decay_ms:1000"),
            ("tcmalloc", "TCMALLOC_RELEASE_RATE"),
        ] {
            let diagnosis = Process::on(allocator).part("dirty", 200.0).diagnose();
            let finding = &diagnosis.findings[0];
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.actions[0].contains("await purge()"), "{finding:?}");
            assert!(finding.actions.iter().any(|action| action.contains(setting)), "{finding:?}");
        }
    }
}

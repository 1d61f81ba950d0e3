//! One cause in each file: whether it is there, how sure that is, and what to do.

mod decay_not_running;
mod external_buffers;
mod handles_growing;
mod huge_pages;
mod insufficient_data;
mod js_heap;
mod limit_too_tight;
mod mapped_files;
mod native_live;
mod not_live;
mod page_cache;
mod pinned_fragmentation;
mod retention;
mod stacks;
mod thread_caches;
mod too_many_arenas;

use super::finding::{Finding, Severity, Unit};
use super::growth::{self, Basis, Growth, SOON_SECONDS};
use super::view::View;
use super::window::Sample;
use super::words;

/// All of them; their order does not matter.
pub const RULES: [fn(&View) -> Option<Finding>; 16] = [
    decay_not_running::judge,
    external_buffers::judge,
    handles_growing::judge,
    huge_pages::judge,
    insufficient_data::judge,
    js_heap::judge,
    limit_too_tight::judge,
    mapped_files::judge,
    native_live::judge,
    not_live::judge,
    page_cache::judge,
    pinned_fragmentation::judge,
    retention::judge,
    stacks::judge,
    thread_caches::judge,
    too_many_arenas::judge,
];

/// `300 MB of 400 MB RSS (75 %)`.
fn of_rss(view: &View, bytes: f64) -> String {
    match (view.rss(), view.share(bytes)) {
        (Some(rss), Some(share)) => {
            format!("{} of {} RSS ({})", words::bytes(bytes), words::bytes(rss), words::percent(share))
        }
        _ => words::bytes(bytes),
    }
}

/// How fast, from where to where, how long: what a finding of growth says after its subject.
fn grew(view: &View, growth: &Growth) -> String {
    let trend = &growth.trend;
    let of = view.rss().map_or(String::new(), |rss| format!(", of {} RSS", words::bytes(rss)));
    format!(
        "{}: {} to {} within {}{of}",
        words::speed(trend.slope),
        words::bytes(trend.start.max(0.0)),
        words::bytes(trend.start + trend.rise),
        words::seconds(trend.seconds),
    )
}

/// When the limit is reached, where that can be foreseen; begins with a comma.
fn until_limit(left: Option<f64>, limit: &str) -> String {
    left.map_or(String::new(), |left| {
        format!(", and {limit} is reached in {} at that speed", words::seconds(left))
    })
}

/// Growth is a warning, and critical where the limit is near. Nobody is woken for what few collections have
/// left: a cache that has filled up meanwhile looks the same until the next one.
fn urgency(growth: &Growth, left: Option<f64>) -> Severity {
    match left {
        Some(left) if left <= SOON_SECONDS && growth.basis != Basis::Kept => Severity::Critical,
        _ => Severity::Warning,
    }
}

/// Where the figure of that name comes from.
const STEADINESS: &str = "Kendall's tau: 1 where every later sample is higher";

/// What growth rests on, as evidence.
fn with_trend(finding: Finding, what: &str, growth: &Growth) -> Finding {
    let trend = &growth.trend;
    let source = format!(
        "Theil–Sen slope over {} points within {}: {}; 95 % interval {:.0} to {:.0} bytes/s",
        trend.points,
        words::seconds(trend.seconds),
        growth.basis.words(),
        trend.low,
        trend.high,
    );
    finding
        .shows(&format!("{what} growth"), trend.slope, Unit::BytesPerSecond, Some(0.0), &source)
        .shows(
            &format!("{what} growth, steadiness"),
            trend.tau,
            Unit::Ratio,
            Some(super::trend::MONOTONE),
            STEADINESS,
        )
        .shows(
            &format!("{what} growth, chance of noise alone"),
            trend.p,
            Unit::Ratio,
            Some(super::trend::SIGNIFICANT),
            "Mann–Kendall test",
        )
}

/// Where nobody watched long enough to tell growth from size.
fn watch_first(view: &View, finding: Finding) -> Finding {
    if view.window.len() >= 2 * super::trend::LEAST_POINTS {
        return finding;
    }
    finding.act("Call `watch()` at start and diagnose again after some minutes of traffic: whether it grows cannot be told from one look.")
}

/// Where no garbage collection has been seen to leave as much: it may be garbage, though it is large.
fn try_first(view: &View, figure: fn(&Sample) -> f64, now: f64, finding: Finding) -> Finding {
    if view.experiment().is_some() || growth::has_survived(view, figure, now) {
        return finding;
    }
    finding.act("Make sure that it is not merely garbage: `diagnose({ experiment: true })` collects it and measures again.")
}

/// The first words of every advice that puts a service on jemalloc.
const RUN_ON_JEMALLOC: &str = "Run the service on jemalloc, which gives freed pages back by itself: `npx heapgap run -- node server.js`.";

/// What makes jemalloc give freed pages back without being asked; docs/malloc-conf.md has why these.
const DECAY_PAIRS: &str = "MALLOC_CONF=background_thread:true,dirty_decay_ms:1000";

const SNAPSHOT: &str =
    "`v8.writeHeapSnapshot()`, or `GET /debug/memory/heap-snapshot` of a `route({ heapSnapshot: true })`";

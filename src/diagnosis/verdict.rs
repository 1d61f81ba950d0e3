//! Which finding matters most, and what it says to whoever is on call.

use std::cmp::Reverse;

use serde::Serialize;

use super::case::Part;
use super::finding::{Code, Finding, Place, Severity, Unit};
use super::growth;
use super::rules::RULES;
use super::trend::{LEAST_POINTS, LEAST_SECONDS};
use super::view::{LEAST_WASTE, MOST_SHARE, View, known};
use super::words::{self, MB};

/// What `diagnose()` answers, but for what JavaScript adds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    pub verdict: Code,
    /// Two sentences.
    pub summary: String,
    /// The one that matters most first.
    pub findings: Vec<Finding>,
}

pub fn diagnose(view: &View) -> Diagnosis {
    let mut findings: Vec<Finding> = RULES.iter().filter_map(|judge| judge(view)).collect();
    relate(view, &mut findings);
    findings.sort_by(|a, b| rank(a).cmp(&rank(b)).then(size(b).total_cmp(&size(a))));
    if let Some(first) = findings.first_mut() {
        explain_purge(view, first);
    }
    match findings.first() {
        Some(first) => {
            let action = first.actions.first().map_or("", String::as_str);
            Diagnosis { verdict: first.code, summary: format!("{} {action}", first.summary), findings }
        }
        None => Diagnosis { verdict: Code::Healthy, summary: healthy(view), findings },
    }
}

/// What is critical comes first, then causes; a consequence never leads.
fn rank(finding: &Finding) -> (bool, Reverse<bool>, Place) {
    let is_consequence = finding.place >= Place::Consequence;
    (is_consequence, Reverse(finding.severity == Severity::Critical), finding.place)
}

fn size(finding: &Finding) -> f64 {
    finding.bytes.unwrap_or(0.0)
}

/// Several findings about the same bytes: the one that names the cause goes first.
fn relate(view: &View, findings: &mut [Finding]) {
    let is = |code: Code| move |finding: &Finding| finding.code == code;
    if findings.iter().any(is(Code::TooManyArenas)) {
        demote(findings, &[Code::Retention, Code::PinnedFragmentation]);
    }
    if findings.iter().any(|finding| finding.code == Code::DecayNotRunning && finding.place == Place::Mass) {
        demote(findings, &[Code::Retention]);
    }
    let grows = |finding: &Finding| matches!(finding.place, Place::CauseOfGrowth | Place::Growth);
    let worst = findings.iter().filter(|finding| grows(finding)).map(|finding| finding.severity).max();
    for cause in findings.iter_mut().filter(|finding| finding.place == Place::CauseOfGrowth) {
        cause.severity = cause.severity.max(worst.unwrap_or(Severity::Info));
    }
    // A limit that something has filled is not too tight, but what has filled it is as urgent.
    let fills = |finding: &Finding| grows(finding) || is_most(view, finding);
    let limit = findings.iter().find(|finding| finding.place == Place::Limit).map(|finding| finding.severity);
    if let Some(limit) = limit
        && findings.iter().any(fills)
    {
        findings.iter_mut().filter(|finding| fills(finding)).for_each(|finding| {
            finding.severity = finding.severity.max(limit);
        });
        demote(findings, &[Code::LimitTooTight]);
    }
}

/// What is most of RSS has filled it, unless somebody watched and it does not grow: then that is what the
/// service needs.
fn is_most(view: &View, finding: &Finding) -> bool {
    let share = finding.bytes.and_then(|bytes| view.share(bytes));
    let is_steady = match finding.code {
        Code::ExternalBuffers => growth::is_steady(view, growth::buffers),
        Code::NativeLive => growth::is_steady(view, growth::native),
        _ => return false,
    };
    !is_steady && share.is_some_and(|share| share >= MOST_SHARE)
}

fn demote(findings: &mut [Finding], codes: &[Code]) {
    for finding in findings.iter_mut().filter(|finding| codes.contains(&finding.code)) {
        finding.place = Place::Consequence;
    }
}

/// A purge that was expected to release so much, and released less than half of it, needs a word.
const BROKEN_PROMISE: f64 = 0.5;

/// Why the experiment's purge gave back little, by name.
fn explain_purge(view: &View, finding: &mut Finding) {
    let Some(experiment) = view.experiment() else { return };
    let Some(released) = experiment.released else { return };
    let promised = experiment.predicted.filter(|predicted| *predicted >= LEAST_WASTE);
    let is_little = match promised {
        Some(predicted) => released < predicted * BROKEN_PROMISE,
        None => released < LEAST_WASTE / 2.0,
    };
    if !is_little {
        return;
    }
    let parts = view.parts();
    let part = |name: &str, part: &Part| {
        known(part).filter(|bytes| *bytes >= 8.0 * MB).map(|bytes| format!("{} {name}", words::bytes(bytes)))
    };
    let reasons: Vec<String> = [
        part("pinned by live objects", &parts.pinned),
        part("in thread caches", &parts.thread_caches),
        part("in huge pages, which the kernel fills again", &parts.huge_page_slack),
        part("muzzy, in RSS until the kernel takes it", &parts.muzzy),
        part("live native memory", &parts.native),
        part("live Buffers", &parts.buffers),
        part("V8's heap", &parts.v8_heap),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut words = format!(
        "the purge gave back {}; not reached: {}",
        words::bytes(released.max(0.0)),
        reasons.join(", ")
    );
    if promised.is_some() {
        words.push_str("; or another purge was in flight, or the pages had never been touched");
    }
    let (metric, source) = ("what the purge did not reach", "ledger and experiment");
    *finding = finding.clone().shows(metric, words.as_str(), Unit::Text, None, source);
}

/// How many parts a healthy process's summary names.
const NAMED: usize = 3;

/// What rises, and of which nobody can say yet whether it grows.
fn unjudged(view: &View) -> Option<&'static str> {
    let heap = growth::is_unjudged(view, growth::heap).then_some("V8's heap");
    heap.or_else(|| growth::is_unjudged(view, growth::buffers).then_some("the memory of Buffers"))
}

fn healthy(view: &View) -> String {
    let seconds = view.window.seconds();
    let watched = view.window.len() >= 2 * LEAST_POINTS && seconds >= LEAST_SECONDS;
    let growth = if let Some(unjudged) = watched.then(|| unjudged(view)).flatten() {
        format!(
            "Nothing calls for action yet, but {unjudged} rose within {}, and V8 has not collected often enough to tell a leak from garbage: ask again after some minutes.",
            words::seconds(seconds),
        )
    } else if watched {
        format!("Nothing calls for action, and within {} nothing grew that matters.", words::seconds(seconds))
    } else if view.window.len() > 0 {
        format!(
            "Nothing calls for action at its size; whether it grows cannot be said after {} of `watch()`: ask again after some minutes.",
            words::seconds(seconds),
        )
    } else {
        "Nothing calls for action at its size; whether it grows cannot be said, because nobody watched: call `watch()` and ask again after some minutes.".to_owned()
    };
    let Some(rss) = view.rss() else { return growth };
    let parts = view.parts();
    let mut named: Vec<(f64, &str)> = [
        (&parts.v8_heap, "V8's heap"),
        (&parts.v8_workers, "heaps of worker threads"),
        (&parts.buffers, "Buffers"),
        (&parts.external, "native memory of JavaScript objects"),
        (&parts.native, "native memory"),
        (&parts.code, "code"),
        (&parts.mapped_files, "mapped files"),
        (&parts.pinned, "pinned by small objects"),
        (&parts.dirty, "freed and not given back yet"),
        (&parts.stacks, "stacks"),
        (&parts.shared, "shared memory"),
        (&parts.unattributed, "unattributed"),
    ]
    .into_iter()
    .filter_map(|(part, name)| known(part).filter(|bytes| *bytes > 0.0).map(|bytes| (bytes, name)))
    .collect();
    named.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let list: Vec<_> =
        named.iter().take(NAMED).map(|(bytes, name)| format!("{} {name}", words::bytes(*bytes))).collect();
    let list = if list.is_empty() { String::new() } else { format!(", mostly {}", list.join(", ")) };
    format!("RSS is {}{list}. {growth}", words::bytes(rss))
}

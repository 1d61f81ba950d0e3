//! `handles-growing`: something is opened again and again, and never closed.

use super::{STEADINESS, until_limit};
use crate::diagnosis::finding::{Code, Finding, Place, Severity, Unit};
use crate::diagnosis::growth::{self, SOON_SECONDS};
use crate::diagnosis::trend::Trend;
use crate::diagnosis::view::View;
use crate::diagnosis::window::Column;
use crate::diagnosis::words::{self, MB};

/// At this share of the limit, the next burst ends in EMFILE.
const NEAR_FD_LIMIT: f64 = 0.8;
/// What one handle with its streams, buffers and closures can explain; where more grows for each, another
/// leak is the larger one.
const MOST_PER_HANDLE: f64 = 1.0 * MB;
/// Which types are worth naming: of the handles, and how many types.
const GOOD_PART: f64 = 0.1;
const TOP: usize = 3;

pub fn judge(view: &View) -> Option<Finding> {
    let resources = growth::of_count(view, Column::Resources);
    let fds = growth::of_count(view, Column::Fds);
    // What leaks descriptors leaks at least as many as it leaks resources, or holds none.
    let grown = match (resources, fds) {
        (Some(resources), Some(fds)) if fds.rise > resources.rise => Some(("open file descriptors", fds)),
        (Some(resources), _) => Some(("active resources", resources)),
        (None, Some(fds)) => Some(("open file descriptors", fds)),
        (None, None) => None,
    };
    match grown {
        Some((what, trend)) => Some(growing(view, what, &trend, fds.as_ref())),
        None => near_limit(view),
    }
}

fn growing(view: &View, what: &str, trend: &Trend, fds: Option<&Trend>) -> Finding {
    let left = fds.zip(fd_room(view)).map(|(fds, room)| room / fds.slope);
    let is_soon = left.is_some_and(|left| left <= SOON_SECONDS.min(trend.seconds * 30.0));
    let types = types(view, trend.start + trend.rise);
    let summary = format!(
        "The number of {what} grows by {} a minute: {:.0} to {:.0} within {}{}{}.",
        words::about(trend.slope * 60.0),
        trend.start.max(0.0),
        trend.start + trend.rise,
        words::seconds(trend.seconds),
        if types.is_empty() { String::new() } else { format!(" (now {})", words_of(&types)) },
        until_limit(left.filter(|_| is_soon), "the limit of open descriptors"),
    );
    let severity = if is_soon { Severity::Critical } else { Severity::Warning };
    let place = if explains_growth(view, trend.rise) { Place::CauseOfGrowth } else { Place::Growth };
    let source =
        format!("Theil–Sen slope over {} minima within {}", trend.points, words::seconds(trend.seconds));
    let finding = Finding::new(Code::HandlesGrowing, severity, None, summary)
        .at(place)
        .shows(
            what,
            (trend.start + trend.rise).round(),
            Unit::Count,
            Some(trend.start.max(0.0).round()),
            "watch()",
        )
        .shows(&format!("{what} growth"), trend.slope, Unit::CountPerSecond, Some(0.0), &source)
        .shows(
            &format!("{what} growth, steadiness"),
            trend.tau,
            Unit::Ratio,
            Some(crate::diagnosis::trend::MONOTONE),
            STEADINESS,
        );
    advise(finding, &types)
}

fn explains_growth(view: &View, more: f64) -> bool {
    let rise = |figure, without_gc| {
        growth::of_bytes(view, figure, without_gc).map_or(0.0, |growth| growth.trend.rise)
    };
    let bytes = rise(growth::heap, false) + rise(growth::buffers, false) + rise(growth::native, true);
    bytes <= more * MOST_PER_HANDLE
}

fn near_limit(view: &View) -> Option<Finding> {
    let (open, limit) = (view.case.inspection.process.fds?, fd_limit(view)?);
    if open < limit * NEAR_FD_LIMIT {
        return None;
    }
    let types = types(view, open);
    let summary = format!(
        "{open:.0} file descriptors are open of {limit:.0} that are allowed ({}): the next ones fail with EMFILE.",
        words::percent(open / limit)
    );
    let finding = Finding::new(Code::HandlesGrowing, Severity::Critical, None, summary)
        .at(Place::CauseOfGrowth)
        .shows("process.fds", open, Unit::Count, Some(limit * NEAR_FD_LIMIT), "/proc/self/fd");
    Some(advise(finding, &types))
}

fn fd_limit(view: &View) -> Option<f64> {
    view.case.facts.fd_limit.filter(|limit| *limit > 0.0)
}

fn fd_room(view: &View) -> Option<f64> {
    Some((fd_limit(view)? - view.case.inspection.process.fds?).max(0.0))
}

/// The types of resources that there are most of, if they are a good part of `among` handles. A file that
/// stays open is no active resource.
fn types<'a>(view: &'a View, among: f64) -> Vec<(f64, &'a str)> {
    let resources = view.case.inspection.resources.iter();
    let mut counts: Vec<_> = resources
        .filter_map(|(name, count)| Some(((*count)?, name.as_str())))
        .filter(|(count, _)| *count >= among * GOOD_PART)
        .collect();
    counts.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    counts.truncate(TOP);
    counts
}

/// `1200 Timeout, 40 TCPSocketWrap`.
fn words_of(types: &[(f64, &str)]) -> String {
    types.iter().map(|(count, name)| format!("{count:.0} {name}")).collect::<Vec<_>>().join(", ")
}

fn advise(finding: Finding, types: &[(f64, &str)]) -> Finding {
    let name = types.first().map_or("", |(_, name)| name);
    let is_one_of = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let first = if is_one_of(&["Timeout", "Immediate"]) {
        "Look for timers that are set on each request and never cleared: `setInterval` without `clearInterval`, above all."
    } else if is_one_of(&["Socket", "TCP", "TLS", "Pipe"]) {
        "Look for sockets that are never closed: response bodies that nobody consumes, clients made for each request, connections without a timeout."
    } else if is_one_of(&["FSEvent", "StatWatcher"]) {
        "Look for watchers that are never closed: `fs.watch` and `fs.watchFile` on each request."
    } else {
        "Look for what is opened and never closed: streams, files, database cursors and connections, above all where an error is handled."
    };
    let finding = if types.is_empty() {
        finding
    } else {
        let words = words_of(types);
        finding.shows("resources", words.as_str(), Unit::Text, None, "process.getActiveResourcesInfo()")
    };
    finding
        .act(first)
        .act("See what they are: `ls -l /proc/<pid>/fd` shows files and sockets, and two heap snapshots some minutes apart show the objects and who holds them.")
        .act("Close in `finally`, or use `stream.pipeline()`, which closes all streams when one of them fails.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::{Code, Severity};
    use crate::diagnosis::testing::{Process, codes, window};
    use crate::diagnosis::window::Column;

    #[test]
    fn fifty_more_and_half_as_many_again() {
        for column in [Column::Resources, Column::Fds] {
            let grows = |start: f64, end: f64| {
                let samples = window(48, 60.0, None, &[(column, &|at| start + (end - start) * at)]);
                codes(&Process::on("glibc").with(&samples)).contains(&Code::HandlesGrowing)
            };
            assert!(grows(20.0, 75.0) && !grows(20.0, 65.0));
            assert!(grows(200.0, 310.0) && !grows(200.0, 295.0));
        }
    }

    #[test]
    fn a_type_is_named_where_it_is_what_grows() {
        let samples = window(48, 60.0, None, &[(Column::Fds, &|at| 20.0 + 400.0 * at)]);
        let with = |resources| Process::on("glibc").inspects("resources", resources).with(&samples).summary;
        assert!(with(json!({ "TCPServerWrap": 1.0, "TCPSocketWrap": 390.0 })).contains("sockets"));
        let files = with(json!({ "TCPServerWrap": 1.0, "Timeout": 3.0 }));
        assert!(files.contains("streams, files, database cursors") && !files.contains("now"), "{files}");
    }

    #[test]
    fn a_pool_that_fills_is_none() {
        let samples = window(60, 60.0, None, &[(Column::Fds, &|at| 20.0 + (at * 2.0).min(1.0) * 500.0)]);
        assert_eq!(codes(&Process::on("glibc").with(&samples)), []);
    }

    #[test]
    fn eight_tenths_of_the_descriptors_are_critical() {
        let with = |open: f64| {
            let process = Process::on("glibc").inspects("process", json!({ "fds": open }));
            process.fact("fdLimit", json!(1000.0)).diagnose().findings.first().map(|finding| finding.severity)
        };
        assert_eq!(with(800.0), Some(Severity::Critical));
        assert_eq!(with(799.0), None);
    }

    #[test]
    fn descriptors_that_run_out_soon_are_critical() {
        let samples = window(60, 60.0, None, &[(Column::Fds, &|at| 20.0 + 300.0 * at)]);
        let with = |limit: f64| {
            let process = Process::on("glibc").inspects("process", json!({ "fds": 320.0 }));
            process.fact("fdLimit", json!(limit)).with(&samples).findings[0].severity
        };
        assert_eq!(with(1024.0), Severity::Critical);
        assert_eq!(with(1_048_576.0), Severity::Warning);
    }
}

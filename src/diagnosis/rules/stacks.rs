//! `stacks`: the threads' stacks.

use super::of_rss;
use crate::diagnosis::finding::{Code, Finding, Severity, Unit};
use crate::diagnosis::view::{View, known};
use crate::diagnosis::words::{self, MB};

/// An idle service's seven threads have touched 120 KB of their stacks in all: this is a deep recursion, or
/// very many threads.
const LEAST: f64 = 32.0 * MB;
const LEAST_SHARE: f64 = 0.15;
/// How many names are worth it.
const TOP: usize = 3;

pub fn judge(view: &View) -> Option<Finding> {
    let part = &view.parts().stacks;
    let bytes = view.large(known(part)?, LEAST, LEAST_SHARE)?;
    let threads = view.case.inspection.process.threads.filter(|threads| *threads > 0.0);
    let of = threads.map_or("threads".to_owned(), |threads| words::count(threads, "thread"));
    let summary = format!(
        "The stacks of {of} are {}: what a thread has touched once stays resident until it ends.",
        of_rss(view, bytes)
    );
    let mut finding = Finding::new(Code::Stacks, Severity::Warning, bytes, summary).bytes(
        "ledger.stacks",
        Some(bytes),
        Some(LEAST),
        &part.source,
    );
    if let Some(threads) = threads {
        finding = finding.shows("process.threads", threads, Unit::Count, None, "/proc/self/status");
    }
    let names = names(view);
    if !names.is_empty() {
        finding = finding.shows("threads", names.as_str(), Unit::Text, None, "inspect().threads");
    }
    Some(finding
        .act("Look for deep recursion (a parser, a tree walk, a `--stack-size` that was raised), and turn it into a loop.")
        .act("Start fewer threads: worker threads (`resourceLimits.stackSizeMb` bounds each one's stack), `UV_THREADPOOL_SIZE`, the pools of native addons.")
        .act("No purge returns a stack: end the thread, or restart the process."))
}

fn names(view: &View) -> String {
    let mut threads: Vec<_> = view
        .case
        .inspection
        .threads
        .iter()
        .filter_map(|thread| Some((thread.count?, &thread.name)))
        .collect();
    threads.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    threads
        .iter()
        .take(TOP)
        .map(|(count, name)| format!("{count:.0} × {name}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, found_from};

    #[test]
    fn from_32_mb_and_15_percent_of_rss() {
        found_from(&Process::on("glibc"), "stacks", Code::Stacks, 32.0, 0.15);
    }
}

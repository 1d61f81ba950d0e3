//! `thread-caches`: threads keep freed objects for themselves.

use super::of_rss;
use crate::diagnosis::finding::{Code, Finding, Severity};
use crate::diagnosis::view::{LEAST_WASTE, View, known};
use crate::diagnosis::words;

/// They are there for speed: less than a tenth is their price.
const LEAST_SHARE: f64 = 0.1;

pub fn judge(view: &View) -> Option<Finding> {
    let part = &view.parts().thread_caches;
    let bytes = view.large(known(part)?, LEAST_WASTE, LEAST_SHARE)?;
    let threads = view.case.inspection.process.threads.filter(|threads| *threads > 0.0);
    let of = threads.map_or("threads".to_owned(), |threads| words::count(threads, "thread"));
    let summary = format!(
        "{} is in the caches of {of}: freed objects that a purge does not reach.",
        of_rss(view, bytes)
    );
    let finding = Finding::new(Code::ThreadCaches, Severity::Warning, bytes, summary).bytes(
        "ledger.threadCaches",
        Some(bytes),
        Some(LEAST_WASTE),
        &part.source,
    );
    let finding = match view.case.inspection.allocator.name.as_str() {
        "jemalloc" => finding.act("Make them smaller: `MALLOC_CONF=tcache_max:4096`, which `npx heapgap run` sets; `tcache:false` turns them off, which costs processor time."),
        "tcmalloc" => finding.act("Make them smaller: `TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=8388608`."),
        _ => finding.act("Run the service on jemalloc with caches that fit: `npx heapgap run -- node server.js`."),
    };
    Some(finding.act("Start fewer threads, or end those that are idle: worker threads, `UV_THREADPOOL_SIZE`, the pools of native addons."))
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, found_from};

    #[test]
    fn from_32_mb_and_a_tenth_of_rss() {
        found_from(&Process::on("jemalloc"), "threadCaches", Code::ThreadCaches, 32.0, 0.1);
    }
}

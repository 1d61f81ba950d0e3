//! `not-live`: another allocator serves malloc than the environment promises.

use crate::diagnosis::finding::{Code, Finding, Place, Severity, Unit};
use crate::diagnosis::view::View;

pub fn judge(view: &View) -> Option<Finding> {
    let expected = view.case.facts.expected.as_ref()?;
    let live = &view.case.inspection.allocator;
    // An allocator that no probe knows may be the expected one, built in another way.
    let is_known = !matches!(live.name.as_str(), "" | "unknown");
    if expected.name.is_empty() || !is_known || expected.name == live.name {
        return None;
    }
    let name = match &live.version {
        Some(version) => format!("{} {version}", live.name),
        None => live.name.clone(),
    };
    let summary = format!(
        "{} promises {}, but {name} serves malloc: what was configured for it has no effect.",
        expected.source, expected.name
    );
    Some(Finding::new(Code::NotLive, Severity::Warning, None, summary)
        .at(Place::Premise)
        .shows("allocator.name", live.name.as_str(), Unit::Text, None, "allocator().evidence")
        .shows("expected", expected.name.as_str(), Unit::Text, None, &expected.source)
        .act("Ask why: `npx heapgap doctor --pid <pid>` names the wrong path, processor, libc or lost variable, and the lines that mend it.")
        .act("Or let heapgap find the library: `npx heapgap run -- node server.js`, or `import 'heapgap/preload'` as the first line."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::Process;

    #[test]
    fn only_another_allocator_that_is_known() {
        let finds = |promised: &str, live: &str| {
            let expected = json!({ "name": promised, "source": "LD_PRELOAD" });
            Process::on(live).fact("expected", expected).finds(Code::NotLive)
        };
        assert!(finds("jemalloc", "glibc") && finds("mimalloc", "jemalloc") && finds("tcmalloc", "musl"));
        assert!(!finds("jemalloc", "jemalloc") && !finds("jemalloc", "unknown") && !finds("", "glibc"));
        assert!(!Process::on("glibc").finds(Code::NotLive));
    }
}

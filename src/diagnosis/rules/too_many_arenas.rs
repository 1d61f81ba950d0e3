//! `too-many-arenas`: each thread's arena keeps free memory that the others cannot use.

use super::of_rss;
use crate::diagnosis::case::Arena;
use crate::diagnosis::finding::{Code, Finding, Severity, Unit};
use crate::diagnosis::view::{LEAST_WASTE, LEAST_WASTE_SHARE, View};
use crate::diagnosis::words;

/// So few are what glibc makes of any Node.js process: the main one, four for libuv's pool, four for V8's
/// threads, and those of a few more.
const FEW: usize = 12;
/// Twice what heapgap gives jemalloc, half of what that takes by itself (docs/malloc-conf.md).
const PER_CPU: f64 = 2.0;
/// What heapgap gives jemalloc where there is one CPU.
const LEAST: f64 = 2.0;
/// Most of it is outside of the largest arena: else the number of arenas is not the cause.
const SPREAD: f64 = 0.5;

pub fn judge(view: &View) -> Option<Finding> {
    let arenas = &view.case.inspection.arenas;
    let cpus = view.case.facts.cpus.filter(|cpus| *cpus > 0.0);
    let in_use = arenas.len();
    if in_use <= FEW || cpus.is_some_and(|cpus| in_use as f64 <= cpus * PER_CPU) {
        return None;
    }
    let waste: Vec<f64> = arenas.iter().filter_map(waste).collect();
    let sum: f64 = waste.iter().sum();
    let largest = waste.iter().copied().fold(0.0, f64::max);
    let bytes = view.large(sum, LEAST_WASTE, LEAST_WASTE_SHARE)?;
    if sum - largest < sum * SPREAD {
        return None;
    }
    let many = words::count(in_use as f64, "arena");
    let on = cpus.map_or(String::new(), |cpus| format!(" on {}", words::count(cpus, "CPU")));
    let summary = format!(
        "{} is free memory spread over {many}{on}, where one cannot use what another has free.",
        of_rss(view, bytes)
    );
    let finding = Finding::new(Code::TooManyArenas, Severity::Warning, bytes, summary)
        .shows(
            "arenas in use",
            in_use as f64,
            Unit::Count,
            Some(cpus.map_or(FEW as f64, |cpus| (cpus * PER_CPU).max(FEW as f64))),
            "inspect().arenas",
        )
        .bytes("free in all arenas", Some(sum), Some(LEAST_WASTE), "inspect().arenas")
        .bytes("free in the largest", Some(largest), Some(sum * SPREAD), "inspect().arenas");
    let finding = if view.is("jemalloc") {
        let fitting = cpus.map_or(LEAST, |cpus| cpus.ceil().max(LEAST));
        finding.act(format!("Start the service with fewer: `MALLOC_CONF=narenas:{fitting:.0},background_thread:true,dirty_decay_ms:1000`, or what fits the container: `npx heapgap run -- node server.js`."))
    } else {
        finding.act("Start the service with `MALLOC_ARENA_MAX=2`.").act(
            "Or run it on jemalloc, which shares better among threads: `npx heapgap run -- node server.js`.",
        )
    };
    Some(finding
        .act("Until then: `await purge()`, or `POST /debug/memory/purge`, returns what is free in whole pages.")
        .act("Start fewer threads: worker threads, `UV_THREADPOOL_SIZE`, the pools of native addons."))
}

/// Free and resident in one arena, as its allocator tells it.
fn waste(arena: &Arena) -> Option<f64> {
    let sum = [arena.dirty, arena.muzzy, arena.pinned].into_iter().flatten().sum::<f64>();
    let told = arena.dirty.is_some() || arena.pinned.is_some();
    // glibc: free chunks are not all resident.
    let free = match (arena.resident, arena.allocated, arena.free) {
        (Some(resident), Some(allocated), _) => Some((resident - allocated).max(0.0)),
        (Some(resident), None, Some(free)) => Some(free.min(resident)),
        _ => None,
    };
    if told { Some(sum) } else { free }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::Process;
    use crate::diagnosis::words::MB;

    fn finds(process: &Process) -> bool {
        process.finds(Code::TooManyArenas)
    }

    #[test]
    fn more_than_a_dozen_and_than_two_for_each_cpu() {
        for allocator in ["glibc", "jemalloc"] {
            let process = Process::on(allocator).part("dirty", 60.0).rss_of(150.0);
            assert!(finds(&process.clone().arenas(13, 5.0)));
            assert!(!finds(&process.clone().arenas(12, 5.0)));
            let cpus = process.clone().fact("cpus", json!(8.0));
            assert!(!finds(&cpus.clone().arenas(16, 4.0)) && finds(&cpus.arenas(17, 4.0)));
            assert!(finds(&process.fact("cpus", json!(null)).arenas(13, 5.0)));
        }
    }

    #[test]
    fn advises_an_arena_for_each_cpu_and_two_at_least() {
        for (cpus, narenas) in [(json!(8.0), 8), (json!(1.0), 2), (json!(null), 2)] {
            let process = Process::on("jemalloc").part("dirty", 60.0).rss_of(150.0).fact("cpus", cpus);
            let diagnosis = process.arenas(17, 4.0).diagnose();
            let found = diagnosis.findings.iter().filter(|one| one.code == Code::TooManyArenas);
            let actions: Vec<_> = found.flat_map(|one| &one.actions).collect();
            let wanted = format!("MALLOC_CONF=narenas:{narenas},");
            assert!(actions.iter().any(|action| action.contains(&wanted)), "{actions:?}");
        }
    }

    #[test]
    fn from_32_mb_and_a_fifth_of_rss() {
        let with = |waste: f64, rss: f64| finds(&Process::on("glibc").rss_of(rss).arenas(16, waste / 16.0));
        assert!(with(32.0, 159.0));
        assert!(!with(31.0, 140.0) && !with(32.0, 161.0));
    }

    #[test]
    fn one_arena_with_most_of_it_is_not_many() {
        let with = |largest: f64| {
            let mut arenas = vec![json!({ "dirty": 3.0 * MB, "pinned": 0.0 }); 12];
            arenas.push(json!({ "dirty": largest * MB, "pinned": 0.0 }));
            finds(&Process::on("jemalloc").part("dirty", 60.0).inspects("arenas", arenas.into()))
        };
        assert!(with(36.0));
        assert!(!with(37.0));
    }

    #[test]
    fn free_chunks_that_are_not_resident_do_not_count() {
        let arena = |resident: f64| vec![json!({ "resident": resident * MB, "free": 20.0 * MB }); 13];
        let with = |resident| finds(&Process::on("glibc").inspects("arenas", arena(resident).into()));
        assert!(with(4.0));
        assert!(!with(0.5));
    }
}

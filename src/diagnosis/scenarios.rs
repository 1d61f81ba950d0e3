//! Programs that someone may be called for at night, with figures as the allocators report them, and the
//! verdict that an experienced engineer would give.

use proptest::prelude::*;
use serde_json::json;

use super::finding::{Code, Severity};
use super::testing::{Process, codes, window};
use super::window::Column;
use super::words::MB;

const ALLOCATORS: [&str; 4] = ["glibc", "jemalloc", "mimalloc", "tcmalloc"];

/// Noise of a busy service: −1 to 1, the same on every run.
fn noise(at: f64) -> f64 {
    ((at * 7919.0).sin() + (at * 104_729.0).sin()) / 2.0
}

#[test]
fn an_idle_service_is_healthy() {
    for allocator in ALLOCATORS {
        let idle = Process::on(allocator);
        let diagnosis = idle.diagnose();
        assert_eq!(codes(&diagnosis), [], "{allocator}: {}", diagnosis.summary);
        assert_eq!(diagnosis.verdict, Code::Healthy);
        assert!(diagnosis.summary.contains("nobody watched"), "{}", diagnosis.summary);
        assert_eq!(idle.limited(512.0, 60.0, 20.0).codes(), []);
    }
}

#[test]
fn a_busy_service_is_healthy() {
    let samples = window(
        600,
        600.0,
        Some(15),
        &[
            (Column::HeapUsed, &|at| (90.0 + 25.0 * noise(at)) * MB),
            (Column::ArrayBuffers, &|at| (20.0 + 12.0 * noise(at + 0.1)) * MB),
            (Column::Allocated, &|at| (70.0 + 20.0 * noise(at + 0.2)) * MB),
            (Column::Dirty, &|at| (25.0 + 10.0 * noise(at + 0.3)) * MB),
            (Column::Resources, &|at| 120.0 + 60.0 * noise(at)),
            (Column::Fds, &|at| 140.0 + 60.0 * noise(at)),
        ],
    );
    for allocator in ALLOCATORS {
        let busy =
            Process::on(allocator).heap(95.0).part("buffers", 24.0).part("native", 30.0).part("dirty", 30.0);
        let busy = busy.limited(512.0, 260.0, 30.0);
        let diagnosis = busy.with(&samples);
        assert_eq!(codes(&diagnosis), [], "{allocator}: {}", diagnosis.summary);
        assert!(diagnosis.summary.contains("within 10 min nothing grew"), "{}", diagnosis.summary);
        assert_eq!(busy.codes(), [], "{allocator}");
    }
}

#[test]
fn a_service_that_warms_up_is_healthy() {
    let warm = |at: f64| 1.0 - (-3.0 * at).exp();
    let samples = window(
        120,
        120.0,
        Some(10),
        &[
            (Column::HeapUsed, &|at| (20.0 + 100.0 * warm(at)) * MB),
            (Column::ArrayBuffers, &|at| (1.0 + 30.0 * warm(at)) * MB),
            (Column::Allocated, &|at| (30.0 + 80.0 * warm(at)) * MB),
            (Column::Resources, &|at| 5.0 + 200.0 * warm(at)),
            (Column::Fds, &|at| 20.0 + 200.0 * warm(at)),
        ],
    );
    for allocator in ["glibc", "jemalloc", "tcmalloc"] {
        let service = Process::on(allocator).heap(120.0).part("buffers", 31.0).part("native", 50.0);
        let diagnosis = service.with(&samples);
        assert_eq!(codes(&diagnosis), [], "{allocator}: {}", diagnosis.summary);
    }
}

/// A leak of so many MB, seen after each fifth sample's collection; `column` alone grows, and what follows it.
fn leak(column: Column, mb: f64) -> Vec<f64> {
    let grow = |at: f64| (12.0 + mb * at) * MB;
    let of = |wanted: Column, still: f64| move |at: f64| if wanted == column { grow(at) } else { still * MB };
    let heap = of(Column::HeapUsed, 12.0);
    let garbage = move |at: f64| {
        heap(at) + (at * 24.0).fract() * 8.0 * MB * f64::from(u8::from((at * 60.0) as u32 % 5 != 4))
    };
    let buffers = of(Column::ArrayBuffers, 1.0);
    let native = of(Column::Allocated, 15.0);
    window(
        60,
        12.0,
        Some(5),
        &[
            (Column::HeapUsed, &garbage),
            (Column::ArrayBuffers, &buffers),
            (Column::Allocated, &|at| native(at) + buffers(at)),
            (Column::Resources, &|_| 3.0),
            (Column::Fds, &|_| 22.0),
        ],
    )
}

#[test]
fn an_unbounded_map_or_a_pile_of_listeners_is_the_heap() {
    for allocator in ALLOCATORS {
        let process = Process::on(allocator).heap(200.0);
        let diagnosis = process.with(&leak(Column::HeapUsed, 170.0));
        assert_eq!(diagnosis.verdict, Code::JsHeap, "{allocator}: {}", diagnosis.summary);
        assert_ne!(diagnosis.findings[0].severity, Severity::Info);
        assert!(diagnosis.summary.contains("grows by"), "{}", diagnosis.summary);
        // From one look it is what RSS consists of.
        let diagnosis = process.diagnose();
        assert_eq!((diagnosis.verdict, diagnosis.findings[0].severity), (Code::JsHeap, Severity::Info));
        // A leak that is small still.
        let small = Process::on(allocator).heap(55.0);
        assert_eq!(small.verdict_with(&leak(Column::HeapUsed, 45.0)), Code::JsHeap, "{allocator}");
    }
}

#[test]
fn a_heap_that_reaches_a_limit_soon_is_critical() {
    let process = Process::on("glibc").heap(200.0);
    let samples = leak(Column::HeapUsed, 170.0);
    let by = |process: Process| process.with(&samples).findings[0].clone();
    let v8 = by(process.clone().heap_limit(500.0));
    assert_eq!((v8.code, v8.severity), (Code::JsHeap, Severity::Critical));
    assert!(v8.summary.contains("V8's heap limit"), "{}", v8.summary);
    let group = by(process.limited(512.0, 280.0, 10.0));
    assert_eq!((group.code, group.severity), (Code::JsHeap, Severity::Critical));
    assert!(group.summary.contains("the container's limit"), "{}", group.summary);
}

#[test]
fn a_leak_that_has_filled_its_container_is_not_a_limit_too_tight() {
    let process = Process::on("glibc").heap(400.0).limited(512.0, 500.0, 10.0);
    assert_eq!(process.verdict(), Code::LimitTooTight);
    let diagnosis = process.with(&leak(Column::HeapUsed, 300.0));
    assert_eq!(codes(&diagnosis), [Code::JsHeap, Code::LimitTooTight]);
    assert_eq!(diagnosis.findings[0].severity, Severity::Critical);
    // Neither is one that Buffers have filled, seen to grow or not.
    let process = Process::on("glibc").part("buffers", 400.0).limited(512.0, 500.0, 10.0);
    let buffers = process.diagnose();
    assert_eq!(codes(&buffers), [Code::ExternalBuffers, Code::LimitTooTight]);
    assert_eq!(buffers.findings[0].severity, Severity::Critical);
    // Where somebody watched and they do not grow, it is.
    let level = window(60, 60.0, None, &[(Column::ArrayBuffers, &|_| 400.0 * MB)]);
    assert_eq!(process.verdict_with(&level), Code::LimitTooTight);
}

#[test]
fn worker_threads_heaps_are_heap() {
    let workers = vec![json!({ "heapUsed": 38.0 * MB }); 8];
    let process = Process::on("jemalloc").part("v8Workers", 330.0).inspects("workers", workers.into());
    let diagnosis = process.diagnose();
    assert_eq!(diagnosis.verdict, Code::JsHeap, "{}", diagnosis.summary);
    assert!(diagnosis.summary.contains("8 worker threads"), "{}", diagnosis.summary);
    // Node.js before 22.16 cannot ask them.
    let unasked = Process::on("jemalloc").part("v8Workers", 330.0);
    assert_eq!(unasked.verdict(), Code::JsHeap);
}

#[test]
fn kept_buffers_are_external_buffers() {
    for allocator in ALLOCATORS {
        let process = Process::on(allocator).part("buffers", 300.0);
        assert!((380.0..420.0).contains(&process.rss()));
        assert_eq!(process.verdict(), Code::ExternalBuffers, "{allocator}");
        assert_eq!(
            process.verdict_with(&leak(Column::ArrayBuffers, 290.0)),
            Code::ExternalBuffers,
            "{allocator}"
        );
        // Watched for ten minutes, and not growing: still three quarters of RSS.
        let still = window(600, 600.0, None, &[(Column::ArrayBuffers, &|_| 300.0 * MB)]);
        assert_eq!(process.verdict_with(&still), Code::ExternalBuffers, "{allocator}");
    }
}

#[test]
fn buffers_that_were_let_go_are_garbage() {
    // 64 MB to 200 MB, over and over, and 4 MB after each collection.
    let saw = |at: f64| {
        if (at * 60.0).round() as u32 % 6 == 5 { 4.0 } else { 300.0 * (at * 10.0).fract().max(0.2) }
    };
    let samples = window(61, 60.0, Some(6), &[(Column::ArrayBuffers, &|at| saw(at) * MB)]);
    let process = Process::on("glibc").part("buffers", 180.0);
    assert_eq!(process.verdict(), Code::ExternalBuffers);
    assert_eq!(codes(&process.with(&samples)), []);
    // The experiment says so as well.
    let tried = process.tried([260.0, 258.0, 90.0], 176.0, 1.0, None);
    let diagnosis = tried.diagnose();
    assert_eq!(diagnosis.verdict, Code::JsHeap, "{}", diagnosis.summary);
    assert!(diagnosis.summary.contains("garbage"), "{}", diagnosis.summary);
}

#[test]
fn native_memory_that_addons_keep_is_native() {
    for allocator in ["glibc", "jemalloc", "tcmalloc"] {
        let process = Process::on(allocator).part("native", 180.0);
        assert_eq!(process.verdict(), Code::NativeLive, "{allocator}");
        assert_eq!(process.verdict_with(&leak(Column::Allocated, 170.0)), Code::NativeLive, "{allocator}");
        // sharp gives its images to V8 as Buffers of memory of its own: external, and no ArrayBuffers.
        let sharp = Process::on(allocator).part("external", 150.0).part("native", 30.0);
        assert_eq!(sharp.verdict(), Code::ExternalBuffers, "{allocator}");
    }
}

#[test]
fn an_allocator_that_does_not_split_is_told_apart_by_trying() {
    let process = Process::on("mimalloc").part("native", 180.0).bound("native");
    assert_eq!(process.verdict(), Code::InsufficientData);
    let rss = process.rss();
    // Its purge reaches nothing that the JavaScript thread has freed: that it stays proves nothing.
    let stays = process.clone().tried([rss, rss, rss - 4.0], 0.0, 1.0, None);
    assert_eq!(stays.verdict(), Code::InsufficientData);
    let kept = process.tried([rss, rss, rss - 150.0], 0.0, 1.0, None);
    assert_eq!(kept.verdict(), Code::Retention);
}

#[test]
fn a_stream_that_is_never_closed_is_a_handle_even_where_the_heap_grows() {
    let open = |at: f64| 20.0 + 800.0 * at;
    let samples = window(
        60,
        12.0,
        Some(5),
        &[
            (Column::HeapUsed, &|at| (12.0 + 60.0 * at) * MB),
            (Column::ArrayBuffers, &|at| (1.0 + 52.0 * at) * MB),
            (Column::Allocated, &|at| (16.0 + 90.0 * at) * MB),
            (Column::Resources, &|_| 4.0),
            (Column::Fds, &open),
        ],
    );
    for allocator in ALLOCATORS {
        let process = Process::on(allocator).heap(75.0).part("buffers", 53.0);
        let diagnosis = process.with(&samples);
        assert_eq!(diagnosis.verdict, Code::HandlesGrowing, "{allocator}: {}", diagnosis.summary);
        assert!(codes(&diagnosis).contains(&Code::JsHeap));
    }
    // Near the limit of descriptors, also from one look.
    let near =
        Process::on("glibc").inspects("process", json!({ "fds": 900.0 })).fact("fdLimit", json!(1024.0));
    let diagnosis = near.diagnose();
    assert_eq!(diagnosis.verdict, Code::HandlesGrowing);
    assert_eq!(diagnosis.findings[0].severity, Severity::Critical);
}

#[test]
fn timers_that_are_never_cleared_are_named() {
    let samples =
        window(60, 30.0, None, &[(Column::Resources, &|at| 10.0 + 5000.0 * at), (Column::Fds, &|_| 22.0)]);
    let process =
        Process::on("jemalloc").inspects("resources", json!({ "Timeout": 5010.0, "TCPServerWrap": 1.0 }));
    let diagnosis = process.with(&samples);
    assert_eq!(diagnosis.verdict, Code::HandlesGrowing);
    assert!(diagnosis.summary.contains("5010 Timeout"), "{}", diagnosis.summary);
    assert!(diagnosis.summary.contains("setInterval"), "{}", diagnosis.summary);
}

#[test]
fn a_few_more_connections_do_not_explain_a_leak_of_half_a_gigabyte() {
    let samples = window(
        60,
        60.0,
        Some(5),
        &[(Column::HeapUsed, &|at| (20.0 + 500.0 * at) * MB), (Column::Resources, &|at| 20.0 + 60.0 * at)],
    );
    let diagnosis = Process::on("glibc").heap(520.0).with(&samples);
    assert_eq!(codes(&diagnosis)[..2], [Code::JsHeap, Code::HandlesGrowing]);
}

#[test]
fn a_burst_that_is_over_is_retention() {
    for allocator in ["glibc", "jemalloc", "tcmalloc"] {
        let process = Process::on(allocator).part("dirty", 260.0);
        assert_eq!(process.verdict(), Code::Retention, "{allocator}");
        let rss = process.rss();
        let tried = process.tried([rss, rss, rss - 250.0], 0.0, 1.0, Some(3.0 * MB));
        assert_eq!(tried.verdict(), Code::Retention, "{allocator}");
    }
    // The kernel has given some back by itself since: falling, with background threads.
    let decay = json!({ "dirtyMs": 5000.0, "muzzyMs": 0.0, "backgroundThreads": true });
    let process = Process::on("jemalloc").part("dirty", 90.0).inspects("decay", decay);
    let falling = window(30, 6.0, None, &[(Column::Dirty, &|at| (260.0 - 170.0 * at) * MB)]);
    assert_eq!(codes(&process.with(&falling)), []);
    assert_eq!(process.diagnose().findings[0].severity, Severity::Info);
}

#[test]
fn at_rest_without_background_threads_decay_does_not_run() {
    let process = Process::on("jemalloc").part("dirty", 260.0);
    let still = window(60, 30.0, None, &[(Column::Dirty, &|_| 260.0 * MB)]);
    assert_eq!(codes(&process.with(&still)), [Code::Retention, Code::DecayNotRunning]);
    let never = json!({ "dirtyMs": -1.0, "muzzyMs": 0.0, "backgroundThreads": true });
    assert_eq!(process.inspects("decay", never).codes(), [Code::DecayNotRunning, Code::Retention]);
}

#[test]
fn one_survivor_on_each_page_pins() {
    let classes = json!([
        { "size": 160.0, "kind": "small", "count": 60000.0, "bytes": 9.6e6, "waste": 180.0 * MB },
        { "size": 48.0, "kind": "small", "count": 9000.0, "bytes": 4e5, "waste": 1.5 * MB },
    ]);
    let jemalloc = Process::on("jemalloc")
        .part("pinned", 184.0)
        .inspects("allocator", json!({ "name": "jemalloc", "allocated": 30.0 * MB, "active": 214.0 * MB }))
        .inspects("sizeClasses", classes);
    let diagnosis = jemalloc.diagnose();
    assert_eq!(diagnosis.verdict, Code::PinnedFragmentation, "{}", diagnosis.summary);
    assert!(diagnosis.summary.contains("160 bytes: 180 MB"), "{}", diagnosis.summary);
    // glibc says nothing of pages, but a chunk of less than one holds none.
    let free = |size: f64, mb: f64| json!({ "size": size, "kind": "free", "count": 1000.0, "bytes": mb * MB, "waste": null });
    let glibc = Process::on("glibc").part("dirty", 190.0);
    let pinned = glibc.clone().inspects("sizeClasses", json!([free(2048.0, 170.0), free(1e6, 20.0)]));
    assert_eq!(pinned.verdict(), Code::PinnedFragmentation);
    let burst = glibc.inspects("sizeClasses", json!([free(2048.0, 10.0), free(1e8, 180.0)]));
    assert_eq!(burst.verdict(), Code::Retention);
}

#[test]
fn a_purge_that_gave_back_nothing_is_explained() {
    let process = Process::on("jemalloc").part("pinned", 184.0);
    let rss = process.rss();
    let diagnosis = process.tried([rss, rss, rss - 2.0], 0.0, 1.0, Some(184.0)).predicted(50.0).diagnose();
    assert_eq!(diagnosis.verdict, Code::PinnedFragmentation, "{}", diagnosis.summary);
    let why = diagnosis.findings[0].evidence.last().map(|evidence| format!("{:?}", evidence.value));
    assert!(why.is_some_and(|why| why.contains("gave back 2 MB") && why.contains("184 MB pinned")));
}

#[test]
fn many_threads_arenas_are_the_cause_of_what_is_free_in_them() {
    for (allocator, flag) in [("glibc", "MALLOC_ARENA_MAX=2"), ("jemalloc", "narenas:2")] {
        let process = Process::on(allocator).part("dirty", 150.0).arenas(24, 5.0);
        let diagnosis = process.diagnose();
        assert_eq!(codes(&diagnosis), [Code::TooManyArenas, Code::Retention], "{allocator}");
        assert!(diagnosis.summary.contains(flag), "{}", diagnosis.summary);
    }
    // As many as the CPUs want, and one that has it all.
    assert_eq!(Process::on("glibc").part("dirty", 150.0).arenas(8, 7.0).verdict(), Code::Retention);
    let cpus = Process::on("glibc").part("dirty", 150.0).fact("cpus", json!(16.0)).arenas(24, 7.0);
    assert_eq!(cpus.verdict(), Code::Retention);
}

#[test]
fn slack_in_huge_pages_is_theirs() {
    for allocator in ALLOCATORS {
        let huge = json!({ "mode": "always", "bytes": 220.0 * MB, "zeroShare": 0.8 });
        let process = Process::on(allocator).part("hugePageSlack", 180.0).inspects("hugePages", huge);
        assert_eq!(process.verdict(), Code::HugePages, "{allocator}");
    }
}

#[test]
fn files_that_were_read_are_not_the_process() {
    for allocator in ALLOCATORS {
        let io = json!({ "read": 420.0 * MB, "written": 0.0 });
        let process = Process::on(allocator).inspects("io", io).limited(512.0, 470.0, 410.0);
        assert_eq!(process.verdict(), Code::PageCache, "{allocator}");
        // Another process of the group read them.
        assert_eq!(Process::on(allocator).limited(512.0, 470.0, 410.0).codes(), []);
    }
}

#[test]
fn a_mapped_file_is_named() {
    let largest =
        json!({ "largest": [{ "kind": "file", "name": "/data/index.mdb", "size": 9e8, "rss": 250.0 * MB }] });
    for allocator in ALLOCATORS {
        let process = Process::on(allocator).part("mappedFiles", 251.0).inspects("mappings", largest.clone());
        // Its pages are the group's page cache, too.
        let process = process
            .limited(512.0, 330.0, 255.0)
            .inspects("io", json!({ "read": 250.0 * MB, "written": 0.0 }));
        let diagnosis = process.diagnose();
        assert_eq!(codes(&diagnosis), [Code::MappedFiles], "{allocator}");
        assert!(diagnosis.summary.contains("/data/index.mdb"), "{}", diagnosis.summary);
    }
}

#[test]
fn deep_stacks_are_stacks() {
    for allocator in ALLOCATORS {
        let process =
            Process::on(allocator).part("stacks", 90.0).inspects("process", json!({ "threads": 24.0 }));
        assert_eq!(process.verdict(), Code::Stacks, "{allocator}");
    }
}

#[test]
fn caches_of_many_threads_are_theirs() {
    let process =
        Process::on("jemalloc").part("threadCaches", 60.0).inspects("process", json!({ "threads": 80.0 }));
    assert_eq!(process.verdict(), Code::ThreadCaches);
}

#[test]
fn what_is_in_use_and_hardly_fits_is_a_limit_too_tight() {
    let process = Process::on("jemalloc").heap(90.0).limited(128.0, 122.0, 2.0);
    assert_eq!(process.verdict(), Code::LimitTooTight);
    // Where a purge would make room, it is not the limit.
    let kept = Process::on("jemalloc").part("dirty", 60.0).limited(128.0, 122.0, 2.0);
    assert_eq!(kept.verdict(), Code::Retention);
    // V8 believes it has more than there is.
    let v8 = Process::on("jemalloc").heap(300.0).heap_limit(2048.0).limited(512.0, 390.0, 10.0);
    let diagnosis = v8.diagnose();
    assert_eq!(diagnosis.verdict, Code::LimitTooTight);
    assert!(diagnosis.summary.contains("--max-old-space-size=3"), "{}", diagnosis.summary);
}

#[test]
fn another_allocator_than_was_promised_comes_first() {
    let expected = json!({ "name": "jemalloc", "source": "LD_PRELOAD" });
    let process = Process::on("glibc").part("dirty", 260.0).fact("expected", expected.clone());
    assert_eq!(process.codes(), [Code::NotLive, Code::Retention]);
    assert_eq!(Process::on("jemalloc").fact("expected", expected).codes(), []);
}

#[test]
fn where_the_kernel_says_nothing_that_is_said() {
    let process = Process::on("unknown").inspects("ledger", json!({ "rss": null, "parts": {} }));
    assert_eq!(process.codes(), [Code::InsufficientData]);
    let rest = Process::on("glibc").part("unattributed", 120.0);
    assert_eq!(rest.codes(), [Code::InsufficientData]);
}

/// A figure as no process has it, or has it rarely.
fn figure() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(0)),
        Just(json!(-1.0)),
        Just(json!(1e300)),
        any::<f64>().prop_map(|number| json!(number)),
        (0.0..1e9_f64).prop_map(|number| json!(number)),
    ]
}

fn object(names: &'static [&'static str]) -> impl Strategy<Value = serde_json::Value> {
    prop::collection::vec(prop::option::of(figure()), names.len()).prop_map(|figures| {
        names.iter().zip(figures).filter_map(|(name, figure)| Some(((*name).to_owned(), figure?))).collect()
    })
}

prop_compose! {
    fn any_case()(
        parts in prop::collection::vec((any::<bool>(), figure()), 16),
        rss in figure(),
        allocator in prop_oneof![Just("jemalloc"), Just("glibc"), Just("mimalloc"), Just("unknown"), Just("")],
        process in object(&["rss", "threads", "fds"]),
        v8 in object(&["heapUsed", "heapLimit", "detachedContexts"]),
        cgroup in object(&["limit", "usage", "reclaimable", "unreclaimable"]),
        decay in prop::option::of(object(&["dirtyMs", "muzzyMs"])),
        arenas in prop::collection::vec(object(&["dirty", "muzzy", "pinned", "resident", "allocated", "free"]), 0..20),
        facts in object(&["cpus", "machineMemory", "fdLimit"]),
        io in prop::option::of(object(&["read", "written"])),
        experiment in prop::option::of(object(&["garbage", "predicted", "released", "pinned", "live"])),
    ) -> serde_json::Value {
        const NAMES: [&str; 16] = [
            "v8Heap", "v8Workers", "buffers", "external", "native", "threadCaches", "pinned", "dirty", "muzzy",
            "metadata", "code", "mappedFiles", "shared", "stacks", "hugePageSlack", "unattributed",
        ];
        let parts: serde_json::Value = NAMES
            .iter()
            .zip(parts)
            .filter(|(_, (there, _))| *there)
            .map(|(name, (_, bytes))| ((*name).to_owned(), json!({ "bytes": bytes, "accuracy": "bound", "source": "" })))
            .collect();
        json!({
            "inspection": {
                "process": process, "v8": v8, "cgroup": cgroup, "decay": decay, "arenas": arenas, "io": io,
                "allocator": { "name": allocator }, "ledger": { "rss": rss, "parts": parts }, "workers": null,
            },
            "facts": facts,
            "experiment": experiment,
        })
    }
}

proptest! {
    #[test]
    fn any_case_gets_a_diagnosis(case in any_case(), rows in prop::collection::vec(any::<f64>(), 0..30)) {
        let window: Vec<f64> = rows.iter().flat_map(|value| {
            let mut row = [*value; super::window::WIDTH];
            row[Column::AfterGc as usize] = 1.0;
            row
        }).collect();
        let Ok(diagnosis) = super::diagnose(&case.to_string(), &window) else { unreachable!("{case}") };
        prop_assert_eq!(diagnosis.findings.is_empty(), diagnosis.verdict == Code::Healthy);
        prop_assert!(diagnosis.findings.first().is_none_or(|first| first.code == diagnosis.verdict));
        prop_assert!(diagnosis.summary.ends_with('.'));
        for finding in &diagnosis.findings {
            prop_assert!(finding.summary.ends_with('.'), "{}", finding.summary);
            prop_assert!(!finding.evidence.is_empty() && !finding.actions.is_empty(), "{:?}", finding.code);
        }
        let codes = codes(&diagnosis);
        prop_assert!(codes.iter().enumerate().all(|(i, code)| !codes[..i].contains(code)));
        prop_assert!(serde_json::to_string(&diagnosis).is_ok());
    }

    #[test]
    fn any_text_is_refused_or_judged(text in any::<String>(), window in prop::collection::vec(any::<f64>(), 0..60)) {
        let _ = super::diagnose(&text, &window);
    }
}

#[test]
fn nothing_known_is_said_to_be_nothing_known() {
    let mistyped =
        "{\"inspection\":{\"process\":{\"rss\":\"5\"},\"threads\":7,\"ledger\":[]},\"facts\":true}";
    for case in ["{}", "{\"inspection\":null,\"facts\":null,\"experiment\":null}", mistyped] {
        let Ok(diagnosis) = super::diagnose(case, &[]) else { unreachable!("{case}") };
        assert_eq!(codes(&diagnosis), [Code::InsufficientData]);
    }
    let refused =
        |case: &str, window: &[f64]| super::diagnose(case, window).err().map(|error| error.to_string());
    assert!(refused("{", &[]).is_some_and(|words| words.contains("expected a case as JSON")));
    assert!(refused("{}", &[0.0; 25]).is_some_and(|words| words.contains("rows of 24 numbers, got 25")));
}

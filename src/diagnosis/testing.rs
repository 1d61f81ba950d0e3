//! Cases and windows for tests, in MB, as `inspect()` and `watch()` write them.

use serde_json::{Value, json};

use super::finding::Code;
use super::verdict::Diagnosis;
use super::window::{Column, WIDTH};
use super::words::MB;

/// A process, as a case.
#[derive(Clone, Debug)]
pub struct Process {
    case: Value,
}

/// What any Node.js service of 90 MB has.
const IDLE: [(&str, f64); 8] = [
    ("v8Heap", 14.0),
    ("buffers", 1.0),
    ("external", 2.0),
    ("native", 14.0),
    ("code", 47.0),
    ("mappedFiles", 1.0),
    ("stacks", 0.2),
    ("unattributed", 2.0),
];

impl Process {
    /// An idle service on this allocator, in a container of two CPUs on a machine of 16 GB.
    pub fn on(allocator: &str) -> Self {
        let case = json!({
            "inspection": {
                "process": { "threads": 11.0, "fds": 22.0 },
                "v8": { "heapUsed": 10.0 * MB, "heapLimit": 4144.0 * MB, "detachedContexts": 0.0 },
                "allocator": { "name": allocator, "allocated": 16.0 * MB },
                "cgroup": { "limit": null },
                "resources": { "TCPServerWrap": 1.0 },
                "ledger": { "rss": null, "parts": {} },
                "decay": null,
                "hugePages": { "mode": "madvise", "bytes": 0.0, "zeroShare": null },
                "io": { "read": 9.0 * MB, "written": 0.0 },
            },
            "facts": { "expected": null, "cpus": 2.0, "machineMemory": 16384.0 * MB, "fdLimit": 1048576.0 },
            "experiment": null,
        });
        let process = IDLE.iter().fold(Self { case }, |process, (part, mb)| process.part(part, *mb));
        match allocator {
            "jemalloc" => process
                .part("dirty", 3.0)
                .part("muzzy", 0.0)
                .part("pinned", 3.0)
                .part("threadCaches", 2.0)
                .part("metadata", 4.0)
                .inspects(
                    "decay",
                    json!({ "dirtyMs": 10_000.0, "muzzyMs": 0.0, "backgroundThreads": false }),
                ),
            "glibc" => process.part("dirty", 4.0),
            "tcmalloc" => process.part("dirty", 2.0).part("threadCaches", 3.0),
            _ => process.bound("native"),
        }
    }

    /// The part of RSS has so many MB; RSS is their sum.
    pub fn part(mut self, name: &str, mb: f64) -> Self {
        let ledger = &mut self.case["inspection"]["ledger"];
        ledger["parts"][name]["bytes"] = json!(mb * MB);
        ledger["parts"][name]["accuracy"] = json!("estimate");
        ledger["parts"][name]["source"] = json!("a test");
        let parts = ledger["parts"].as_object().map(|parts| parts.values().cloned().collect::<Vec<_>>());
        let sum: f64 = parts.iter().flatten().filter_map(|part| part["bytes"].as_f64()).sum();
        ledger["rss"] = json!(sum);
        self
    }

    /// RSS is so many MB: the rest is code.
    pub fn rss_of(self, mb: f64) -> Self {
        let code = self.case["inspection"]["ledger"]["parts"]["code"]["bytes"].as_f64().unwrap_or(0.0) / MB;
        let rest = mb - (self.rss() - code);
        assert!(rest >= 0.0, "{rest}");
        self.part("code", rest)
    }

    /// The part cannot be told from what the allocator keeps.
    pub fn bound(mut self, name: &str) -> Self {
        self.case["inspection"]["ledger"]["parts"][name]["accuracy"] = json!("bound");
        self
    }

    pub fn inspects(mut self, field: &str, value: Value) -> Self {
        self.case["inspection"][field] = value;
        self
    }

    pub fn fact(mut self, field: &str, value: Value) -> Self {
        self.case["facts"][field] = value;
        self
    }

    /// So many MB of V8's heap are resident, and nine tenths of them in use.
    pub fn heap(mut self, mb: f64) -> Self {
        self.case["inspection"]["v8"]["heapUsed"] = json!(mb * 0.9 * MB);
        self.part("v8Heap", mb)
    }

    /// V8's heap in use, resident or not.
    pub fn heap_used(mut self, mb: f64) -> Self {
        self.case["inspection"]["v8"]["heapUsed"] = json!(mb * MB);
        self
    }

    pub fn heap_limit(mut self, mb: f64) -> Self {
        self.case["inspection"]["v8"]["heapLimit"] = json!(mb * MB);
        self
    }

    pub fn rss(&self) -> f64 {
        self.case["inspection"]["ledger"]["rss"].as_f64().unwrap_or(f64::NAN) / MB
    }

    /// A memory cgroup with a limit; MB.
    pub fn limited(self, limit: f64, usage: f64, reclaimable: f64) -> Self {
        self.inspects(
            "cgroup",
            json!({
                "limit": limit * MB,
                "usage": usage * MB,
                "reclaimable": reclaimable * MB,
                "unreclaimable": (usage - reclaimable) * MB,
            }),
        )
    }

    /// So many arenas, each with so many MB dirty and pinned (jemalloc) or free (glibc).
    pub fn arenas(self, count: usize, waste: f64) -> Self {
        let arena = match self.case["inspection"]["allocator"]["name"].as_str() {
            Some("jemalloc") => json!({ "dirty": waste / 2.0 * MB, "pinned": waste / 2.0 * MB }),
            _ => json!({ "resident": 2.0 * waste * MB, "free": waste * MB }),
        };
        self.inspects("arenas", vec![arena; count].into())
    }

    /// An experiment: RSS at its three steps, what collecting freed, and what was left of Buffers; MB.
    pub fn tried(mut self, rss: [f64; 3], garbage: f64, buffers: f64, pinned: Option<f64>) -> Self {
        let step = |name: &str, rss: f64| json!({ "step": name, "rss": rss * MB, "heapUsed": 9.0 * MB, "arrayBuffers": buffers * MB });
        self.case["experiment"] = json!({
            "steps": [step("start", rss[0]), step("gc", rss[1]), step("purge", rss[2])],
            "garbage": garbage * MB,
            "predicted": (rss[1] - rss[2]) * MB,
            "released": (rss[1] - rss[2]) * MB,
            "pinned": pinned.map(|mb| mb * MB),
        });
        self
    }

    /// What the experiment's purge left allocated; MB.
    pub fn left(mut self, allocated: f64) -> Self {
        self.case["experiment"]["steps"][2]["allocated"] = json!(allocated * MB);
        self.case["experiment"]["live"] = json!((allocated + 9.0) * MB);
        self
    }

    pub fn predicted(mut self, mb: f64) -> Self {
        self.case["experiment"]["predicted"] = json!(mb * MB);
        self
    }

    pub fn json(&self) -> String {
        self.case.to_string()
    }

    /// From one look.
    pub fn diagnose(&self) -> Diagnosis {
        self.with(&[])
    }

    pub fn with(&self, window: &[f64]) -> Diagnosis {
        let Ok(diagnosis) = super::diagnose(&self.json(), window) else { unreachable!("{}", self.json()) };
        let action = diagnosis.findings.first().and_then(|finding| finding.actions.first());
        if let Some(action) = action {
            assert!(diagnosis.summary.ends_with(action.as_str()), "{}", diagnosis.summary);
        }
        diagnosis
    }

    pub fn verdict(&self) -> Code {
        self.diagnose().verdict
    }

    pub fn verdict_with(&self, window: &[f64]) -> Code {
        self.with(window).verdict
    }

    pub fn finds(&self, code: Code) -> bool {
        self.codes().contains(&code)
    }

    pub fn codes(&self) -> Vec<Code> {
        codes(&self.diagnose())
    }
}

pub fn codes(diagnosis: &Diagnosis) -> Vec<Code> {
    diagnosis.findings.iter().map(|finding| finding.code).collect()
}

/// A window of so many samples over so many seconds; `columns` say what a column has at a share of the
/// time from 0 to 1, in its own unit. Every `gc`th sample is taken right after a major collection.
pub fn window(
    samples: usize,
    seconds: f64,
    gc: Option<usize>,
    columns: &[(Column, &dyn Fn(f64) -> f64)],
) -> Vec<f64> {
    let mut flat = Vec::new();
    for i in 0..samples {
        let at = i as f64 / (samples - 1) as f64;
        let mut row = [f64::NAN; WIDTH];
        row[Column::Time as usize] = 1.7e12 + at * seconds * 1e3;
        row[Column::AfterGc as usize] = f64::from(u8::from(gc.is_some_and(|gc| i % gc == gc - 1)));
        row[Column::MajorGcs as usize] = gc.map_or(0.0, |gc| (i / gc) as f64);
        for (column, value) in columns {
            row[*column as usize] = value(at);
        }
        flat.extend(row);
    }
    flat
}

/// The code is found where the part has so many MB and that share of RSS, and not where it has less of either.
pub fn found_from(process: &Process, part: &str, code: Code, least: f64, share: f64) {
    let at = |mb: f64, rss: f64| process.clone().part(part, mb).rss_of(rss).finds(code);
    assert!(at(least, least / share * 0.99), "{least} MB");
    assert!(!at(least * 0.99, least / share * 0.9), "less than {least} MB");
    assert!(at(least * 4.0, least * 4.0 / share * 0.99), "{share} of RSS");
    assert!(!at(least * 4.0, least * 4.0 / share * 1.01), "less than {share} of RSS");
}

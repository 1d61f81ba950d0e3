//! The synchronous readings.

use std::cell::RefCell;
use std::sync::Once;
use std::time::Duration;

use napi_derive::napi;

use super::table::{self, Missing, Table};
use super::types::{Labels, LiveAllocator, notes};
use crate::control::governor;
use crate::live;
use crate::snapshot::ledger::{Accuracy, Part, V8};
use crate::snapshot::{self, Snapshot, Stats};
use crate::sources::cgroup::{self, Version};

/// The words that go with this JavaScript thread's last reading of one kind. Their generation
/// changes only when they do, so that JavaScript asks for them only then.
#[derive(Default)]
struct Words {
    signature: u64,
    generation: u32,
    missing: Vec<Missing>,
    level: usize,
    ledger: Vec<(Option<Accuracy>, &'static str)>,
}

impl Words {
    fn follow(&mut self, signature: u64, level: usize, missing: impl FnOnce() -> Vec<Missing>) -> u32 {
        if self.generation == 0 || signature != self.signature || level != self.level {
            self.generation = self.generation.wrapping_add(1).max(1);
            self.signature = signature;
            self.level = level;
            self.missing = missing();
        }
        self.generation
    }
}

thread_local! {
    static STATS: RefCell<Words> = RefCell::default();
    static SNAPSHOT: RefCell<Words> = RefCell::default();
    static GOVERNOR: RefCell<Words> = RefCell::default();
}

/// JavaScript's Float64Array. napi-derive takes a literal `&mut` for a reference to a class.
type Slots<'a> = &'a mut [f64];

/// Milliseconds from JavaScript, which has checked that they are not negative.
pub fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or(Duration::MAX)
}

/// Who serves `malloc`. Called when the addon is loaded into a thread.
#[napi(catch_unwind)]
pub fn allocator() -> LiveAllocator {
    static FIRST_READING: Once = Once::new();
    // The slowest, because jemalloc makes room for each arena's statistics, and it tells how slow the
    // next will be. There are never fewer arenas and free chunks than now.
    FIRST_READING.call_once(|| {
        Stats::refresh();
    });
    live::allocator().into()
}

/// The version of this addon; lib/native.js takes no other than its own.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Fills `slots` with the allocator's figures; answers the generation of the labels.
#[napi(catch_unwind)]
pub fn read_stats(#[napi(ts_arg_type = "Float64Array")] slots: Slots<'_>, max_age_ms: f64) -> u32 {
    let stats = Stats::read(duration(max_age_ms));
    let put_all = |table: &mut Table| table::stats(table, &stats);
    let signature = Table::fill(slots, put_all);
    STATS.with_borrow_mut(|words| words.follow(signature, 0, || Table::missing(put_all)))
}

/// Why figures are missing from this thread's last `read_stats`.
#[napi(catch_unwind)]
pub fn stats_labels() -> Labels {
    STATS.with_borrow(|words| only_notes(&words.missing))
}

fn only_notes(missing: &[Missing]) -> Labels {
    Labels { notes: notes(missing), cgroup_version: None, cgroup_path: None, ledger: Vec::new() }
}

/// Fills `slots` with a snapshot's figures; answers the generation of the labels. `array_buffers` is NaN
/// where Node.js could not say.
#[napi(catch_unwind)]
pub fn read_snapshot(
    #[napi(ts_arg_type = "Float64Array")] slots: Slots<'_>,
    max_age_ms: f64,
    heap_physical: f64,
    array_buffers: f64,
    external: f64,
) -> u32 {
    let v8 = V8 {
        heap: heap_physical as u64,
        array_buffers: (!array_buffers.is_nan()).then_some(array_buffers as u64),
        external: external as u64,
        ..V8::default()
    };
    let snapshot = snapshot::take(duration(max_age_ms), &v8);
    let governor = governor::state();
    let put_all = |table: &mut Table| table::snapshot(table, &snapshot, governor.as_ref());
    let signature = Table::fill(slots, put_all);
    let level = snapshot.cgroup.level;
    SNAPSHOT.with_borrow_mut(|words| {
        let known = words.generation;
        let generation = words.follow(signature, level, || Table::missing(put_all));
        if generation != known {
            let label = |(_, part): (_, &Part)| (part.accuracy, part.source);
            words.ledger = snapshot.ledger.parts.all().map(label).to_vec();
        }
        generation
    })
}

/// What of this thread's last `read_snapshot` is not a number.
#[napi(catch_unwind)]
pub fn snapshot_labels() -> Labels {
    let source = cgroup::Source::own();
    SNAPSHOT.with_borrow(|words| Labels {
        notes: notes(&words.missing),
        cgroup_version: source.version().map(|version| match version {
            Version::V1 => 1,
            Version::V2 => 2,
        }),
        cgroup_path: source.path(words.level),
        ledger: words.ledger.iter().map(|&label| label.into()).collect(),
    })
}

/// The names of the slots that `read_stats` fills, in order.
#[napi(catch_unwind)]
pub fn stats_slots() -> Vec<String> {
    let stats = Stats::read(Duration::MAX);
    Table::names(|table| table::stats(table, &stats))
}

/// The names of the slots that `read_snapshot` fills, in order.
#[napi(catch_unwind)]
pub fn snapshot_slots() -> Vec<String> {
    let snapshot: Snapshot = snapshot::take(Duration::MAX, &V8::default());
    Table::names(|table| table::snapshot(table, &snapshot, None))
}

/// The names of the slots that `read_governor` fills, in order.
#[napi(catch_unwind)]
pub fn governor_slots() -> Vec<String> {
    Table::names(|table| table::governor(table, None))
}

/// Fills `slots` with what the governor sees and has done; answers the generation of the labels.
#[napi(catch_unwind)]
pub fn read_governor(#[napi(ts_arg_type = "Float64Array")] slots: Slots<'_>) -> u32 {
    let state = governor::state();
    let put_all = |table: &mut Table| table::governor(table, state.as_ref());
    let signature = Table::fill(slots, put_all);
    GOVERNOR.with_borrow_mut(|words| words.follow(signature, 0, || Table::missing(put_all)))
}

/// Why figures are missing from this thread's last `read_governor`.
#[napi(catch_unwind)]
pub fn governor_labels() -> Labels {
    GOVERNOR.with_borrow(|words| only_notes(&words.missing))
}

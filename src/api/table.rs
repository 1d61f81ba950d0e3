//! Numbers cross to JavaScript in one Float64Array, because setting properties through Node-API one
//! by one would cost more than reading the allocator does.
//!
//! The order of the slots is the order of the `put` calls in [`stats`] and [`snapshot`]; `lib/table.js`
//! has the same order, and a test compares the two.

use std::time::Instant;

use crate::control::governor::State;
use crate::snapshot::ledger::Part;
use crate::snapshot::{Snapshot, Stats};
use crate::sources::cgroup::{Cgroup, Pressure};
use crate::sources::process::Process;
use crate::sources::{Absent, Figure};

/// A missing number; JavaScript makes it `null`. No figure is ever NaN.
const ABSENT: f64 = f64::NAN;

/// A figure that is missing: where it would stand, and why it does not.
pub struct Missing {
    pub section: &'static str,
    pub name: &'static str,
    pub reason: Absent,
}

/// Where numbers go. What is missing is only summed up in a signature: the words are gathered by
/// [`Table::missing`] when the signature has changed.
pub struct Table<'a> {
    slots: &'a mut [f64],
    used: usize,
    section: &'static str,
    signature: u64,
    names: Option<Vec<String>>,
    missing: Option<Vec<Missing>>,
}

impl<'a> Table<'a> {
    fn new(slots: &'a mut [f64]) -> Self {
        Self { slots, used: 0, section: "", signature: 0, names: None, missing: None }
    }

    /// Fills `slots` from the first on; answers which figures are missing, and why, as one number.
    pub fn fill(slots: &'a mut [f64], put_all: impl FnOnce(&mut Table)) -> u64 {
        let mut table = Table::new(slots);
        put_all(&mut table);
        table.signature
    }

    /// What `put_all` leaves out.
    pub fn missing(put_all: impl FnOnce(&mut Table)) -> Vec<Missing> {
        let mut table = Table { missing: Some(Vec::new()), ..Table::new(&mut []) };
        put_all(&mut table);
        table.missing.unwrap_or_default()
    }

    /// The names of the slots that `put_all` fills.
    pub fn names(put_all: impl FnOnce(&mut Table)) -> Vec<String> {
        let mut table = Table { names: Some(Vec::new()), ..Table::new(&mut []) };
        put_all(&mut table);
        table.names.unwrap_or_default()
    }

    fn section(&mut self, section: &'static str) {
        self.section = section;
    }

    fn number(&mut self, name: &'static str, value: f64) {
        if let Some(names) = &mut self.names {
            names.push(path(self.section, name));
        }
        if let Some(slot) = self.slots.get_mut(self.used) {
            *slot = value;
        }
        self.used += 1;
    }

    fn put(&mut self, name: &'static str, figure: Figure) {
        // Bytes stay below 2^53 (8 PiB), where a double is exact.
        self.put_f64(name, figure.map(|value| value as f64));
    }

    fn put_f64(&mut self, name: &'static str, figure: Result<f64, Absent>) {
        if let Err(reason) = figure {
            self.note(name, reason);
        }
        self.number(name, figure.unwrap_or(ABSENT));
    }

    /// The words that go with a part are [`Part::source`]; they change with the figures that are missing.
    fn part(&mut self, name: &'static str, part: &Part) {
        self.sign(part.source.as_ptr() as u64);
        self.number(name, part.bytes.map_or(ABSENT, |bytes| bytes as f64));
    }

    fn sign(&mut self, word: u64) {
        // An odd multiplier keeps every bit of what came before (as in FxHash).
        self.signature = (self.signature.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn note(&mut self, name: &'static str, reason: Absent) {
        self.sign(reason.signature() ^ self.used as u64);
        if let Some(missing) = &mut self.missing {
            missing.push(Missing { section: self.section, name, reason });
        }
    }
}

/// Where a figure stands in the object that JavaScript builds.
pub fn path(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// The allocator's figures, as `stats()` answers them.
pub fn stats(table: &mut Table, stats: &Stats) {
    let now = Instant::now();
    let age = stats.at.map(|at| now.saturating_duration_since(at).as_secs_f64() * 1e3);
    // No allocator to read, no age: the notes of the figures say why.
    table.number("ageMs", age.unwrap_or(ABSENT));
    table.number("overdue", f64::from(u8::from(stats.overdue)));
    table.put("allocated", stats.allocated);
    table.put("active", stats.active);
    table.put("dirty", stats.dirty);
    table.put("muzzy", stats.muzzy);
    table.put("metadata", stats.metadata);
    table.put("resident", stats.resident);
    table.put("mapped", stats.mapped);
    table.put("retained", stats.retained);
    table.put("pinned", stats.pinned);
    table.put("threadCaches", stats.thread_caches);
    table.put("free", stats.free);
    table.put("arenas", stats.arenas);
    table.put("backgroundThreads", stats.background_threads);
}

/// All native figures of a snapshot.
pub fn snapshot(table: &mut Table, snapshot: &Snapshot, governor: Option<&State>) {
    table.section("allocator");
    stats(table, &snapshot.stats);
    table.section("process");
    process(table, &snapshot.process);
    table.section("cgroup");
    cgroup(table, &snapshot.cgroup);
    table.section("");
    table.put_f64("gap", snapshot.gap.map(|gap| gap as f64));
    table.section("ledger");
    for (name, part) in snapshot.ledger.parts.all() {
        table.part(name, part);
    }
    table.section("governor");
    self::governor(table, governor);
}

/// What the governor sees and has done. Where there never was one, `running` is missing, and no reason needed.
pub fn governor(table: &mut Table, state: Option<&State>) {
    let running = state.map_or(ABSENT, |state| f64::from(u8::from(state.running)));
    table.number("running", running);
    let never = State::new();
    let state = state.unwrap_or(&never);
    table.number("level", f64::from(state.level as u8));
    table.number("limitSource", state.source.map_or(ABSENT, |source| f64::from(source as u8)));
    table.number("tightened", f64::from(u8::from(state.tightened)));
    table.number("purges", state.purges as f64);
    table.number("released", state.released as f64);
    table.number("purgeMs", state.purging.as_secs_f64() * 1e3);
    table.number("flips", state.flips as f64);
    table.number("collections", state.collections as f64);
    let figures = [
        ("limit", state.limit),
        ("usage", state.usage),
        ("dirty", state.dirty),
        ("oomKills", state.oom_kills),
    ];
    for (name, figure) in figures {
        if running.is_nan() {
            table.number(name, ABSENT);
        } else {
            table.put(name, figure);
        }
    }
}

fn process(table: &mut Table, process: &Process) {
    table.put("rss", process.rss);
    table.put("anon", process.anon);
    table.put("file", process.file);
    table.put("shmem", process.shmem);
    table.put("peak", process.peak);
    table.put("swap", process.swap);
    table.put("threads", process.threads);
    table.put("fds", process.fds);
}

fn cgroup(table: &mut Table, cgroup: &Cgroup) {
    table.put("limit", cgroup.limit);
    table.put("high", cgroup.high);
    table.put("usage", cgroup.usage);
    table.put("reclaimable", cgroup.reclaimable);
    table.put("unreclaimable", cgroup.unreclaimable());
    table.put("peak", cgroup.peak);
    table.put("oomKills", cgroup.oom_kills);
    if let Err(reason) = cgroup.pressure {
        table.note("pressure", reason);
    }
    let stall = |of: fn(&Pressure) -> f64| cgroup.pressure.as_ref().map_or(ABSENT, of);
    table.number("pressure.some.avg10", stall(|pressure| pressure.some.avg10));
    table.number("pressure.some.avg60", stall(|pressure| pressure.some.avg60));
    table.number("pressure.some.avg300", stall(|pressure| pressure.some.avg300));
    table.number("pressure.some.totalMs", stall(|pressure| pressure.some.total_us as f64 / 1e3));
    table.number("pressure.full.avg10", stall(|pressure| pressure.full.avg10));
    table.number("pressure.full.avg60", stall(|pressure| pressure.full.avg60));
    table.number("pressure.full.avg300", stall(|pressure| pressure.full.avg300));
    table.number("pressure.full.totalMs", stall(|pressure| pressure.full.total_us as f64 / 1e3));
}

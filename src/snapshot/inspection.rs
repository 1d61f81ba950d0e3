//! All that takes too long for a synchronous call, of one instant. For other threads than JavaScript's.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Stats;
use super::ledger::{self, Held, Ledger, Resident, V8, Walked};
use super::mappings::{self, Kind, Mapped};
use crate::live::{self, allocator};
use crate::sources::detail::{Arena, SizeClass};
use crate::sources::glibc::heaps::{self, Heaps};
use crate::sources::process::{self, Io};
use crate::sources::threads::{self, Group};
use crate::sources::{Absent, glibc, jemalloc, thp};

/// The native half of `inspect()`; `Inspection` in `index.d.ts` says what each is.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Inspection {
    pub process: Totals,
    pub ledger: Option<Ledger>,
    pub mappings: Option<Mapped>,
    pub threads: Option<Vec<Group>>,
    pub arenas: Option<Vec<Arena>>,
    pub size_classes: Option<Vec<SizeClass>>,
    pub decay: Option<jemalloc::Decay>,
    pub options: Option<Map<String, Value>>,
    pub huge_pages: HugePages,
    pub io: Option<Io>,
    pub cpu_ms: f64,
    pub notes: Vec<Note>,
}

/// RSS as the sum over all mappings, and what a snapshot may not be able to count. JavaScript lets it take
/// the place of a snapshot's figures; what is missing is left out.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Totals {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anon: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shmem: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
}

/// Transparent huge pages.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct HugePages {
    pub mode: Option<&'static str>,
    pub bytes: Option<u64>,
    pub zero_share: Option<f64>,
}

/// Why a figure is missing.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Note {
    pub field: &'static str,
    pub reason: String,
}

impl Inspection {
    fn found<T>(&mut self, field: &'static str, found: Result<T, Absent>) -> Option<T> {
        noted(&mut self.notes, field, found)
    }
}

/// What was found, or a note that says why it was not.
pub(super) fn noted<T>(notes: &mut Vec<Note>, field: &'static str, found: Result<T, Absent>) -> Option<T> {
    if let Err(reason) = &found {
        notes.push(Note { field, reason: reason.to_string() });
    }
    found.ok()
}

/// Reads everything. `v8` is what JavaScript has asked of its isolates.
pub fn inspect(v8: &V8) -> Inspection {
    let root = Path::new("/");
    let started = process::processor_time(libc::CLOCK_THREAD_CPUTIME_ID);
    let mut all = Inspection::default();
    let threads = threads::read(root);
    let mapped = mappings::read(root, threads.as_deref().unwrap_or(&[]));
    // At once, so that they are of nearly the same instant.
    let stats = fresh_stats();
    let mapped = all.found("mappings", mapped);
    let heaps = all.read_arenas(mapped.as_ref());
    all.read_huge_pages(root, mapped.as_ref());
    all.read_ledger(mapped.as_ref(), v8, &stats, heaps.as_ref());
    all.threads = all.found("threads", threads).map(|threads| threads::by_name(&threads));
    all.io = all.found("io", process::Source::own().io());
    all.process.fds = process::Source::own().count_fds().ok();
    all.mappings = mapped;
    let spent = process::processor_time(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(started);
    all.cpu_ms = spent.as_secs_f64() * 1000.0;
    all
}

/// glibc's counters stall those who allocate, so they are left alone where they are slow.
fn fresh_stats() -> Stats {
    match allocator().kind {
        live::Kind::Glibc => Stats::refresh_if_due(),
        _ => Stats::refresh(),
    }
}

impl Inspection {
    fn read_arenas(&mut self, mapped: Option<&Mapped>) -> Option<Heaps> {
        match allocator().kind {
            live::Kind::Jemalloc => {
                self.arenas = Some(jemalloc::arenas());
                self.size_classes = Some(jemalloc::size_classes());
                self.decay = jemalloc::decay();
                self.options = Some(jemalloc::options(None));
                None
            }
            live::Kind::Glibc => self.read_glibc(mapped),
            other => {
                for field in ["arenas", "sizeClasses"] {
                    self.found::<()>(field, Err(Absent::NotCounted(other.name())));
                }
                None
            }
        }
    }

    /// By a walk, which tells what is resident; what it leaves out, by glibc's own account.
    fn read_glibc(&mut self, mapped: Option<&Mapped>) -> Option<Heaps> {
        let mut walked = mapped.and_then(|mapped| self.found("arenas", heaps::read(&mapped.allocator)));
        if let Some(heaps) = &walked {
            self.arenas = Some(heaps.arenas.clone());
            self.size_classes = Some(heaps.free_classes.clone());
            if heaps.complete {
                return walked;
            }
            let changed = "an arena changed while it was walked: what is free there is `unattributed`";
            self.found::<()>("arenas", Err(Absent::Because(changed)));
        }
        if let Some(told) = self.found("arenas", glibc::malloc_info()) {
            let rows = told.rows();
            self.arenas.get_or_insert_with(|| rows.clone()).iter_mut().zip(rows).for_each(complete);
            self.size_classes.get_or_insert_with(|| told.free_classes());
            if let Some((heaps, arenas)) = walked.as_mut().zip(self.arenas.as_ref()) {
                heaps.used_resident += in_use_unwalked(arenas);
            }
        }
        walked
    }

    fn read_huge_pages(&mut self, root: &Path, mapped: Option<&Mapped>) {
        self.huge_pages.mode = self.found("hugePages.mode", thp::mode(root)).map(thp::Mode::name);
        let Some(mapped) = mapped else { return };
        self.huge_pages.bytes = Some(mapped.kinds.iter().map(|kind| kind.huge_pages).sum());
        self.huge_pages.zero_share = mappings::zero_share(root, &mapped.allocator);
        if self.huge_pages.zero_share.is_none() && mapped.of(Kind::Allocator).huge_pages > 0 {
            let refused = "no page of the allocator's huge pages could be read";
            self.found::<()>("hugePages.zeroShare", Err(Absent::Because(refused)));
        }
    }

    /// From the mappings; where they cannot be read, from counters.
    fn read_ledger(&mut self, mapped: Option<&Mapped>, v8: &V8, stats: &Stats, heaps: Option<&Heaps>) {
        let held = heaps.map_or_else(|| Held::from(stats), |heaps| Held::Walked(heaps.into()));
        let Some(mapped) = mapped else {
            let process = process::Source::own().read();
            self.ledger = Some(ledger::from_counters(&process, v8, &held));
            return;
        };
        let resident = resident(mapped, self.huge_pages.zero_share);
        self.ledger = Some(ledger::from_mappings(&resident, v8, &held));
        let Mapped { rss, anon, file, shmem, .. } = *mapped;
        self.process =
            Totals { rss: Some(rss), anon: Some(anon), file: Some(file), shmem: Some(shmem), fds: None };
    }
}

/// What an arena that was given up lacks.
fn complete((arena, told): (&mut Arena, Arena)) {
    arena.allocated = arena.allocated.or(told.allocated);
    arena.free = arena.free.or(told.free);
}

/// What is in use in arenas that were given up: it is in memory mostly, as far as anything there is.
fn in_use_unwalked(arenas: &[Arena]) -> u64 {
    let unwalked = arenas.iter().filter(|arena| arena.dirty.is_none());
    unwalked.filter_map(|arena| Some(arena.allocated?.min(arena.resident?))).sum()
}

impl From<&Heaps> for Walked {
    fn from(heaps: &Heaps) -> Self {
        let Heaps { used_resident, mmapped_resident, mmapped, pinned, dirty, complete, .. } = *heaps;
        let untouched = mmapped.saturating_sub(mmapped_resident);
        Self { live: used_resident + mmapped_resident, pinned, dirty, untouched, complete }
    }
}

fn resident(mapped: &Mapped, zero_share: Option<f64>) -> Resident {
    let rss = |kind| mapped.of(kind).rss;
    let huge = mapped.of(Kind::Allocator).huge_pages;
    Resident {
        v8: rss(Kind::V8),
        wasm: rss(Kind::Wasm),
        stacks: rss(Kind::Stack),
        code: rss(Kind::Code),
        files: rss(Kind::File),
        shared: rss(Kind::Shared),
        allocator: rss(Kind::Allocator),
        other: rss(Kind::Other),
        huge,
        zero: (huge as f64 * zero_share.unwrap_or(0.0)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_arena_that_was_given_up_only_what_is_free_is_not_told() {
        let given_up = Arena { resident: Some(100), ..Arena::default() };
        let mut arenas = [
            Arena { allocated: Some(50), dirty: Some(10), ..given_up.clone() },
            given_up.clone(),
            given_up.clone(),
            given_up.clone(),
        ];
        let told = [Some(1), Some(70), Some(130), None];
        let rows = told.map(|allocated| Arena { allocated, ..Arena::default() });
        arenas.iter_mut().zip(rows).for_each(complete);
        assert_eq!(in_use_unwalked(&arenas), 70 + 100);
    }
}

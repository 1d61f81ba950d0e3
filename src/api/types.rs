//! The objects that cross to JavaScript. `lib/` shapes them into what `index.d.ts` promises.

use std::time::Duration;

use napi_derive::napi;

use super::table::{Missing, Table, path, stats as put_stats};
use crate::control::purge::{self, Report};
use crate::live::Allocator;
use crate::snapshot::Stats;
use crate::snapshot::ledger::Accuracy;
use crate::sources::Absent;

/// Why a figure is missing.
#[napi(object)]
pub struct Note {
    /// Where the figure would stand.
    pub field: String,
    /// Why it does not.
    pub reason: String,
}

/// Puts what is missing into words.
pub fn notes(missing: &[Missing]) -> Vec<Note> {
    let note = |missing: &Missing| Note {
        field: path(missing.section, missing.name),
        reason: missing.reason.to_string(),
    };
    missing.iter().map(note).collect()
}

/// What of a snapshot is not a number, and seldom changes.
#[napi(object, use_nullable = true)]
pub struct Labels {
    /// Why figures are missing.
    pub notes: Vec<Note>,
    /// 1 or 2.
    pub cgroup_version: Option<u32>,
    /// The group that limits the process.
    pub cgroup_path: Option<String>,
    /// What goes with the ledger's parts, in their order.
    pub ledger: Vec<PartLabel>,
}

/// How far a part of the ledger can be trusted, and where it comes from.
#[napi(object, use_nullable = true)]
pub struct PartLabel {
    /// `exact`, `bound` or `estimate`.
    pub accuracy: Option<String>,
    /// In words.
    pub source: String,
}

impl From<(Option<Accuracy>, &'static str)> for PartLabel {
    fn from((accuracy, source): (Option<Accuracy>, &'static str)) -> Self {
        let accuracy = accuracy.map(|accuracy| accuracy.name().to_owned());
        Self { accuracy, source: source.to_owned() }
    }
}

/// A table of its own, for figures that JavaScript did not ask for synchronously.
#[napi(object)]
pub struct StatsTable {
    /// In the order of the sync table.
    pub figures: Vec<f64>,
    /// Why some are missing.
    pub notes: Vec<Note>,
}

impl From<&Stats> for StatsTable {
    fn from(stats: &Stats) -> Self {
        let put_all = |table: &mut Table| put_stats(table, stats);
        let mut figures = vec![0.0; Table::names(put_all).len()];
        Table::fill(&mut figures, put_all);
        Self { figures, notes: notes(&Table::missing(put_all)) }
    }
}

/// jemalloc's printout and the figures that it must agree with.
#[napi(object)]
pub struct Printout {
    /// What `malloc_stats_print` wrote.
    pub printout: serde_json::Value,
    /// heapgap's own figures of the same epoch.
    pub stats: StatsTable,
    /// Its arenas, of the same epoch.
    pub arenas: serde_json::Value,
    /// Its size classes, of the same epoch.
    pub size_classes: serde_json::Value,
    /// Its decay times.
    pub decay: serde_json::Value,
}

/// Who serves `malloc`.
#[napi(object, use_nullable = true)]
pub struct LiveAllocator {
    /// One of the names of `AllocatorName`.
    pub name: String,
    /// The allocator's own version string.
    pub version: Option<String>,
    /// The file it was loaded from.
    pub library: Option<String>,
    /// What was observed.
    pub evidence: Vec<String>,
    /// heapgap reads its figures.
    pub stats: bool,
    /// heapgap can purge it.
    pub purge: bool,
}

impl From<&Allocator> for LiveAllocator {
    fn from(allocator: &Allocator) -> Self {
        Self {
            name: allocator.kind.name().to_owned(),
            version: allocator.version.clone(),
            library: allocator.library.clone(),
            evidence: allocator.evidence.clone(),
            stats: Stats::read(Duration::MAX).are_there(),
            purge: allocator.kind.has_purge(),
        }
    }
}

/// What a purge did.
#[napi(object, use_nullable = true)]
pub struct PurgeReport {
    /// The call that gave memory back.
    pub method: Option<String>,
    /// RSS before.
    pub rss_before: Option<f64>,
    /// RSS after.
    pub rss_after: Option<f64>,
    /// How far RSS fell.
    pub released: Option<f64>,
    /// What the allocator's figures promised.
    pub purgeable: Option<f64>,
    /// The allocator's figures before.
    pub before: StatsTable,
    /// The allocator's figures after.
    pub after: StatsTable,
    /// All of it.
    pub duration_ms: f64,
    /// How often the allocator was asked.
    pub attempts: u32,
    /// What is still there, and why.
    pub kept: Vec<Kept>,
    /// Why some of these are missing.
    pub notes: Vec<Note>,
}

/// One reason why RSS is not lower.
#[napi(object)]
pub struct Kept {
    /// One of `KeptCode`.
    pub code: String,
    /// How much it explains.
    pub bytes: f64,
    /// One sentence.
    pub summary: String,
}

impl From<&purge::Kept> for Kept {
    fn from(kept: &purge::Kept) -> Self {
        Self { code: kept.code.to_owned(), bytes: kept.bytes as f64, summary: kept.summary.clone() }
    }
}

impl From<&Report> for PurgeReport {
    fn from(report: &Report) -> Self {
        let released = report.released();
        let mut notes = Vec::new();
        let mut explain = |field: &str, reason: Option<Absent>| {
            notes.extend(reason.map(|reason| Note { field: field.to_owned(), reason: reason.to_string() }));
        };
        explain("method", report.method.err());
        explain("rssBefore", report.rss_before.err());
        explain("rssAfter", report.rss_after.err());
        explain("released", released.err());
        explain("purgeable", report.purgeable.err());
        explain("kept", report.unexplained());
        let number = |figure: Result<u64, Absent>| figure.ok().map(|value| value as f64);
        Self {
            method: report.method.ok().map(str::to_owned),
            rss_before: number(report.rss_before),
            rss_after: number(report.rss_after),
            released: released.ok().map(|bytes| bytes as f64),
            purgeable: number(report.purgeable),
            before: (&report.before).into(),
            after: (&report.after).into(),
            duration_ms: report.duration.as_secs_f64() * 1e3,
            attempts: report.attempts,
            kept: report.kept.iter().map(Kept::from).collect(),
            notes,
        }
    }
}

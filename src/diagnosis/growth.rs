//! Growth that matters: of which figure, by which samples, and when it reaches the limit.

use super::trend::{self, LEAST_POINTS, Point, Trend};
use super::view::View;
use super::window::{Column, Sample};
use super::words::MB;

/// Less than this is a cache, a compiled function, a connection's buffers …
const LEAST_RISE: f64 = 16.0 * MB;
/// … and within the first minute of a watch, which may be the process's first too, less than this is.
const LEAST_RISE_IN_A_MINUTE: f64 = 32.0 * MB;
/// In relation to where it started; a large heap that breathes moves by a tenth.
const LEAST_RATIO: f64 = 0.25;
/// So much matters at a smaller ratio, too.
const LARGE_RISE: f64 = 64.0 * MB;
const LARGE_RISE_RATIO: f64 = 0.1;

/// A slope says something about as long again as it was watched, and a bit; a limit that it would reach in
/// thirty times that is none that somebody has to be woken for.
const FORESIGHT: f64 = 30.0;
/// What is reached within an hour, somebody has to be woken for.
pub const SOON_SECONDS: f64 = 3600.0;

/// Which samples were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Right after major garbage collections: what is left is in use.
    AfterGc,
    /// The minima of stretches of all samples.
    Minima,
}

impl Basis {
    pub fn words(self) -> &'static str {
        match self {
            Basis::AfterGc => "samples right after major garbage collections",
            Basis::Minima => "minima of stretches of samples",
        }
    }
}

/// How a figure has developed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    pub trend: Trend,
    pub basis: Basis,
}

impl Growth {
    /// Seconds until `room` is used up; `None` where that is too far off to foresee.
    pub fn seconds_left(&self, room: Option<f64>) -> Option<f64> {
        let left = room?.max(0.0) / self.trend.slope;
        (left <= self.trend.seconds * FORESIGHT).then_some(left)
    }
}

/// The figures whose growth is told apart. Each is a function of a sample.
pub fn heap(sample: &Sample) -> f64 {
    sample.get(Column::HeapUsed)
}

/// `process.memoryUsage().arrayBuffers`.
pub fn buffers(sample: &Sample) -> f64 {
    sample.get(Column::ArrayBuffers)
}

/// What malloc has handed out beside Buffers: objects of addons, those that V8 was told of among them.
pub fn native(sample: &Sample) -> f64 {
    let caches = sample.get(Column::ThreadCaches);
    let cached = if caches.is_finite() { caches } else { 0.0 };
    sample.get(Column::Allocated) - cached - sample.get(Column::ArrayBuffers)
}

/// Anonymous memory that is neither V8's heap nor Buffers, for an allocator that does not say what it has
/// handed out.
pub fn unsplit(sample: &Sample) -> f64 {
    if sample.get(Column::Allocated).is_finite() {
        return f64::NAN;
    }
    sample.get(Column::Anon) - sample.get(Column::HeapPhysical) - sample.get(Column::ArrayBuffers)
}

/// Growth by the samples after major collections, and by minima only where `without_gc` and there are too
/// few of those: garbage that V8 has not collected yet is no leak.
pub fn of_bytes(view: &View, figure: fn(&Sample) -> f64, without_gc: bool) -> Option<Growth> {
    let after_gc = view.window.after_gc(figure);
    let growth = if after_gc.len() >= LEAST_POINTS {
        Growth { trend: trend::growth(&after_gc)?, basis: Basis::AfterGc }
    } else if without_gc {
        let all = view.window.series(figure);
        Growth { trend: trend::growth_of_minima(&all)?, basis: Basis::Minima }
    } else {
        return None;
    };
    matters(&growth.trend).then_some(growth)
}

fn matters(trend: &Trend) -> bool {
    let least = if trend.seconds < 60.0 { LEAST_RISE_IN_A_MINUTE } else { LEAST_RISE };
    let ratio = trend.rise / trend.start.max(1.0);
    (trend.rise >= least && ratio >= LEAST_RATIO) || (trend.rise >= LARGE_RISE && ratio >= LARGE_RISE_RATIO)
}

/// So many more, and so many times as many: a pool of connections fills, too.
const LEAST_MORE: f64 = 50.0;
const LEAST_TIMES: f64 = 1.5;

/// Growth of a count, which no garbage collection makes fall.
pub fn of_count(view: &View, column: Column) -> Option<Trend> {
    let trend = trend::growth_of_minima(&view.window.series(|sample| sample.get(column)))?;
    let times = (trend.start + trend.rise) / trend.start.max(1.0);
    (trend.rise >= LEAST_MORE && times >= LEAST_TIMES).then_some(trend)
}

/// So long, and so many samples, have to show that something does not grow, before its size is no matter.
const STEADY_SECONDS: f64 = 60.0;
const STEADY_SAMPLES: usize = 20;
/// What the later half may have more, …
const STEADY_RATIO: f64 = 1.1;
/// … and a bit: a tenth of a small figure is noise.
const STEADY_SLACK: f64 = 4.0 * MB;

/// Whether the window is long enough to say that the figure does not grow, and says so.
pub fn is_steady(view: &View, figure: fn(&Sample) -> f64) -> bool {
    let window = view.window;
    if window.seconds() < STEADY_SECONDS || window.len() < STEADY_SAMPLES {
        return false;
    }
    let after_gc = window.after_gc(figure);
    let points =
        if after_gc.len() >= LEAST_POINTS { after_gc } else { trend::minima(&window.series(figure)) };
    let (first, second) = points.split_at(points.len() / 2);
    !first.is_empty() && middle(second) <= middle(first) * STEADY_RATIO + STEADY_SLACK
}

fn middle(points: &[Point]) -> f64 {
    trend::median(&mut points.iter().map(|point| point.value).collect::<Vec<_>>())
}

/// The current level counts as reached before at this share of it.
const SAME_LEVEL: f64 = 0.8;

/// What of `now` is in use, as far as the window knows: where the level was reached before and a major
/// garbage collection brought it down, what that left; else all of it.
pub fn in_use(view: &View, figure: fn(&Sample) -> f64, now: f64) -> f64 {
    let after_gc = view.window.after_gc(figure);
    let Some(last) = after_gc.last() else { return now };
    let reached = |point: &Point| point.at < last.at && point.value >= now * SAME_LEVEL;
    if view.window.series(figure).iter().any(reached) { now.min(last.value) } else { now }
}

/// Whether a major garbage collection has left as much as there is `now`, so that it is no garbage.
pub fn has_survived(view: &View, figure: fn(&Sample) -> f64, now: f64) -> bool {
    view.window.after_gc(figure).iter().any(|point| point.value >= now * SAME_LEVEL)
}

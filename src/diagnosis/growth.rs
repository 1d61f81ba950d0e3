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
    /// The same, of a figure that holds garbage, where the few major collections there were freed little.
    Kept,
}

impl Basis {
    pub fn words(self) -> &'static str {
        match self {
            Basis::AfterGc => "samples right after major garbage collections",
            Basis::Minima => "minima of stretches of samples",
            Basis::Kept => "minima of stretches of samples, as major garbage collections freed little of it",
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

/// Buffers, and what else V8 was told of: `process.memoryUsage().external`. That leaves SharedArrayBuffers
/// out, which `arrayBuffers` has; `arrayBuffers` leaves out WebAssembly's memory, and the Buffers that addons
/// make of memory of their own (`napi_create_external_buffer`), sharp's images for one.
pub fn buffers(sample: &Sample) -> f64 {
    sample.get(Column::ArrayBuffers).max(sample.get(Column::External))
}

/// What malloc has handed out beside Buffers. WebAssembly's memory is none of malloc's: where it grows, this
/// falls, which is no growth.
pub fn native(sample: &Sample) -> f64 {
    let caches = sample.get(Column::ThreadCaches);
    let cached = if caches.is_finite() { caches } else { 0.0 };
    sample.get(Column::Allocated) - cached - buffers(sample)
}

/// Heaps, stacks and allocators, the heaps of worker threads among them.
pub fn anonymous(sample: &Sample) -> f64 {
    sample.get(Column::Anon)
}

/// Anonymous memory that is neither V8's heap nor Buffers, for an allocator that does not say what it has
/// handed out.
pub fn unsplit(sample: &Sample) -> f64 {
    if sample.get(Column::Allocated).is_finite() {
        return f64::NAN;
    }
    sample.get(Column::Anon) - sample.get(Column::HeapPhysical) - buffers(sample)
}

/// Growth by the samples after major collections; by minima where there are too few of those and the figure
/// holds no garbage (`without_gc`), or hardly any by what the few freed: what V8 has not collected yet is no
/// leak.
pub fn of_bytes(view: &View, figure: fn(&Sample) -> f64, without_gc: bool) -> Option<Growth> {
    let after_gc = view.window.after_gc(figure);
    let is_enough = after_gc.len() >= LEAST_POINTS;
    let by_gc = trend::growth(&after_gc)
        .filter(|trend| goes_on(view, figure, trend, &after_gc))
        .map(|trend| Growth { trend, basis: Basis::AfterGc });
    let by_minima = |basis| {
        let trend = trend::growth_of_minima(&view.window.series(figure))?;
        Some(Growth { trend, basis })
    };
    let growth = match by_gc {
        Some(growth) => Some(growth),
        None if without_gc && !is_enough => by_minima(Basis::Minima),
        None if is_kept(&view.window.series(figure), &after_gc) => by_minima(Basis::Kept),
        None => None,
    };
    growth.filter(|growth| matters(&growth.trend))
}

/// V8 lets a heap grow by half or more from one major collection to the next: a leak is watched for long
/// before there are as many as a trend takes. Two tell as well, …
const TELLING_COLLECTIONS: usize = 2;
/// … where they leave most of what was added since the one before, …
const KEPT: f64 = 0.6;
/// … and have seen a good part of the growth.
const SEEN: f64 = 0.3;

/// Whether what is added to a figure is hardly garbage, by the major collections.
fn is_kept(all: &[Point], after_gc: &[Point]) -> bool {
    let (Some(first), Some(last), Some(left)) = (all.first(), all.last(), after_gc.last()) else {
        return false;
    };
    let floors = [*first].into_iter().chain(after_gc.iter().copied());
    let kept = floors.zip(after_gc).map(|(floor, left)| {
        let since = all.iter().filter(|point| point.at >= floor.at && point.at < left.at);
        let highest = since.map(|point| point.value).fold(floor.value, f64::max);
        left.value - floor.value >= KEPT * (highest - floor.value)
    });
    let kept: Vec<bool> = kept.collect();
    let telling = kept.iter().rev().take(TELLING_COLLECTIONS);
    kept.len() >= TELLING_COLLECTIONS
        && telling.copied().all(|kept| kept)
        && left.value - first.value >= SEEN * (last.value - first.value)
}

/// So much of its time may have gone by since the last collection …
const RECENT: f64 = 0.5;
/// … or the figure has risen meanwhile, by at least so much of what the slope says.
const CONTINUED: f64 = 0.5;

/// Whether growth goes on after the last collection: a service that has started and is at rest collects no
/// more, and its last collections show how it grew while it started.
fn goes_on(view: &View, figure: fn(&Sample) -> f64, trend: &Trend, after_gc: &[Point]) -> bool {
    let Some(last) = after_gc.last() else { return false };
    let since = view.window.seconds() - last.at;
    let Some(now) = view.window.series(figure).last().copied() else { return false };
    since <= trend.seconds * RECENT || now.value - last.value >= trend.slope * since * CONTINUED
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
    let trend = trend::growth_of_count(&view.window.series(|sample| sample.get(column)))?;
    let times = (trend.start + trend.rise) / trend.start.max(1.0);
    (trend.rise >= LEAST_MORE && times >= LEAST_TIMES).then_some(trend)
}

/// As long as growth takes to be told, and so many samples, have to show that something does not grow, before
/// its size is no matter.
const STEADY_SECONDS: f64 = trend::LEAST_SECONDS;
const STEADY_SAMPLES: usize = 10;
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
    let is_no_more = |now: f64, before: f64| now <= before * STEADY_RATIO + STEADY_SLACK;
    let after_gc = window.after_gc(figure);
    let is_enough = after_gc.len() >= LEAST_POINTS;
    if let (false, Some((left, least))) = (is_enough, lately_left(view, figure)) {
        return is_no_more(left, least);
    }
    let points = if is_enough { after_gc } else { trend::minima(&window.series(figure)) };
    let (first, second) = points.split_at(points.len() / 2);
    !first.is_empty() && is_no_more(middle(second), middle(first))
}

/// What the last collection of the later half has left, and the least that there was in the first: where
/// there are few collections, garbage hides growth, and that there is none.
fn lately_left(view: &View, figure: fn(&Sample) -> f64) -> Option<(f64, f64)> {
    let seconds = view.window.seconds();
    let left = view.window.after_gc(figure).last().copied().filter(|point| point.at >= seconds / 2.0)?;
    let before = view.window.series(figure).into_iter().filter(|point| point.at < seconds / 2.0);
    let least = before.map(|point| point.value).fold(f64::INFINITY, f64::min);
    least.is_finite().then_some((left.value, least))
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

/// Whether a figure has risen by as much as matters, and too few major collections were seen to say whether
/// that is held or garbage.
pub fn is_unjudged(view: &View, figure: fn(&Sample) -> f64) -> bool {
    let minima = trend::minima(&view.window.series(figure));
    let (Some(first), Some(last)) = (minima.first(), minima.last()) else { return false };
    view.window.after_gc(figure).len() < LEAST_POINTS && last.value - first.value >= LEAST_RISE
}

/// Whether a major garbage collection has left as much as there is `now`, so that it is no garbage.
pub fn has_survived(view: &View, figure: fn(&Sample) -> f64, now: f64) -> bool {
    view.window.after_gc(figure).iter().any(|point| point.value >= now * SAME_LEVEL)
}

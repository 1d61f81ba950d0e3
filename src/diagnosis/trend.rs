//! Growth, told from noise and from warming up.
//!
//! The slope is Theil and Sen's, the median of the slopes between all pairs of points, which a third of
//! outliers does not bend. Whether there is one at all is Mann and Kendall's test, which asks nothing of the
//! noise's distribution: it counts in how many pairs the later point is the higher one.

/// A value at a time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub at: f64,
    pub value: f64,
}

/// Growth that is significant and still going on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Per second.
    pub slope: f64,
    /// The slope is within these with a confidence of 95 %.
    pub low: f64,
    pub high: f64,
    /// Kendall's rank correlation with time: 1 where every later point is higher.
    pub tau: f64,
    /// The chance that noise alone looks like this or more so.
    pub p: f64,
    /// What the line rises by over the whole time, and where it starts.
    pub rise: f64,
    pub start: f64,
    pub seconds: f64,
    pub points: usize,
}

/// One time in twenty noise looks like a trend at this; what growth has to be besides lowers it, and the
/// tests below say to how much.
pub const SIGNIFICANT: f64 = 0.05;
/// Four pairs of five rise, and one falls: the test for significance alone takes drift for a trend where a
/// value depends on the one before, as memory's do.
pub const MONOTONE: f64 = 0.6;
/// Below this Mann and Kendall's test cannot be significant.
pub const LEAST_POINTS: usize = 4;
/// A process does more in its first seconds than a slope can stand for.
pub const LEAST_SECONDS: f64 = 5.0;
/// Warming up slows down: a leak's second half grows at least half as fast as its first, …
const LASTING: f64 = 0.5;
/// … at least so fast in relation to the whole (which a single step is not), …
const CONTINUING: f64 = 0.25;
/// … and so does its last quarter, where there are points enough to tell.
const TELLING_QUARTER: usize = 4;

/// Pairs grow with the square of the points; more of these would not make it surer.
const MOST_POINTS: usize = 48;
/// Of a series between garbage collections the minima of so many stretches are looked at, of at least two
/// samples each.
const MOST_STRETCHES: usize = 24;
const LEAST_STRETCHES: usize = 6;

/// Growth of values that each stand for themselves, such as the heap right after a garbage collection.
pub fn growth(points: &[Point]) -> Option<Trend> {
    grows(&shorten(points, MOST_POINTS, median), LASTING)
}

/// Growth of values that go up and down, by the minima of stretches.
pub fn growth_of_minima(points: &[Point]) -> Option<Trend> {
    if points.len() < 2 * LEAST_STRETCHES {
        return None;
    }
    grows(&minima(points), LASTING)
}

/// Growth of a count. A pool of connections that fills stops altogether, where a leak that the machine slows
/// down goes on: it may slow down more.
pub fn growth_of_count(points: &[Point]) -> Option<Trend> {
    if points.len() < 2 * LEAST_STRETCHES {
        return None;
    }
    grows(&minima(points), LASTING / 2.0)
}

/// The minima of stretches of equally many points.
pub fn minima(points: &[Point]) -> Vec<Point> {
    let least = |values: &mut [f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    shorten(points, (points.len() / 2).min(MOST_STRETCHES), least)
}

/// At most `most` points, each of which stands for equally many neighbours, nearly.
fn shorten(points: &[Point], most: usize, value: impl Fn(&mut [f64]) -> f64) -> Vec<Point> {
    let stretches = points.len().min(most);
    (0..stretches)
        .map(|i| &points[i * points.len() / stretches..(i + 1) * points.len() / stretches])
        .map(|stretch| {
            let at = stretch.iter().map(|point| point.at).sum::<f64>() / stretch.len() as f64;
            let mut values: Vec<f64> = stretch.iter().map(|point| point.value).collect();
            Point { at, value: value(&mut values) }
        })
        .collect()
}

fn grows(points: &[Point], lasting: f64) -> Option<Trend> {
    let trend = fit(points)?;
    let (first, second) = points.split_at(points.len() / 2);
    // With an odd number the middle one belongs to both.
    let first = slope(if points.len() % 2 == 1 { &points[..=first.len()] } else { first })?;
    let second = slope(second)?;
    let quarter = &points[points.len() - points.len() / 4..];
    let last = if quarter.len() >= TELLING_QUARTER { slope(quarter)? } else { second };
    let continuing = CONTINUING * trend.slope;
    let lasts = second >= lasting * first && second >= continuing && last >= continuing;
    let clear = trend.p <= SIGNIFICANT && trend.tau >= MONOTONE && trend.slope > 0.0;
    (clear && lasts && trend.seconds >= LEAST_SECONDS).then_some(trend)
}

/// The line through the points, whatever it looks like.
fn fit(points: &[Point]) -> Option<Trend> {
    let n = points.len();
    if n < LEAST_POINTS {
        return None;
    }
    let mut slopes = slopes(points);
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let slope = middle(&slopes);
    let pairs = (n * (n - 1) / 2) as f64;
    let score: f64 = pairs_of(points).map(|(a, b)| sign(b.value - a.value)).sum();
    let variance = variance(points);
    let deviation = variance.sqrt();
    // Less 1, because the score changes in steps of 2 (Kendall's correction for continuity).
    let z = if deviation > 0.0 { (score.abs() - 1.0).max(0.0) / deviation } else { 0.0 };
    let seconds = points[n - 1].at - points[0].at;
    let mut starts: Vec<f64> =
        points.iter().map(|point| point.value - slope * (point.at - points[0].at)).collect();
    // Sen 1968: the interval's ends are so many ranks from the middle.
    let ranks = 1.96 * deviation;
    let at_rank = |rank: f64| slopes[(rank.max(0.0) as usize).min(slopes.len() - 1)];
    let count = slopes.len() as f64;
    Some(Trend {
        slope,
        low: at_rank((count - ranks) / 2.0),
        high: at_rank((count + ranks) / 2.0),
        tau: score / pairs,
        p: upper_tail(z),
        rise: slope * seconds,
        start: median(&mut starts),
        seconds,
        points: n,
    })
}

fn slope(points: &[Point]) -> Option<f64> {
    let mut slopes = slopes(points);
    (!slopes.is_empty()).then(|| median(&mut slopes))
}

fn slopes(points: &[Point]) -> Vec<f64> {
    pairs_of(points)
        .filter(|(a, b)| b.at > a.at)
        .map(|(a, b)| (b.value - a.value) / (b.at - a.at))
        .filter(|slope| slope.is_finite())
        .collect()
}

fn pairs_of(points: &[Point]) -> impl Iterator<Item = (&Point, &Point)> {
    points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)))
}

/// 1, 0 or −1; `f64::signum` knows no 0.
fn sign(difference: f64) -> f64 {
    f64::from(i8::from(difference > 0.0) - i8::from(difference < 0.0))
}

/// Of Mann and Kendall's score; equal values lower it.
fn variance(points: &[Point]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|point| point.value).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|equal| term(equal.len() as f64)).sum();
    (term(values.len() as f64) - ties) / 18.0
}

/// The chance that a normal deviate exceeds `z` (Abramowitz and Stegun, 26.2.17; off by 7.5e-8 at the most).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429]
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial
}

/// 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    middle(values)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Marsaglia's xorshift: the same numbers on every run.
    struct Random(u64);

    impl Random {
        /// From −1 to 1.
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        }
    }

    fn points(n: usize, value: impl FnMut(f64) -> f64) -> Vec<Point> {
        let mut value = value;
        (0..n).map(|i| Point { at: i as f64, value: value(i as f64 / n as f64) }).collect()
    }

    /// Of 1,000 series, how many seem to grow.
    fn seem_to_grow(of: impl Fn(&mut Random) -> Option<Trend>) -> usize {
        (1..=1000_u64)
            .filter(|seed| of(&mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))).is_some())
            .count()
    }

    #[test]
    fn noise_does_not_grow() {
        let noise = |n: usize, random: &mut Random| points(n, |_| 100.0 + 20.0 * random.next());
        // As few collections as can be judged: 1 of 24 orders rises all the time. What matters is asked of
        // growth besides (growth.rs), which noise seldom is.
        let four = |random: &mut Random| points(4, |_| random.next()).map_at(2.0);
        let rates = [
            seem_to_grow(|random| growth(&four(random))),
            seem_to_grow(|random| growth(&noise(8, random))),
            seem_to_grow(|random| growth(&noise(16, random))),
            seem_to_grow(|random| growth(&noise(60, random))),
            seem_to_grow(|random| growth_of_minima(&noise(12, random))),
            seem_to_grow(|random| growth_of_minima(&noise(600, random))),
        ];
        let allowed = [30, 11, 0, 0, 29, 0];
        assert!(rates.iter().zip(allowed).all(|(rate, most)| *rate <= most), "{rates:?} of 1000");
    }

    #[test]
    fn noise_that_depends_on_the_one_before_does_not_grow() {
        // As a service's load does: each value is nine tenths of the last one, and chance.
        let drift = |n: usize, random: &mut Random| {
            let mut value = 0.0;
            points(n, |_| {
                value = 0.9 * value + random.next();
                100.0 + value
            })
        };
        let minima = seem_to_grow(|random| growth_of_minima(&drift(600, random)));
        assert_eq!(minima, 0);
        let minute = seem_to_grow(|random| growth_of_minima(&drift(60, random)));
        assert!(minute <= 13, "{minute} of 1000");
    }

    trait MapAt {
        fn map_at(self, seconds: f64) -> Self;
    }

    impl MapAt for Vec<Point> {
        fn map_at(mut self, seconds: f64) -> Self {
            self.iter_mut().for_each(|point| point.at *= seconds);
            self
        }
    }

    #[test]
    fn a_line_grows_through_noise() {
        let line = |random: &mut Random| points(60, |t| 100.0 + 60.0 * t + 10.0 * random.next());
        // The noise of the last quarter alone can hide it.
        let found = seem_to_grow(|random| growth(&line(random)));
        assert!(found >= 970, "{found} of 1000");
        let Some(trend) = growth(&line(&mut Random(1))) else { unreachable!("no trend") };
        assert!((0.8..1.2).contains(&trend.slope), "{trend:?}");
        assert!(trend.low < trend.slope && trend.slope < trend.high, "{trend:?}");
        assert!((90.0..110.0).contains(&trend.start), "{trend:?}");
        assert!(trend.p < 0.001, "{trend:?}");
    }

    #[test]
    fn outliers_do_not_bend_it() {
        let outliers =
            points(
                60,
                |t| if ((t * 60.0).round() as u32).is_multiple_of(10) { 900.0 } else { 100.0 + 60.0 * t },
            );
        assert!((0.8..1.2).contains(&growth(&outliers).map_or(0.0, |trend| trend.slope)));
    }

    #[test]
    fn four_collections_suffice_and_three_do_not() {
        let line = |n| points(n, |t| t).map_at(4.0);
        assert!(growth(&line(4)).is_some());
        assert!(growth(&line(3)).is_none());
        // Within four seconds nothing is a trend.
        assert!(growth(&points(5, |t| t)).is_none());
    }

    #[test]
    fn a_saw_does_not_grow() {
        for teeth in [2.0, 3.0, 5.0, 10.0, 40.0] {
            let saw = points(600, |t| 100.0 + 50.0 * (t * teeth).fract());
            assert!(growth(&saw).is_none(), "{teeth}");
            assert!(growth_of_minima(&saw).is_none(), "{teeth}");
        }
    }

    #[test]
    fn a_saw_that_climbs_grows_by_its_minima() {
        let saw = points(600, |t| 100.0 + 60.0 * t + 50.0 * (t * 40.0).fract());
        let Some(trend) = growth_of_minima(&saw) else { unreachable!("no trend") };
        assert!((0.08..0.12).contains(&trend.slope), "{trend:?}");
    }

    #[test]
    fn warming_up_is_no_growth() {
        // Three time constants, and two, and a cache that is full after 30, 60 and 80 % of the time.
        for constants in [2.0, 3.0, 6.0_f64] {
            assert!(growth(&points(60, |t| 100.0 * (1.0 - (-t * constants).exp()))).is_none());
        }
        for full in [0.3, 0.6, 0.8] {
            let cache = points(60, |t| 100.0 * (t / full).min(1.0));
            assert!(growth(&cache).is_none(), "{full}");
            assert!(growth_of_minima(&cache).is_none(), "{full}");
            assert!(growth_of_count(&cache).is_none(), "{full}");
        }
    }

    #[test]
    fn a_count_may_grow_more_slowly_than_it_did() {
        let slowed = |later: f64| points(60, |t| 100.0 * (t.min(0.5) + later * (t - 0.5).max(0.0)));
        assert!(growth_of_count(&slowed(0.4)).is_some() && growth_of_minima(&slowed(0.4)).is_none());
        assert!(growth_of_count(&slowed(0.2)).is_none());
    }

    #[test]
    fn a_step_is_no_growth() {
        for step in [0.1, 0.3, 0.5, 0.7, 0.9] {
            let mut random = Random(1);
            let steps = points(60, |t| if t < step { 100.0 } else { 200.0 } + random.next());
            assert!(growth(&steps).is_none(), "{step}");
            assert!(growth_of_minima(&steps).is_none(), "{step}");
        }
    }

    #[test]
    fn what_is_constant_or_falls_does_not_grow() {
        assert!(growth(&points(60, |_| 5.0)).is_none());
        assert!(growth(&points(60, |t| -t)).is_none());
        assert!(growth(&[]).is_none());
        assert!(growth(&[Point { at: 1.0, value: 1.0 }; 60]).is_none());
    }

    #[test]
    fn a_tail_is_the_tables() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.158_655), (1.96, 0.024_998), (3.0, 0.001_350)] {
            assert!((upper_tail(z) - p).abs() < 1e-5, "{z}");
        }
    }

    #[test]
    fn equal_values_lower_the_variance() {
        // n = 6 with three pairs alike: S = 12, (6·5·17 − 3·2·1·9) / 18 = 25.33, z = 11 / 5.033.
        let pairs = points(6, |t| (t * 3.0 + 1e-9).floor());
        let Some(trend) = fit(&pairs) else { unreachable!("six points") };
        assert_eq!(trend.tau, 12.0 / 15.0);
        assert!((trend.p - 0.014_42).abs() < 1e-4, "{trend:?}");
    }

    proptest! {
        #[test]
        fn any_points_are_survived(values in prop::collection::vec(any::<(f64, f64)>(), 0..200)) {
            let points: Vec<_> = values.iter().map(|&(at, value)| Point { at, value }).collect();
            growth(&points);
            growth_of_minima(&points);
        }
    }
}

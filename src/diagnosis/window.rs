//! The samples of a watch.

use super::trend::Point;

/// What a sample consists of, in the order of its row; NaN stands for what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "a column that no rule looks at has its place all the same")]
pub enum Column {
    /// Milliseconds since the epoch.
    Time,
    /// 1 right after a major garbage collection, else 0.
    AfterGc,
    Rss,
    Anon,
    File,
    Shmem,
    HeapUsed,
    HeapTotal,
    HeapPhysical,
    ArrayBuffers,
    External,
    Allocated,
    Active,
    Dirty,
    Muzzy,
    Metadata,
    ThreadCaches,
    Free,
    Threads,
    Fds,
    /// How many active resources there are, of all types.
    Resources,
    CgroupUsage,
    CgroupReclaimable,
    /// Major garbage collections since the watch began.
    MajorGcs,
}

/// Numbers in a row.
pub const WIDTH: usize = Column::MajorGcs as usize + 1;

/// Samples in the order of their time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    rows: Vec<[f64; WIDTH]>,
}

impl Window {
    /// Takes rows one after another; `None` where the last one is cut off. A row without a time is dropped.
    pub fn new(flat: &[f64]) -> Option<Self> {
        let (rows, rest) = flat.as_chunks::<WIDTH>();
        if !rest.is_empty() {
            return None;
        }
        let mut rows: Vec<_> =
            rows.iter().filter(|row| row[Column::Time as usize].is_finite()).copied().collect();
        // The clock may have been set back meanwhile.
        rows.sort_unstable_by(|a, b| a[Column::Time as usize].total_cmp(&b[Column::Time as usize]));
        Some(Self { rows })
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// From the first sample to the last.
    pub fn seconds(&self) -> f64 {
        match (self.rows.first(), self.rows.last()) {
            (Some(first), Some(last)) => (last[Column::Time as usize] - first[Column::Time as usize]) / 1e3,
            _ => 0.0,
        }
    }

    /// What `of` makes of each sample, by seconds since the first one; without what is not known.
    pub fn series(&self, of: impl Fn(&Sample) -> f64) -> Vec<Point> {
        self.points(of, |_| true)
    }

    /// The same, of the samples right after a major garbage collection alone.
    pub fn after_gc(&self, of: impl Fn(&Sample) -> f64) -> Vec<Point> {
        self.points(of, |sample| sample.is_after_gc())
    }

    fn points(&self, of: impl Fn(&Sample) -> f64, keep: impl Fn(&Sample) -> bool) -> Vec<Point> {
        let Some(first) = self.rows.first() else { return Vec::new() };
        let begin = first[Column::Time as usize];
        self.rows
            .iter()
            .map(Sample)
            .filter(|sample| keep(sample))
            .map(|sample| Point { at: (sample.get(Column::Time) - begin) / 1e3, value: of(&sample) })
            .filter(|point| point.value.is_finite())
            .collect()
    }
}

/// One row.
pub struct Sample<'a>(&'a [f64; WIDTH]);

impl Sample<'_> {
    pub fn get(&self, column: Column) -> f64 {
        self.0[column as usize]
    }

    pub fn is_after_gc(&self) -> bool {
        self.get(Column::AfterGc) == 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: f64, rss: f64, after_gc: f64) -> [f64; WIDTH] {
        let mut row = [f64::NAN; WIDTH];
        row[Column::Time as usize] = time;
        row[Column::AfterGc as usize] = after_gc;
        row[Column::Rss as usize] = rss;
        row
    }

    #[test]
    fn a_row_has_the_columns_that_javascript_writes() {
        assert_eq!(WIDTH, 24);
        assert_eq!(Column::HeapUsed as usize, 6);
        assert_eq!(Column::Resources as usize, 20);
    }

    #[test]
    fn rows_become_series_by_seconds() {
        let flat = [row(3000.0, 2.0, 1.0), row(1000.0, 1.0, 0.0), row(f64::NAN, 9.0, 0.0)].concat();
        let Some(window) = Window::new(&flat) else { unreachable!("whole rows") };
        assert_eq!(window.len(), 2);
        assert_eq!(window.seconds(), 2.0);
        let rss = |sample: &Sample| sample.get(Column::Rss);
        let points = [Point { at: 0.0, value: 1.0 }, Point { at: 2.0, value: 2.0 }];
        assert_eq!(window.series(rss), points);
        assert_eq!(window.after_gc(rss), points[1..]);
        assert_eq!(window.series(|sample| sample.get(Column::Anon)), []);
    }

    #[test]
    fn a_row_that_is_cut_off_is_refused() {
        assert!(Window::new(&[0.0; WIDTH - 1]).is_none());
        assert_eq!(Window::new(&[]).map(|window| window.len()), Some(0));
    }
}

//! Which pages of a range are in memory.

use std::ops::Range;

use super::walk::Memory;
use crate::sources::Absent;
use crate::sources::process::page_size;

/// The pages of one range.
#[derive(Debug)]
pub struct Pages {
    start: u64,
    size: u64,
    /// A bit for each.
    present: Vec<u64>,
}

impl Pages {
    /// Those of `range`, as they are now.
    pub fn read(memory: &dyn Memory, range: Range<u64>) -> Result<Self, Absent> {
        let size = page_size();
        let start = range.start / size * size;
        // Allocated first: where it is allocated from may be what is looked at.
        let count = range.end.saturating_sub(start).div_ceil(size);
        let present = vec![0; count.div_ceil(64) as usize];
        let mut pages = Self { start, size, present };
        pages.update(memory, range)?;
        Ok(pages)
    }

    /// Reads those of `range`, which is part of the whole, anew.
    pub fn update(&mut self, memory: &dyn Memory, range: Range<u64>) -> Result<(), Absent> {
        let first = (range.start.saturating_sub(self.start)) / self.size;
        memory.pages(range, &mut |index, is_present| {
            let index = first + index;
            if let Some(word) = self.present.get_mut((index / 64) as usize) {
                *word = (*word & !(1 << (index % 64))) | u64::from(is_present) << (index % 64);
            }
        })
    }

    /// Bytes in one.
    pub fn page_size(&self) -> u64 {
        self.size
    }

    /// Whether the page that holds `address` is in memory.
    pub fn has(&self, address: u64) -> bool {
        let index = address.checked_sub(self.start).map(|offset| offset / self.size);
        let bit =
            |index: u64| Some((self.present.get(usize::try_from(index / 64).ok()?)? >> (index % 64)) & 1);
        index.and_then(bit) == Some(1)
    }

    /// How many bytes of `range` are in memory.
    pub fn resident(&self, range: Range<u64>) -> u64 {
        let mut bytes = 0;
        let mut at = range.start;
        while at < range.end {
            let next = (at / self.size + 1).saturating_mul(self.size).min(range.end);
            if self.has(at) {
                bytes += next - at;
            }
            at = next;
        }
        bytes
    }

    /// The end of the resident pages from `address` on, no further than `limit`.
    pub fn resident_until(&self, address: u64, limit: u64) -> u64 {
        let mut at = address;
        while at < limit && self.has(at) {
            at = (at / self.size + 1) * self.size;
        }
        at.min(limit)
    }
}

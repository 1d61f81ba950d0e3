//! jemalloc's arenas, one by one, and how long they keep freed pages (jemalloc(3), `stats.arenas.<i>`).

use serde::Serialize;

use super::{Keys, flag, is_in_use, mib, signed, size, unsigned};
use crate::sources::detail::Arena;

/// The arenas in use, as of the last refresh. For other threads than JavaScript's.
pub fn arenas() -> Vec<Arena> {
    let keys = Keys::cached();
    let Some((count, mut initialized)) = keys.narenas().zip(keys.initialized) else { return Vec::new() };
    let mut arena_keys = ArenaKeys::find();
    let in_use = (0..count).filter(|&index| is_in_use(&mut initialized, index));
    in_use.map(|index| arena_keys.read(index, keys.page)).collect()
}

/// MIBs of arena 0; the index is to be replaced.
struct ArenaKeys {
    nthreads: Option<[usize; 4]>,
    pactive: Option<[usize; 4]>,
    pdirty: Option<[usize; 4]>,
    pmuzzy: Option<[usize; 4]>,
    small: Option<[usize; 5]>,
    large: Option<[usize; 5]>,
    base: Option<[usize; 4]>,
    internal: Option<[usize; 4]>,
    mapped: Option<[usize; 4]>,
    retained: Option<[usize; 4]>,
    dirty_decay: Option<[usize; 4]>,
    muzzy_decay: Option<[usize; 4]>,
}

impl ArenaKeys {
    fn find() -> Self {
        Self {
            nthreads: mib(b"stats.arenas.0.nthreads\0"),
            pactive: mib(b"stats.arenas.0.pactive\0"),
            pdirty: mib(b"stats.arenas.0.pdirty\0"),
            pmuzzy: mib(b"stats.arenas.0.pmuzzy\0"),
            small: mib(b"stats.arenas.0.small.allocated\0"),
            large: mib(b"stats.arenas.0.large.allocated\0"),
            base: mib(b"stats.arenas.0.base\0"),
            internal: mib(b"stats.arenas.0.internal\0"),
            mapped: mib(b"stats.arenas.0.mapped\0"),
            retained: mib(b"stats.arenas.0.retained\0"),
            dirty_decay: mib(b"stats.arenas.0.dirty_decay_ms\0"),
            muzzy_decay: mib(b"stats.arenas.0.muzzy_decay_ms\0"),
        }
    }

    fn read(&mut self, index: u32, page: Option<u64>) -> Arena {
        /// The MIB, with the arena's index in it.
        fn of<const N: usize>(mib: &mut Option<[usize; N]>, index: u32) -> Option<&[usize]> {
            let mib = mib.as_mut()?;
            mib[2] = index as usize;
            Some(mib)
        }
        let pages = |mib: &mut _| size(of(mib, index)?)?.checked_mul(page?);
        let bytes = |mib: &mut _| size(of(mib, index)?);
        let ms = |mib: &mut _| signed(of(mib, index)?);
        let both = |first: Option<u64>, second: Option<u64>| first?.checked_add(second?);
        let active = pages(&mut self.pactive);
        let small = of(&mut self.small, index).and_then(size);
        let allocated = both(small, of(&mut self.large, index).and_then(size));
        Arena {
            index,
            threads: of(&mut self.nthreads, index).and_then(unsigned).map(u64::from),
            allocated,
            active,
            dirty: pages(&mut self.pdirty),
            muzzy: pages(&mut self.pmuzzy),
            // Not of one instant: see `snapshot::stats::pinned`.
            pinned: active.zip(allocated).map(|(active, allocated)| active.saturating_sub(allocated)),
            // `stats.metadata` is the sum of these two over all arenas (ctl.c, ctl_refresh).
            metadata: both(bytes(&mut self.base), bytes(&mut self.internal)),
            mapped: bytes(&mut self.mapped),
            retained: bytes(&mut self.retained),
            dirty_decay_ms: ms(&mut self.dirty_decay),
            muzzy_decay_ms: ms(&mut self.muzzy_decay),
            ..Arena::default()
        }
    }
}

/// For how long freed pages are kept; −1 for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decay {
    /// `arena.0.dirty_decay_ms`.
    pub dirty_ms: i64,
    /// `arena.0.muzzy_decay_ms`.
    pub muzzy_ms: i64,
    /// `background_thread`: whether threads of jemalloc's own decay, also while the process idles.
    pub background_threads: bool,
}

/// As is in force for arena 0, now: these keys need no refresh.
pub fn decay() -> Option<Decay> {
    Some(Decay {
        dirty_ms: signed(&mib::<3>(b"arena.0.dirty_decay_ms\0")?)?,
        muzzy_ms: signed(&mib::<3>(b"arena.0.muzzy_decay_ms\0")?)?,
        // Where it is not built in there are none.
        background_threads: mib::<1>(b"background_thread\0").and_then(|mib| flag(&mib)).unwrap_or(false),
    })
}

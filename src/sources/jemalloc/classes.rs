//! jemalloc's size classes: what is live in each, and what their slabs keep beside it (jemalloc(3),
//! `stats.arenas.<i>.bins.<j>` and `…lextents.<j>`).

use std::cmp::Reverse;

use super::{Keys, flag, mib, size, unsigned};
use crate::sources::detail::{ClassKind, SizeClass};

/// The size classes with something in them, of all arenas together, as of the last refresh; the most
/// wasteful first. For other threads than JavaScript's.
pub fn size_classes() -> Vec<SizeClass> {
    let mut classes = small().unwrap_or_default();
    classes.extend(large().unwrap_or_default());
    classes.sort_unstable_by_key(|class| Reverse((class.waste, class.bytes)));
    classes
}

/// `None` where a key is missing, as in a jemalloc built without statistics.
fn small() -> Option<Vec<SizeClass>> {
    let count = unsigned(&mib::<2>(b"arenas.nbins\0")?)?;
    let mut size_key = mib::<4>(b"arenas.bin.0.size\0")?;
    let mut slab_size_key = mib::<4>(b"arenas.bin.0.slab_size\0")?;
    // 4096 is MALLCTL_ARENAS_ALL: the arenas merged.
    let mut curregs_key = mib::<6>(b"stats.arenas.4096.bins.0.curregs\0")?;
    let mut curslabs_key = mib::<6>(b"stats.arenas.4096.bins.0.curslabs\0")?;
    let class = |index: u32| {
        let index = index as usize;
        [size_key[2], slab_size_key[2]] = [index; 2];
        [curregs_key[4], curslabs_key[4]] = [index; 2];
        Some(Bin {
            size: size(&size_key)?,
            slab: size(&slab_size_key)?,
            objects: size(&curregs_key)?,
            slabs: size(&curslabs_key)?,
        })
    };
    let bins = (0..count).filter_map(class).filter(|bin| bin.slabs > 0);
    Some(bins.map(SizeClass::from).collect())
}

/// One size class of small objects.
struct Bin {
    size: u64,
    slab: u64,
    objects: u64,
    slabs: u64,
}

impl From<Bin> for SizeClass {
    fn from(bin: Bin) -> Self {
        let bytes = bin.size.saturating_mul(bin.objects);
        SizeClass {
            size: bin.size,
            kind: ClassKind::Small,
            count: bin.objects,
            bytes,
            // The two counts are not of one instant.
            waste: Some(bin.slab.saturating_mul(bin.slabs).saturating_sub(bytes)),
        }
    }
}

/// Their bytes are a bound where `opt.disable_large_size_classes` is on, as in 5.3.1: objects are then
/// rounded up to whole pages alone, and counted in the class above.
fn large() -> Option<Vec<SizeClass>> {
    let count = unsigned(&mib::<2>(b"arenas.nlextents\0")?)?;
    let mut size_key = mib::<4>(b"arenas.lextent.0.size\0")?;
    let mut live_key = mib::<6>(b"stats.arenas.4096.lextents.0.curlextents\0")?;
    let padding = padding();
    let class = |index: u32| {
        (size_key[2], live_key[4]) = (index as usize, index as usize);
        let (size, count) = (size(&size_key)?, size(&live_key)?);
        let bytes = size.saturating_mul(count);
        let waste = padding.map(|padding| padding.saturating_mul(count));
        (count > 0).then_some(SizeClass { size, kind: ClassKind::Large, count, bytes, waste })
    };
    Some((0..count).filter_map(class).collect())
}

/// With `opt.cache_oblivious` each large object has a page more, so that not all start at the start of
/// a page (jemalloc's sz.c, `sz_large_pad`). `None` before 5.3, where it was built in or not.
fn padding() -> Option<u64> {
    let is_padded = flag(&mib::<2>(b"opt.cache_oblivious\0")?)?;
    if is_padded { Keys::cached().page } else { Some(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slabs_hold_beside_live_objects_is_waste() {
        let class = SizeClass::from(Bin { size: 1280, slab: 20480, objects: 3, slabs: 2 });
        assert_eq!(
            class,
            SizeClass {
                size: 1280,
                kind: ClassKind::Small,
                count: 3,
                bytes: 3840,
                waste: Some(2 * 20480 - 3840),
            }
        );
    }

    #[test]
    fn counts_of_two_instants_make_no_negative_waste() {
        let class = SizeClass::from(Bin { size: 8, slab: 4096, objects: 513, slabs: 1 });
        assert_eq!(class.waste, Some(0));
    }

    #[test]
    fn without_jemalloc_there_is_no_class() {
        assert_eq!(size_classes(), []);
    }
}

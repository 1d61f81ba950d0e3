//! What one dump has more than another.

use std::collections::HashMap;
use std::fmt;

use super::{Dump, Stack};

/// Two dumps that cannot be compared: they were sampled at different rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomparable {
    before: u64,
    after: u64,
}

impl fmt::Display for Incomparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the earlier profile was sampled every {} bytes and the later every {}: what they differ in is no growth",
            self.before, self.after
        )
    }
}

impl std::error::Error for Incomparable {}

/// By how much each stack holds more in `after` than in `before`, negative where it holds less; with the
/// mappings of `after`. Stacks are the same if their addresses are: both dumps are of one process.
pub fn between(before: &Dump, after: Dump) -> Result<Dump, Incomparable> {
    if before.sample_bytes != after.sample_bytes {
        return Err(Incomparable { before: before.sample_bytes, after: after.sample_bytes });
    }
    let mut earlier = by_addresses(&before.stacks);
    let mut stacks = after.stacks;
    for stack in &mut stacks {
        let (objects, bytes) = earlier.remove(stack.addresses.as_slice()).unwrap_or_default();
        stack.objects = stack.objects.saturating_sub(objects);
        stack.bytes = stack.bytes.saturating_sub(bytes);
    }
    // In the order of the dump, which is the same every time.
    let gone = before.stacks.iter().filter_map(|stack| {
        let (objects, bytes) = earlier.remove(stack.addresses.as_slice())?;
        Some(Stack {
            addresses: stack.addresses.clone(),
            objects: 0_i64.saturating_sub(objects),
            bytes: 0_i64.saturating_sub(bytes),
        })
    });
    stacks.extend(gone);
    stacks.retain(|stack| stack.objects != 0 || stack.bytes != 0);
    Ok(Dump { stacks, ..after })
}

fn by_addresses(stacks: &[Stack]) -> HashMap<&[u64], (i64, i64)> {
    let mut sums: HashMap<&[u64], (i64, i64)> = HashMap::with_capacity(stacks.len());
    for stack in stacks {
        let sum = sums.entry(&stack.addresses).or_default();
        *sum = (sum.0.saturating_add(stack.objects), sum.1.saturating_add(stack.bytes));
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::Mapping;
    use super::*;

    fn dump(stacks: &[(&[u64], i64, i64)]) -> Dump {
        let stacks = stacks
            .iter()
            .map(|&(addresses, objects, bytes)| Stack { addresses: addresses.to_vec(), objects, bytes })
            .collect();
        Dump { sample_bytes: 1024, stacks, mappings: Vec::new() }
    }

    #[test]
    fn each_stack_has_what_it_gained_or_lost() {
        let before = dump(&[(&[1, 2], 4, 400), (&[3], 1, 10), (&[4], 2, 20)]);
        let mut after = dump(&[(&[5], 1, 7), (&[1, 2], 6, 300), (&[4], 2, 20)]);
        after.mappings = vec![Mapping { start: 1, end: 9, ..Mapping::default() }];
        let expected = Dump {
            mappings: after.mappings.clone(),
            ..dump(&[(&[5], 1, 7), (&[1, 2], 2, -100), (&[3], -1, -10)])
        };
        assert_eq!(between(&before, after), Ok(expected));
    }

    #[test]
    fn rates_that_differ_are_an_error() {
        let before = Dump { sample_bytes: 512, ..dump(&[]) };
        let error = between(&before, dump(&[]));
        assert!(
            error.is_err_and(|error| error.to_string().contains("every 512 bytes and the later every 1024"))
        );
    }

    fn any_dump() -> impl Strategy<Value = Dump> {
        // Few addresses, so that stacks meet, also within one dump.
        vec((vec(0..4_u64, 0..3), any::<i32>(), any::<i32>()), 0..20).prop_map(|stacks| {
            let stacks = stacks
                .into_iter()
                .map(|(addresses, objects, bytes)| Stack {
                    addresses,
                    objects: objects.into(),
                    bytes: bytes.into(),
                })
                .collect();
            Dump { sample_bytes: 1024, stacks, mappings: Vec::new() }
        })
    }

    proptest! {
        #[test]
        fn what_was_and_what_came_is_what_is(before in any_dump(), after in any_dump()) {
            let mut sum = before.clone();
            sum.stacks.extend(between(&before, after.clone())?.stacks);
            let nonzero = |dump: &Dump| {
                let mut sums: Vec<_> =
                    by_addresses(&dump.stacks).into_iter().filter(|(_, sum)| *sum != (0, 0))
                    .map(|(addresses, sum)| (addresses.to_vec(), sum)).collect();
                sums.sort();
                sums
            };
            prop_assert_eq!(nonzero(&sum), nonzero(&after));
        }

        #[test]
        fn nothing_changed_is_nothing(dump in any_dump()) {
            let growth = between(&dump, dump.clone())?;
            // A stack that is there twice may leave rows, whose sum is nothing.
            prop_assert!(by_addresses(&growth.stacks).values().all(|sum| *sum == (0, 0)));
        }
    }
}

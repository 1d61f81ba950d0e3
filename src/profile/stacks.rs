//! A profile as a list: JSON for the leak check.

use std::collections::HashMap;

use serde::Serialize;

use super::{Function, Profile};

/// Nobody reads more.
const MOST: usize = 100;

/// All that was sampled and is live, and the stacks that hold the most of it, the largest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stacks<'a> {
    sample_bytes: u64,
    bytes: i64,
    objects: i64,
    stacks: Vec<Stack<'a>>,
    /// How many are not shown.
    others: usize,
    /// What could not be named and why.
    notes: &'a [String],
}

#[derive(Serialize)]
struct Stack<'a> {
    bytes: i64,
    objects: i64,
    /// The innermost first.
    frames: Vec<Frame<'a>>,
}

/// A function, wherever in it the call is: who reads sees no difference.
#[derive(Serialize, PartialEq, Eq, Hash)]
struct Frame<'a> {
    name: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// `profile` as JSON, with `notes`.
pub fn encode(profile: &Profile, notes: &[String]) -> serde_json::Result<Vec<u8>> {
    let mut stacks = merged(profile);
    stacks.sort_by_key(|stack| -stack.bytes);
    let others = stacks.len().saturating_sub(MOST);
    stacks.truncate(MOST);
    serde_json::to_vec(&Stacks {
        sample_bytes: profile.sample_bytes,
        bytes: profile.stacks.iter().map(|stack| stack.bytes).sum(),
        objects: profile.stacks.iter().map(|stack| stack.objects).sum(),
        stacks,
        others,
        notes,
    })
}

fn merged(profile: &Profile) -> Vec<Stack<'_>> {
    let mut sums: HashMap<Vec<Frame<'_>>, (i64, i64)> = HashMap::new();
    for stack in &profile.stacks {
        let frames = stack.locations.iter().filter_map(|&index| frame(profile, index)).collect();
        let (bytes, objects) = sums.entry(frames).or_default();
        *bytes += stack.bytes;
        *objects += stack.objects;
    }
    sums.into_iter().map(|(frames, (bytes, objects))| Stack { bytes, objects, frames }).collect()
}

fn frame(profile: &Profile, index: usize) -> Option<Frame<'_>> {
    let Function { name, file, line, .. } = &profile.locations.get(index)?.function;
    Some(Frame { name, file: file.as_deref(), line: *line })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_slice, json};

    use super::super::{Location, NamedStack};
    use super::*;

    fn location(name: String) -> Location {
        let function = Function { name, line: Some(3), ..Function::default() };
        Location { function, ..Location::default() }
    }

    #[test]
    fn the_largest_come_first_and_the_rest_is_counted() -> serde_json::Result<()> {
        let stack = |index: usize| NamedStack { locations: vec![index], objects: 2, bytes: index as i64 };
        let profile = Profile {
            sample_bytes: 1024,
            stacks: (0..102).map(stack).collect(),
            locations: (0..102).map(|index| location(format!("f{index}"))).collect(),
            ..Profile::default()
        };
        let found: Value = from_slice(&encode(&profile, &[])?)?;
        let first =
            json!({ "bytes": 101, "objects": 2, "frames": [{ "name": "f101", "file": null, "line": 3 }] });
        assert_eq!(found["stacks"][0], first);
        assert_eq!(found["stacks"].as_array().map(Vec::len), Some(100));
        assert_eq!((&found["others"], &found["bytes"]), (&json!(2), &json!(101 * 102 / 2)));
        assert_eq!((&found["objects"], &found["sampleBytes"]), (&json!(204), &json!(1024)));
        Ok(())
    }

    #[test]
    fn calls_from_two_places_of_a_function_are_one_stack() -> serde_json::Result<()> {
        let stack = |first, bytes| NamedStack { locations: vec![first, 2], objects: 1, bytes };
        let profile = Profile {
            stacks: vec![stack(0, 30), stack(1, 12)],
            locations: ["parse", "parse", "main"].map(|name| location(name.to_owned())).into(),
            ..Profile::default()
        };
        let found: Value = from_slice(&encode(&profile, &[])?)?;
        assert_eq!(found["stacks"].as_array().map(Vec::len), Some(1));
        assert_eq!((&found["stacks"][0]["bytes"], &found["stacks"][0]["objects"]), (&json!(42), &json!(2)));
        Ok(())
    }
}

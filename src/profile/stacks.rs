//! A profile as a list: JSON for the leak check.

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
}

#[derive(Serialize)]
struct Stack<'a> {
    bytes: i64,
    objects: i64,
    /// The innermost first.
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// `profile` as JSON.
pub fn encode(profile: &Profile) -> serde_json::Result<Vec<u8>> {
    let mut stacks: Vec<_> = profile.stacks.iter().collect();
    stacks.sort_by_key(|stack| -stack.bytes);
    let rows = stacks.iter().take(MOST).map(|stack| Stack {
        bytes: stack.bytes,
        objects: stack.objects,
        frames: stack.locations.iter().filter_map(|&index| frame(profile, index)).collect(),
    });
    serde_json::to_vec(&Stacks {
        sample_bytes: profile.sample_bytes,
        bytes: stacks.iter().map(|stack| stack.bytes).sum(),
        objects: stacks.iter().map(|stack| stack.objects).sum(),
        stacks: rows.collect(),
        others: stacks.len().saturating_sub(MOST),
    })
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

    #[test]
    fn the_largest_come_first_and_the_rest_is_counted() -> serde_json::Result<()> {
        let function = Function { name: "parse".to_owned(), line: Some(3), ..Function::default() };
        let stack = |bytes| NamedStack { locations: vec![0, 7], objects: 2, bytes };
        let profile = Profile {
            sample_bytes: 1024,
            stacks: (1..=102).map(stack).collect(),
            locations: vec![Location { function, ..Location::default() }],
            ..Profile::default()
        };
        let found: Value = from_slice(&encode(&profile)?)?;
        let first =
            json!({ "bytes": 102, "objects": 2, "frames": [{ "name": "parse", "file": null, "line": 3 }] });
        assert_eq!(found["stacks"][0], first);
        assert_eq!(found["stacks"].as_array().map(Vec::len), Some(100));
        assert_eq!((&found["others"], &found["bytes"]), (&json!(2), &json!(102 * 103 / 2)));
        assert_eq!((&found["objects"], &found["sampleBytes"]), (&json!(204), &json!(1024)));
        Ok(())
    }
}

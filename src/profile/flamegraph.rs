//! A flame graph: one SVG that needs nothing else.

use std::collections::{BTreeMap, HashMap};
use std::io;

use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{Options, TextTruncateDirection, from_lines};

use super::{Function, Kind, NamedStack, Profile};

/// What the colours mean; see [`annotation`].
const LEGEND: &str = "green: JavaScript, orange: native code, blue: without a name";

/// Frames that are narrower, in per cent of the whole, are left out: a pixel is about as wide. With all of
/// them, 5,000 stacks make 40 MB.
const NARROWEST: f64 = 0.1;

/// What each stack holds, the outermost frames at the bottom. Stacks that hold less than before are not
/// there: a width cannot be negative.
pub fn draw(profile: &Profile, title: &str, subtitle: &str) -> io::Result<Vec<u8>> {
    let lines = folded(profile)?;
    if lines.is_empty() {
        return Ok(nothing(title, subtitle).into_bytes());
    }
    let mut options = Options::default();
    options.title = clean(title);
    options.subtitle = Some(clean(&format!("{subtitle} | {LEGEND}")));
    options.count_name = "bytes".to_owned();
    options.colors = Palette::Multi(MultiPalette::Java);
    // The same frame has the same shade everywhere and every time.
    options.deterministic = true;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.min_width = NARROWEST;
    let mut svg = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    Ok(svg)
}

/// `outermost;…;innermost bytes`, for each stack that holds something. Its narrow end is cut off before it
/// is written: inferno would drop it, but only after it has taken all lines into memory.
fn folded(profile: &Profile) -> io::Result<Vec<String>> {
    let labels: Vec<String> = profile.locations.iter().map(|location| label(&location.function)).collect();
    let held = || profile.stacks.iter().filter(|stack| stack.bytes > 0);
    let mut tree = Tree::new();
    for stack in held() {
        tree.add(&frames(stack, &labels), stack.bytes.unsigned_abs())?;
    }
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for stack in held() {
        let frames = frames(stack, &labels);
        *sums.entry(frames[..tree.visible(&frames)].join(";")).or_default() += stack.bytes.unsigned_abs();
    }
    Ok(sums.into_iter().map(|(frames, bytes)| format!("{frames} {bytes}")).collect())
}

/// The labels of a stack, the outermost first; at least one.
fn frames<'a>(stack: &NamedStack, labels: &'a [String]) -> Vec<&'a str> {
    let frames: Vec<&str> =
        stack.locations.iter().rev().filter_map(|&index| labels.get(index)).map(String::as_str).collect();
    // An unwinder may come back with nothing.
    if frames.is_empty() { vec![NO_STACK] } else { frames }
}

/// What is held in each frame and above it. Frames are numbered; 0 is the whole.
struct Tree<'a> {
    bytes: Vec<u64>,
    numbers: HashMap<(usize, &'a str), usize>,
}

impl<'a> Tree<'a> {
    fn new() -> Self {
        Self { bytes: vec![0], numbers: HashMap::new() }
    }

    fn add(&mut self, frames: &[&'a str], bytes: u64) -> io::Result<()> {
        // inferno adds them up without looking; and no frame has more than the whole.
        let total = self.bytes[0].checked_add(bytes);
        self.bytes[0] = total.ok_or_else(|| io::Error::other("more bytes than can be drawn"))?;
        let mut parent = 0;
        for frame in frames {
            let next = self.bytes.len();
            parent = *self.numbers.entry((parent, frame)).or_insert(next);
            if parent == next {
                self.bytes.push(0);
            }
            self.bytes[parent] += bytes;
        }
        Ok(())
    }

    /// How many of the frames are wide enough; the outermost counts always.
    fn visible(&self, frames: &[&'a str]) -> usize {
        let least = self.bytes[0] as f64 * NARROWEST / 100.0;
        let mut parent = 0;
        for (depth, frame) in frames.iter().enumerate() {
            match self.numbers.get(&(parent, *frame)) {
                Some(&number) if self.bytes[number] as f64 >= least => parent = number,
                _ => return depth.max(1),
            }
        }
        frames.len()
    }
}

/// What stands in a frame, in inferno's format: a semicolon is the end of a frame, and `# ` the start of a
/// comment.
fn label(function: &Function) -> String {
    let name = if function.name.trim().is_empty() { "(anonymous)" } else { &function.name };
    let place = function.file.as_deref().map_or_else(String::new, |file| match function.line {
        Some(line) => format!(" ({}:{line})", short(file)),
        None => format!(" ({})", short(file)),
    });
    let label = clean(&format!("{}{place}", name.trim())).replace(';', ",").replacen("# ", "#\u{a0}", 1);
    label + annotation(function.kind)
}

/// [`Kind::Unknown`].
const NO_STACK: &str = "(no stack)_[i]";

/// What inferno colours by, and does not show. Since every label ends in one, none ends in a number, which
/// inferno would take for a count.
fn annotation(kind: Kind) -> &'static str {
    match kind {
        Kind::JavaScript => "_[j]",
        Kind::Native => "_[k]",
        Kind::Unknown => "_[i]",
    }
}

/// The file's name; of a package, from the package on.
fn short(file: &str) -> &str {
    const PACKAGES: &str = "node_modules/";
    match file.rfind(PACKAGES) {
        Some(at) => &file[at + PACKAGES.len()..],
        None if file.starts_with("node:") => file,
        None => file.rsplit(['/', '\\']).next().unwrap_or(file),
    }
}

/// Without what XML has no place for, escaped or not (XML 1.0, 2.2).
fn clean(text: &str) -> String {
    let is_foreign = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(is_foreign, "\u{fffd}")
}

/// Instead of inferno's own picture for this, which says that an error occurred.
fn nothing(title: &str, subtitle: &str) -> String {
    let escaped = |text: &str| clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="110" font-family="monospace" font-size="12" text-anchor="middle">
<rect width="100%" height="100%" fill="#eeeeee"/>
<text x="50%" y="24" font-size="17">{}</text>
<text x="50%" y="48">{}</text>
<text x="50%" y="80">Nothing to draw: nothing that was sampled is live, or has grown.</text>
</svg>
"##,
        escaped(title),
        escaped(subtitle)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::Location;
    use super::*;

    /// A little of what XML 1.0 wants of a document: legal characters, known entities, closed tags, quoted
    /// attributes. Answers its elements and its texts.
    fn parsed(svg: &str) -> Result<(Vec<&str>, Vec<String>), String> {
        let is_legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        if let Some(c) = svg.chars().find(|&c| !is_legal(c)) {
            return Err(format!("{c:?} is not legal"));
        }
        let (mut open, mut elements, mut texts, mut rest) = (Vec::new(), Vec::new(), Vec::new(), svg);
        while let Some((text, markup)) = rest.split_once('<') {
            texts.extend(Some(unescaped(text)?).filter(|text| !text.trim().is_empty()));
            let end = match markup {
                _ if markup.starts_with("!--") => "-->",
                _ if markup.starts_with("![CDATA[") => "]]>",
                _ => ">",
            };
            let (tag, after) = markup.split_once(end).ok_or("no end")?;
            rest = after;
            if tag.starts_with(['!', '?']) {
                continue;
            }
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return Err(format!("{name} closes what is not open"));
                }
                continue;
            }
            let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag, ""));
            if tag.contains('<') || attributes.matches('"').count() != 2 * attributes.matches("=\"").count() {
                return Err(format!("malformed: {tag}"));
            }
            unescaped(attributes)?;
            elements.push(name);
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        if open.is_empty() && rest.trim().is_empty() {
            Ok((elements, texts))
        } else {
            Err("not closed".to_owned())
        }
    }

    fn unescaped(text: &str) -> Result<String, String> {
        let mut parts = text.split('&');
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, after) = part.split_once(';').ok_or_else(|| format!("a bare & in {text:?}"))?;
            result += match name {
                "lt" => "<",
                "gt" => ">",
                "amp" => "&",
                "quot" => "\"",
                "apos" => "'",
                _ => return Err(format!("unknown: {name}")),
            };
            result += after;
        }
        Ok(result)
    }

    fn script(name: &str, file: &str, line: u32) -> Function {
        Function {
            name: name.to_owned(),
            file: Some(file.to_owned()),
            line: Some(line),
            kind: Kind::JavaScript,
            ..Function::default()
        }
    }

    fn code(name: &str, kind: Kind) -> Function {
        Function { name: name.to_owned(), kind, ..Function::default() }
    }

    fn profile(functions: Vec<Function>, stacks: &[(&[usize], i64)]) -> Profile {
        let stacks = stacks
            .iter()
            .map(|&(locations, bytes)| NamedStack { locations: locations.to_vec(), objects: 1, bytes })
            .collect();
        let locations =
            functions.into_iter().map(|function| Location { function, ..Location::default() }).collect();
        Profile { sample_bytes: 1024, stacks, locations, mappings: Vec::new() }
    }

    fn drawn(profile: &Profile) -> Result<String, String> {
        let svg = draw(profile, "Live memory", "pid 7").map_err(|error| error.to_string())?;
        String::from_utf8(svg).map_err(|error| error.to_string())
    }

    #[test]
    fn frames_say_what_they_hold() -> Result<(), String> {
        let profile = profile(
            vec![
                code("operator new(unsigned long)", Kind::Native),
                script("resizeAvatar", "/srv/app/server.js", 4),
                code("[node]", Kind::Unknown),
            ],
            &[(&[0, 1, 2], 3_000_000), (&[0, 2], 1_000_000), (&[1], -500)],
        );
        let (_, texts) = parsed(&drawn(&profile)?).map(|(elements, texts)| (elements.len(), texts))?;
        for expected in [
            "Live memory",
            "pid 7 | green: JavaScript, orange: native code, blue: without a name",
            "all (4,000,000 bytes, 100%)",
            "[node] (4,000,000 bytes, 100.00%)",
            "resizeAvatar (server.js:4) (3,000,000 bytes, 75.00%)",
            "operator new(unsigned long) (3,000,000 bytes, 75.00%)",
            "operator new(unsigned long) (1,000,000 bytes, 25.00%)",
        ] {
            assert!(texts.iter().any(|text| text == expected), "{expected} is not in {texts:?}");
        }
        Ok(())
    }

    /// inferno's green has more green than red, orange more red than green and no blue, aqua as much of both.
    #[test]
    fn colours_tell_the_kinds_apart() -> Result<(), String> {
        for (kind, is_it) in [
            (Kind::JavaScript, (|r, g, b| g > r && r == b) as fn(u8, u8, u8) -> bool),
            (Kind::Native, |r, g, b| r > g && b == 0),
            (Kind::Unknown, |r, g, b| g == b && g > r),
        ] {
            let svg = drawn(&profile(vec![code("v8::internal::f", kind)], &[(&[0], 1)]))?;
            let colour = svg
                .rsplit_once("fill=\"rgb(")
                .and_then(|(_, after)| after.split_once(')'))
                .map(|(rgb, _)| rgb);
            let rgb: Vec<u8> =
                colour.unwrap_or_default().split(',').filter_map(|part| part.parse().ok()).collect();
            assert!(matches!(rgb[..], [r, g, b] if is_it(r, g, b)), "{kind:?}: {colour:?}");
        }
        Ok(())
    }

    #[test]
    fn a_place_is_short_and_tells_packages_apart() {
        for (file, expected) in [
            ("/srv/app/server.js", "server.js"),
            ("file:///srv/app/main.mjs", "main.mjs"),
            ("C:\\srv\\server.js", "server.js"),
            ("/srv/node_modules/a/node_modules/@scope/b/index.js", "@scope/b/index.js"),
            ("node:internal/streams/readable", "node:internal/streams/readable"),
        ] {
            assert_eq!(short(file), expected);
        }
        assert_eq!(
            label(&Function { line: None, ..script("", "/srv/server.js", 1) }),
            "(anonymous) (server.js)_[j]"
        );
    }

    #[test]
    fn names_that_look_like_inferno_s_format_stay_names() -> Result<(), String> {
        let names = ["get 12", "# comment", "a;b", "x_[k]", " padded\u{a0}", "12", "-", "--"];
        for name in names {
            let svg = drawn(&profile(vec![code(name, Kind::JavaScript)], &[(&[0], 10), (&[0, 0], 5)]))?;
            let (_, texts) = parsed(&svg)?;
            let shown = name.trim().replace(';', ",").replace("# ", "#\u{a0}");
            assert!(texts.contains(&format!("{shown} (15 bytes, 100.00%)")), "{name:?}: {texts:?}");
            assert!(texts.contains(&format!("{shown} (5 bytes, 33.33%)")), "{name:?}: {texts:?}");
        }
        Ok(())
    }

    #[test]
    fn foreign_names_are_text() -> Result<(), String> {
        let name = "<script>alert('1')</script>\"&amp; ]]> -->\u{0}\u{1b}\n\u{ffff}";
        let svg = drawn(&profile(vec![code(name, Kind::JavaScript)], &[(&[0], 1)]))?;
        let (elements, texts) = parsed(&svg)?;
        assert_eq!(elements.iter().filter(|&&element| element == "script").count(), 1, "inferno's own");
        let shown =
            "<script>alert('1')</script>\"&amp, ]]> -->\u{fffd}\u{fffd}\u{fffd}\u{fffd} (1 bytes, 100.00%)";
        assert!(texts.iter().any(|text| text == shown), "{texts:?}");
        Ok(())
    }

    #[test]
    fn nothing_is_a_picture_that_says_so() -> Result<(), String> {
        for empty in [Profile::default(), profile(vec![code("f", Kind::Native)], &[(&[0], -5), (&[0], 0)])] {
            let svg = draw(&empty, "<Growth> & \u{7}", "1 s").map_err(|error| error.to_string())?;
            let svg = String::from_utf8(svg).map_err(|error| error.to_string())?;
            let (_, texts) = parsed(&svg)?;
            assert_eq!(texts[..2], ["<Growth> & \u{fffd}", "1 s"]);
            assert!(texts[2].starts_with("Nothing to draw"));
        }
        Ok(())
    }

    #[test]
    fn a_sum_that_has_no_room_is_an_error() {
        let stacks: [(&[usize], i64); 3] = [(&[0], i64::MAX), (&[0], i64::MAX), (&[0], i64::MAX)];
        assert!(drawn(&profile(vec![code("f", Kind::Native)], &stacks)).is_err());
        assert!(drawn(&profile(vec![code("f", Kind::Native)], &stacks[..2])).is_ok());
    }

    #[test]
    fn what_is_too_narrow_is_in_what_holds_it() -> Result<(), String> {
        let functions = ["main", "wide", "narrow", "tiny"].map(|name| code(name, Kind::Native)).to_vec();
        let svg = drawn(&profile(functions, &[(&[1, 0], 1_998), (&[3, 2, 0], 2), (&[3, 0], 1), (&[3], 1)]))?;
        let (_, texts) = parsed(&svg)?;
        let mut frames: Vec<_> = texts.iter().filter(|text| text.contains(" bytes, ")).collect();
        frames.sort();
        assert_eq!(
            frames,
            ["all (2,002 bytes, 100%)", "main (2,001 bytes, 99.95%)", "wide (1,998 bytes, 99.80%)"]
        );
        Ok(())
    }

    #[test]
    fn it_needs_nothing_from_elsewhere() -> Result<(), String> {
        let svg = drawn(&profile(vec![code("f", Kind::Native)], &[(&[0], 1)]))?;
        for reference in ["href=", "src=", "@import", "url(http", "url('http", "url(\"http"] {
            assert!(!svg.contains(reference), "{reference}");
        }
        Ok(())
    }

    /// What names are made of, and what could break the formats on the way.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[<>&\"';# _\\[\\]jk0-9()\n\t\u{0}\u{1b}\u{85}\u{a0}\u{2028}\u{ffff}-]{0,12}"
        ]
    }

    fn function() -> impl Strategy<Value = Function> {
        let kind = prop_oneof![Just(Kind::Native), Just(Kind::JavaScript), Just(Kind::Unknown)];
        (name(), proptest::option::of(name()), any::<Option<u32>>(), kind).prop_map(
            |(name, file, line, kind)| Function { name, system_name: String::new(), file, line, kind },
        )
    }

    proptest! {
        #[test]
        fn it_is_xml_whatever_the_names(
            functions in vec(function(), 1..6),
            stacks in vec((vec(0..6_usize, 0..5), -9..1000_i64), 0..9),
            title in name(),
            subtitle in name(),
        ) {
            let stacks: Vec<(&[usize], i64)> = stacks.iter().map(|(frames, bytes)| (frames.as_slice(), *bytes)).collect();
            let total: i64 = stacks.iter().map(|(_, bytes)| *bytes.max(&0)).sum();
            let svg = draw(&profile(functions, &stacks), &title, &subtitle)?;
            let svg = String::from_utf8(svg)?;
            let (elements, texts) = parsed(&svg).map_err(TestCaseError::fail)?;
            let known = ["defs", "g", "linearGradient", "rect", "script", "stop", "style", "svg", "text", "title"];
            prop_assert!(elements.iter().collect::<BTreeSet<_>>().is_subset(&known.iter().collect()), "{:?}", elements);
            if total > 0 {
                let all = format!("all ({} bytes, 100%)", if total < 1000 { total.to_string() } else { format!("{},{:03}", total / 1000, total % 1000) });
                prop_assert!(texts.contains(&all), "{} is not in {:?}", all, texts);
            }
        }
    }
}

//! What is found, as `index.d.ts` has it.

use serde::Serialize;

/// What can be found; docs/diagnosis.md explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    Healthy,
    JsHeap,
    ExternalBuffers,
    NativeLive,
    Retention,
    PinnedFragmentation,
    TooManyArenas,
    ThreadCaches,
    HugePages,
    DecayNotRunning,
    HandlesGrowing,
    PageCache,
    MappedFiles,
    Stacks,
    LimitTooTight,
    NotLive,
    InsufficientData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// A number or a word. A number that is not finite becomes `null`, as JSON has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Number(f64),
    Text(String),
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    #[serde(rename = "bytes")]
    Bytes,
    #[serde(rename = "bytes/s")]
    BytesPerSecond,
    #[serde(rename = "count")]
    Count,
    #[serde(rename = "count/s")]
    CountPerSecond,
    #[serde(rename = "ms")]
    Ms,
    #[serde(rename = "ratio")]
    Ratio,
    #[serde(rename = "text")]
    Text,
}

/// A figure that a finding rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    pub metric: String,
    pub value: Option<Value>,
    pub unit: Unit,
    /// What it was compared with.
    pub threshold: Option<Value>,
    /// Which key, file or call it was read from.
    pub source: String,
}

/// Why a finding is named before or after others of its severity, the first ones first. The cause comes
/// before what it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// What one believes about the process is wrong: everything else is read in its light.
    Premise,
    /// It makes other things grow.
    CauseOfGrowth,
    /// It grows, and will not stop by itself.
    Growth,
    /// No cause in the process: nothing it could give back would do.
    Limit,
    /// By its bytes.
    Mass,
    /// Another finding explains the same bytes.
    Consequence,
    /// Not the process's own.
    Elsewhere,
    /// What is not known.
    Unknown,
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub bytes: Option<f64>,
    pub severity: Severity,
    pub summary: String,
    pub evidence: Vec<Evidence>,
    pub actions: Vec<String>,
    #[serde(skip)]
    pub place: Place,
}

impl Value {
    /// Without digits that no measurement has.
    fn rounded(self, unit: Unit) -> Self {
        match (self, unit) {
            (Value::Number(number), Unit::Ratio | Unit::CountPerSecond) => {
                Value::Number((number * 1e3).round() / 1e3)
            }
            (Value::Number(number), _) => Value::Number(number.round()),
            (text, _) => text,
        }
    }
}

impl Finding {
    pub fn new(code: Code, severity: Severity, bytes: impl Into<Option<f64>>, summary: String) -> Self {
        let (evidence, actions) = (Vec::new(), Vec::new());
        let bytes = bytes.into().map(f64::round);
        Self { code, bytes, severity, summary, evidence, actions, place: Place::Mass }
    }

    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Adds a figure, and what it was compared with.
    pub fn shows(
        mut self,
        metric: &str,
        value: impl Into<Value>,
        unit: Unit,
        threshold: Option<f64>,
        source: &str,
    ) -> Self {
        self.evidence.push(Evidence {
            metric: metric.to_owned(),
            value: Some(value.into().rounded(unit)),
            unit,
            threshold: threshold.map(|threshold| Value::Number(threshold).rounded(unit)),
            source: source.to_owned(),
        });
        self
    }

    /// Adds bytes, where they are known.
    pub fn bytes(self, metric: &str, value: Option<f64>, threshold: Option<f64>, source: &str) -> Self {
        match value {
            Some(value) => self.shows(metric, value, Unit::Bytes, threshold, source),
            None => self,
        }
    }

    pub fn act(mut self, action: impl Into<String>) -> Self {
        self.actions.push(action.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: &str = include_str!("../../index.d.ts");

    const CODES: [Code; 17] = [
        Code::Healthy,
        Code::JsHeap,
        Code::ExternalBuffers,
        Code::NativeLive,
        Code::Retention,
        Code::PinnedFragmentation,
        Code::TooManyArenas,
        Code::ThreadCaches,
        Code::HugePages,
        Code::DecayNotRunning,
        Code::HandlesGrowing,
        Code::PageCache,
        Code::MappedFiles,
        Code::Stacks,
        Code::LimitTooTight,
        Code::NotLive,
        Code::InsufficientData,
    ];

    /// The words between quotes from `begin` up to the next semicolon.
    fn listed(begin: &str) -> Vec<&'static str> {
        let from = TYPES.find(begin).map_or("", |at| &TYPES[at..]);
        let text = from.split(';').next().unwrap_or("");
        text.split('\'').skip(1).step_by(2).collect()
    }

    fn words<T: Serialize>(values: &[T]) -> Vec<String> {
        let json = |value| serde_json::to_value(value).ok();
        values.iter().filter_map(|value| Some(json(value)?.as_str()?.to_owned())).collect()
    }

    #[test]
    fn the_words_are_those_of_the_types() {
        assert_eq!(words(&CODES), listed("export type DiagnosisCode ="));
        let severities = [Severity::Critical, Severity::Warning, Severity::Info];
        assert_eq!(words(&severities), listed("severity: 'critical'"));
        let units = [
            Unit::Bytes,
            Unit::BytesPerSecond,
            Unit::Count,
            Unit::CountPerSecond,
            Unit::Ms,
            Unit::Ratio,
            Unit::Text,
        ];
        assert_eq!(words(&units), listed("unit: 'bytes'"));
    }

    #[test]
    fn a_finding_is_as_the_types_have_it() {
        let finding = Finding::new(Code::Stacks, Severity::Info, f64::INFINITY, "So.".to_owned())
            .shows("a", 1.5, Unit::Ratio, Some(1.0), "b")
            .shows("c", "d", Unit::Text, None, "e")
            .act("Go.");
        let expected = serde_json::json!({
            "code": "stacks",
            "bytes": null,
            "severity": "info",
            "summary": "So.",
            "evidence": [
                { "metric": "a", "value": 1.5, "unit": "ratio", "threshold": 1.0, "source": "b" },
                { "metric": "c", "value": "d", "unit": "text", "threshold": null, "source": "e" },
            ],
            "actions": ["Go."],
        });
        assert_eq!(serde_json::to_value(&finding).ok(), Some(expected));
    }
}

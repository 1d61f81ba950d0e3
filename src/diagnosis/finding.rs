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

impl Finding {
    pub fn new(code: Code, severity: Severity, bytes: impl Into<Option<f64>>, summary: String) -> Self {
        let (evidence, actions) = (Vec::new(), Vec::new());
        Self { code, bytes: bytes.into(), severity, summary, evidence, actions, place: Place::Mass }
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
            value: Some(value.into()),
            unit,
            threshold: threshold.map(Value::Number),
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

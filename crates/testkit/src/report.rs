//! What a test found, as data and as a table.

use std::fmt;

use steerable_irreps::MulIrrep;

use crate::generate::{InputPart, SampleKind};
use crate::model::Signature;
use crate::precision::Precision;
use crate::transform::Transform;

/// A property that an output is compared under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    /// The output follows a rotation of the input about the origin.
    Rotation,
    /// The output follows the inversion `x -> -x`; checked where the irreps claim a parity.
    Inversion,
    /// The output follows a translation by 2 to 4 [scales](crate::EquivarianceTest::scale) along each
    /// axis.
    Translation,
    /// The output follows a translation by up to 256 (f32) or 65536 (f64) scales along each axis.
    /// It finds distances computed as `|a|^2 + |b|^2 - 2 a.b`, which cancel.
    FarTranslation,
    /// The output follows a new order of nodes and edges.
    Permutation,
    /// A graph alone gives what it gives inside a batch.
    Batch,
    /// The same input gives exactly the same numbers.
    Determinism,
}

impl Property {
    /// Every property, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Rotation,
        Self::Inversion,
        Self::Translation,
        Self::FarTranslation,
        Self::Permutation,
        Self::Batch,
        Self::Determinism,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rotation => "rotation",
            Self::Inversion => "inversion",
            Self::Translation => "translation",
            Self::FarTranslation => "far translation",
            Self::Permutation => "permutation",
            Self::Batch => "batch",
            Self::Determinism => "determinism",
        })
    }
}

/// Where something was seen.
#[derive(Clone, Debug)]
pub struct Place {
    /// The sample; [`EquivarianceTest::sample`](crate::EquivarianceTest::sample) makes it again.
    pub sample: SampleKind,
    /// What was done to it;
    /// [`EquivarianceTest::transformed`](crate::EquivarianceTest::transformed) does it again.
    pub transform: Transform,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.sample, self.transform)
    }
}

/// One property of one output irrep, with the worst comparison that was made.
#[derive(Clone, Debug)]
pub struct Check {
    /// The property.
    pub property: Property,
    /// The block of the output.
    pub block: MulIrrep,
    /// The index of that block in `irreps_out`.
    pub block_index: usize,
    /// The relative error of the comparison that came nearest to its tolerance or exceeded it most.
    pub error: f64,
    /// The tolerance of that comparison.
    pub tolerance: f64,
    /// Where that was; `None` if no comparison could be made.
    pub worst: Option<Place>,
}

impl Check {
    /// Whether a comparison was made and the worst one is within its tolerance.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.worst.is_some() && self.error <= self.tolerance
    }
}

/// What went wrong before numbers could be compared, or makes the comparisons worthless.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// The model panicked with this message.
    Panicked(String),
    /// The model returned another number of values than rows times `irreps_out.dim()`.
    WrongLength {
        /// Rows times `irreps_out.dim()`.
        expected: usize,
        /// The length of what it returned.
        got: usize,
    },
    /// The output block holds a NaN or an infinity.
    NotFinite(MulIrrep),
    /// The output block was zero, up to rounding, in every trial: all checks hold vacuously.
    AlwaysZero(MulIrrep),
    /// The output block had the same value in every row of every trial: all checks hold vacuously.
    Constant(MulIrrep),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "the model panicked: {message}"),
            Self::WrongLength { expected, got } => {
                write!(f, "the model returned {got} values, expected {expected}")
            }
            Self::NotFinite(block) => write!(f, "output {block} is not finite"),
            Self::AlwaysZero(block) => {
                write!(
                    f,
                    "output {block} is zero on every random sample: nothing was tested"
                )
            }
            Self::Constant(block) => {
                write!(
                    f,
                    "output {block} is the same on every random sample: nothing was tested"
                )
            }
        }
    }
}

/// A [`FaultKind`], where it was first seen and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Where it was first seen; `None` if it concerns all trials together.
    pub first: Option<Place>,
    /// In how many evaluations it was seen.
    pub occurrences: usize,
}

/// Everything that one test found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The name given to the test.
    pub name: String,
    /// The irreps tested.
    pub signature: Signature,
    /// The precision claimed for the model.
    pub precision: Precision,
    /// The seed of all samples and transforms.
    pub seed: u64,
    /// The number of random samples.
    pub trials: usize,
    /// How often the model was evaluated.
    pub evaluations: usize,
    /// By how much each output block amplifies relative changes of the input, 1 to 100; a factor
    /// of the tolerances.
    pub amplification: Vec<f64>,
    /// One entry for each property and output block.
    pub checks: Vec<Check>,
    /// What went wrong apart from errors above tolerance.
    pub faults: Vec<Fault>,
    /// Parts of the input that no output depends on; not a failure.
    pub ignored: Vec<InputPart>,
}

impl Report {
    /// Whether there were checks, all passed, and there were no faults.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.faults.is_empty() && self.checks.iter().all(Check::passed)
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.passed())
    }

    /// The largest relative error of one property over all output blocks; `None` if not checked.
    #[must_use]
    pub fn error(&self, property: Property) -> Option<f64> {
        let checks = self
            .checks
            .iter()
            .filter(|check| check.property == property);
        checks
            .filter(|check| check.worst.is_some())
            .map(|check| check.error)
            .reduce(f64::max)
    }

    /// Does nothing if the test passed.
    ///
    /// # Panics
    /// With the whole report, seed included, if it did not.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.passed(), "\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            signature,
            precision,
            seed,
            trials,
            evaluations,
            ..
        } = self;
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        writeln!(f, "equivariance of {name}: {verdict}")?;
        let input = match signature.irreps_in.dim() {
            0 => "no features".to_owned(),
            _ => signature.irreps_in.to_string(),
        };
        writeln!(f, "  {input} -> {}", signature.irreps_out)?;
        writeln!(
            f,
            "  {precision}, seed {seed}, {trials} trials, {evaluations} evaluations"
        )?;
        write!(f, "  amplification of rounding:")?;
        for (block, amplification) in signature.irreps_out.iter().zip(&self.amplification) {
            write!(f, " {amplification:.1} ({block})")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  {:<16}{:<10}{:<10}{:<10}    worst on",
            "property", "output", "error", "tolerance"
        )?;
        for check in &self.checks {
            write_check(f, check)?;
        }
        for Fault {
            kind,
            first,
            occurrences,
        } in &self.faults
        {
            write!(f, "  fault: {kind}")?;
            if let Some(place) = first {
                write!(f, " ({place}; {occurrences} of {evaluations} evaluations)")?;
            }
            writeln!(f)?;
        }
        for part in &self.ignored {
            writeln!(f, "  note: no output depends on {part}")?;
        }
        Ok(())
    }
}

fn write_check(f: &mut fmt::Formatter<'_>, check: &Check) -> fmt::Result {
    let output = check.block.to_string();
    write!(f, "  {:<16}{output:<10}", check.property)?;
    let Some(place) = &check.worst else {
        return writeln!(f, "not tested{:14}FAILED", "");
    };
    write!(f, "{:<10.1e}{:<10.1e}    ", check.error, check.tolerance)?;
    if check.passed() {
        writeln!(f, "{}", place.sample)
    } else {
        writeln!(f, "FAILED: {place}")
    }
}

//! The test as its user sees it: what the model claims, and how hard to try.

use std::ops::RangeInclusive;

use steerable_irreps::{Group, Irrep, Irreps, Layout, MulIrrep, Parity};

use crate::config_error::ConfigError;
use crate::generate::{Degenerate, Generator, SampleKind};
use crate::model::{Model, Signature};
use crate::precision::{Precision, tolerance};
use crate::report::{Property, Report};
use crate::runner::Runner;
use crate::sample::Sample;
use crate::transform::{OutputKind, Transform, Types};

/// Tests whether a model is as equivariant as its irreps claim.
///
/// Each **trial** draws a batch of three graphs of unequal sizes with standard normal features, and
/// a Haar-random rotation, a translation and a permutation for it. The **degenerate** samples are
/// tried as well, save for the far translation. About 13 evaluations per trial and 70 for
/// the degenerate samples.
///
/// # What is compared
/// For each property and each block of `irreps_out`, with norms over all rows:
///
/// `error = |L Phi(f) - Phi(L f)| / max(|L Phi(f)|, floor)`
///
/// where `floor` is a tenth of the root mean square that the block has over the trials. Positions
/// are measured from the centroid of their graph in the denominator.
///
/// # Tolerance
/// `tolerance(precision, l_max) * amplification * reach` ([`tolerance`]), where
/// - `amplification` is measured for each output block: the relative change of the output by a
///   small random change of all inputs, divided by the relative size of that change, the largest of
///   all trials, between 1 and 100. It is the factor by which the model amplifies the rounding of
///   its input.
/// - `reach` is `max |coordinate| / (4 scale)`, at least 1: a difference of two coordinates of size
///   `X` has an error of `X epsilon`, whatever its own size. It is what a far translation costs a
///   model that centres its input. Translations themselves cost nothing: all positions
///   and shifts lie on a binary grid, so that every shifted coordinate is exact.
///
/// Determinism has tolerance 0.
///
/// # Faults
/// Panics, wrong lengths and values that are not finite fail the test, and so does an output that
/// is zero or constant over all trials, which would pass every check without showing anything.
///
/// # Source
/// The relative error is Delta_EQ of Fuchs et al., SE(3)-Transformers, arXiv 2006.10503,
/// section 4.1, per irrep.
#[derive(Clone, Debug)]
pub struct EquivarianceTest {
    name: String,
    signature: Signature,
    irreps_edge: Irreps,
    layout: Layout,
    output: OutputKind,
    precision: Precision,
    trials: usize,
    seed: u64,
    scale: f64,
    nodes: RangeInclusive<usize>,
    l_max: usize,
    base_tolerance: Option<f64>,
    properties: Vec<Property>,
    degenerate: Vec<Degenerate>,
    allowed_zero: Vec<Irrep>,
}

impl EquivarianceTest {
    /// A test of everything: f64, features `mul_ir`, one output row per node, 8 trials, seed 0.
    #[must_use]
    pub fn new(signature: Signature) -> Self {
        Self {
            name: "model".into(),
            signature,
            irreps_edge: Irreps::default(),
            layout: Layout::MulIr,
            output: OutputKind::PerNode,
            precision: Precision::F64,
            trials: 8,
            seed: 0,
            scale: 1.0,
            nodes: 3..=7,
            l_max: 0,
            base_tolerance: None,
            properties: Property::ALL.to_vec(),
            degenerate: Degenerate::ALL.to_vec(),
            allowed_zero: Vec::new(),
        }
    }

    /// A test with the types that the model states.
    #[must_use]
    pub fn of(model: &impl Model) -> Self {
        Self::new(model.signature())
            .output(model.output())
            .irreps_edge(model.irreps_edge())
            .layout(model.layout())
    }

    /// What the report calls the model.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The irreps of the edge features; none by default.
    #[must_use]
    pub fn irreps_edge(mut self, irreps_edge: Irreps) -> Self {
        self.irreps_edge = irreps_edge;
        self
    }

    /// The memory layout of all features and of the output.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Whose row an output row is.
    #[must_use]
    pub fn output(mut self, output: OutputKind) -> Self {
        self.output = output;
        self
    }

    /// The precision in which the model computes.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The number of random samples, each with a rotation of its own.
    #[must_use]
    pub fn trials(mut self, trials: usize) -> Self {
        self.trials = trials;
        self
    }

    /// The seed of all samples and transforms.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The standard deviation of each coordinate, in the model's unit of length: of the order of a
    /// third of a cutoff radius.
    #[must_use]
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// The number of nodes of a random graph.
    #[must_use]
    pub fn nodes(mut self, nodes: RangeInclusive<usize>) -> Self {
        self.nodes = nodes;
        self
    }

    /// The highest degree inside the model, where it exceeds those of its input and output.
    #[must_use]
    pub fn l_max(mut self, l_max: usize) -> Self {
        self.l_max = l_max;
        self
    }

    /// Replaces [`tolerance`]`(precision, l_max)`; amplification and reach still multiply it.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.base_tolerance = Some(tolerance);
        self
    }

    /// Checks these properties only. Inversion is checked in O(3) alone in any case.
    #[must_use]
    pub fn properties(mut self, properties: impl IntoIterator<Item = Property>) -> Self {
        self.properties = properties.into_iter().collect();
        self
    }

    /// Leaves one property out.
    #[must_use]
    pub fn without(mut self, property: Property) -> Self {
        self.properties.retain(|&kept| kept != property);
        self
    }

    /// Tries these degenerate samples only.
    #[must_use]
    pub fn degenerate(mut self, degenerate: impl IntoIterator<Item = Degenerate>) -> Self {
        self.degenerate = degenerate.into_iter().collect();
        self
    }

    /// Does not call it a fault if the output blocks of this irrep are always zero, as those of a
    /// linear layer are without an input of that irrep.
    #[must_use]
    pub fn allow_zero(mut self, irrep: Irrep) -> Self {
        self.allowed_zero.push(irrep);
        self
    }

    /// The sample that the test uses under this name, for a closer look at a failure.
    #[must_use]
    pub fn sample(&self, kind: SampleKind) -> Sample {
        self.generator().sample(kind, &self.types())
    }

    /// The sample after a transform, rounded to the precision of the model.
    #[must_use]
    pub fn transformed(&self, sample: &Sample, transform: &Transform) -> Sample {
        let mut transformed = self.types().transform_input(sample, transform);
        let positions = transformed.positions.iter_mut().flatten();
        let features = transformed
            .features
            .iter_mut()
            .chain(&mut transformed.edge_features);
        positions
            .chain(features)
            .for_each(|value| *value = self.precision.round(*value));
        transformed
    }

    /// Runs the test on a closure that returns the output for a batch, row-major.
    ///
    /// A panic of the model is caught and reported.
    ///
    /// # Panics
    /// If the settings contradict each other; [`Self::try_run`] returns that as an error.
    #[must_use = "a test asserts nothing until assert_ok is called on its report"]
    #[track_caller]
    pub fn run(&self, model: impl FnMut(&Sample) -> Vec<f64>) -> Report {
        match self.try_run(model) {
            Ok(report) => report,
            Err(error) => panic!("equivariance test of {}: {error}", self.name),
        }
    }

    /// [`Self::run`], with contradicting settings as an error.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn try_run(&self, model: impl FnMut(&Sample) -> Vec<f64>) -> Result<Report, ConfigError> {
        let group = self.validate()?;
        let mut properties = self.properties.clone();
        properties.retain(|&kept| group == Group::O3 || kept != Property::Inversion);
        let findings = Runner::new(self, properties, model).run();
        Ok(Report {
            name: self.name.clone(),
            signature: self.signature.clone(),
            precision: self.precision,
            seed: self.seed,
            trials: self.trials,
            evaluations: findings.evaluations,
            amplification: findings.amplification,
            checks: findings.checks,
            faults: findings.faults,
            ignored: findings.ignored,
        })
    }

    pub(crate) fn generator(&self) -> Generator {
        Generator {
            seed: self.seed,
            precision: self.precision,
            scale: self.scale,
            nodes: self.nodes.clone(),
        }
    }

    pub(crate) fn types(&self) -> Types {
        Types {
            irreps_in: self.signature.irreps_in.clone(),
            irreps_edge: self.irreps_edge.clone(),
            irreps_out: self.signature.irreps_out.clone(),
            layout: self.layout,
            output: self.output,
        }
    }

    /// The tolerance for amplification and reach 1.
    pub(crate) fn unit_tolerance(&self) -> f64 {
        let Signature {
            irreps_in,
            irreps_out,
        } = &self.signature;
        let stated = [irreps_in, irreps_out, &self.irreps_edge].map(Irreps::lmax);
        let l_max = stated.into_iter().flatten().fold(self.l_max, usize::max);
        self.base_tolerance
            .unwrap_or_else(|| tolerance(self.precision, l_max))
    }

    pub(crate) fn epsilon(&self) -> f64 {
        self.precision.epsilon()
    }

    pub(crate) fn trial_count(&self) -> usize {
        self.trials
    }

    pub(crate) fn degenerate_kinds(&self) -> impl Iterator<Item = SampleKind> + use<> {
        self.degenerate
            .clone()
            .into_iter()
            .map(SampleKind::Degenerate)
    }

    pub(crate) fn may_be_zero(&self, irrep: Irrep) -> bool {
        self.allowed_zero.contains(&irrep)
    }

    fn validate(&self) -> Result<Group, ConfigError> {
        let Signature {
            irreps_in,
            irreps_out,
        } = &self.signature;
        let group = irreps_out.group().filter(|_| irreps_out.dim() > 0);
        let group = group.ok_or(ConfigError::NoOutput)?;
        for (role, irreps) in [("irreps_in", irreps_in), ("irreps_edge", &self.irreps_edge)] {
            if irreps.group().is_some_and(|other| other != group) {
                return Err(ConfigError::MixedGroups {
                    role,
                    irreps: irreps.clone(),
                    irreps_out: irreps_out.clone(),
                });
            }
        }
        let is_point =
            |block: &MulIrrep| block.irrep.l() == 1 && block.irrep.parity() != Some(Parity::Even);
        if self.output == OutputKind::Positions
            && let Some(block) = irreps_out.iter().find(|block| !is_point(block))
        {
            return Err(ConfigError::NotAPoint(block));
        }
        if self.trials == 0 {
            return Err(ConfigError::NoTrials);
        }
        if !(self.scale.is_normal() && self.scale > 0.0) {
            return Err(ConfigError::Scale(self.scale));
        }
        if self.nodes.is_empty() || *self.nodes.start() == 0 {
            return Err(ConfigError::Nodes(self.nodes.clone()));
        }
        Ok(group)
    }
}

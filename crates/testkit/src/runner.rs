//! Evaluates a model on all samples and transforms, and keeps the worst of each comparison.

use std::panic::{AssertUnwindSafe, catch_unwind};

use steerable_irreps::MulIrrep;

use crate::equivariance::EquivarianceTest;
use crate::error_norm::{BlockSum, block_sums, relative_errors};
use crate::generate::{Generator, InputPart, SampleKind, Trials};
use crate::report::{Check, Fault, FaultKind, Place, Property};
use crate::sample::Sample;
use crate::transform::{Transform, Types};

/// The amplification of rounding that a tolerance makes room for at most: 100 times the f32
/// tolerance still tells a channel that is wrong by a few percent.
const MAX_AMPLIFICATION: f64 = 100.0;

/// The extent of a sample, in scales, that the plain tolerance covers: normal coordinates seldom
/// exceed 4 standard deviations.
const PLAIN_EXTENT: f64 = 4.0;

pub(crate) struct Runner<'a, F> {
    test: &'a EquivarianceTest,
    types: Types,
    generator: Generator,
    properties: Vec<Property>,
    model: F,
    blocks: Vec<MulIrrep>,
    /// The root mean square of each output block over the trials.
    usual: Vec<f64>,
    /// The amplification of each output block, 1 to [`MAX_AMPLIFICATION`].
    amplification: Vec<f64>,
    checks: Vec<Check>,
    faults: Vec<Fault>,
    evaluations: usize,
}

/// A sample with the model's output for it.
struct Base {
    kind: SampleKind,
    sample: Sample,
    output: Vec<f64>,
}

/// What a run adds to a report.
pub(crate) struct Findings {
    pub(crate) checks: Vec<Check>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) amplification: Vec<f64>,
    pub(crate) ignored: Vec<InputPart>,
    pub(crate) evaluations: usize,
}

impl<'a, F: FnMut(&Sample) -> Vec<f64>> Runner<'a, F> {
    pub(crate) fn new(test: &'a EquivarianceTest, properties: Vec<Property>, model: F) -> Self {
        let types = test.types();
        let blocks: Vec<MulIrrep> = types.irreps_out.iter().collect();
        let tested = |&(_, block): &(usize, &MulIrrep)| block.mul > 0;
        let checks_of = |&property: &Property| {
            let blocks = blocks.iter().enumerate().filter(tested);
            let check = blocks.map(|(block_index, &block)| Check {
                property,
                block,
                block_index,
                error: 0.0,
                tolerance: 0.0,
                worst: None,
            });
            check.collect::<Vec<_>>()
        };
        Self {
            test,
            generator: test.generator(),
            checks: properties.iter().flat_map(checks_of).collect(),
            properties,
            model,
            usual: vec![0.0; blocks.len()],
            amplification: vec![1.0; blocks.len()],
            blocks,
            types,
            faults: Vec::new(),
            evaluations: 0,
        }
    }

    pub(crate) fn run(mut self) -> Findings {
        let trials = (0..self.test.trial_count()).map(SampleKind::Generic);
        let bases: Vec<Base> = trials.filter_map(|kind| self.base(kind)).collect();
        self.measure_usual(&bases);
        self.require_variation(&bases);
        self.forgive_zeros();
        let ignored = self.measure_amplification(&bases);
        for base in &bases {
            self.try_all(base);
        }
        for kind in self.test.degenerate_kinds() {
            if let Some(base) = self.base(kind) {
                self.try_all(&base);
            }
        }
        Findings {
            checks: self.checks,
            faults: self.faults,
            amplification: self.amplification,
            ignored,
            evaluations: self.evaluations,
        }
    }

    /// A sample and its output, unless the model fails on it.
    fn base(&mut self, kind: SampleKind) -> Option<Base> {
        let sample = self.generator.sample(kind, &self.types);
        let output = self.evaluate(kind, &Transform::Identity, &sample)?;
        Some(Base {
            kind,
            sample,
            output,
        })
    }

    /// Evaluates the model; what is wrong with the output apart from its values becomes a fault.
    fn evaluate(
        &mut self,
        sample_kind: SampleKind,
        transform: &Transform,
        sample: &Sample,
    ) -> Option<Vec<f64>> {
        self.evaluations += 1;
        let place = || Place {
            sample: sample_kind,
            transform: transform.clone(),
        };
        let output = match catch_unwind(AssertUnwindSafe(|| (self.model)(sample))) {
            Ok(output) => output,
            Err(payload) => {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                let message = text.unwrap_or("no message").to_owned();
                self.fault(FaultKind::Panicked(message), place());
                return None;
            }
        };
        let expected = self.types.output_rows(sample) * self.types.irreps_out.dim();
        if output.len() != expected {
            let got = output.len();
            self.fault(FaultKind::WrongLength { expected, got }, place());
            return None;
        }
        let sums = block_sums(&self.types.irreps_out, &output);
        for (block, sum) in sums.iter().enumerate() {
            if !sum.squares.is_finite() {
                self.fault(FaultKind::NotFinite(self.blocks[block]), place());
            }
        }
        Some(output)
    }

    fn fault(&mut self, kind: FaultKind, place: Place) {
        match self.faults.iter_mut().find(|fault| fault.kind == kind) {
            Some(fault) => fault.occurrences += 1,
            None => self.faults.push(Fault {
                kind,
                first: Some(place),
                occurrences: 1,
            }),
        }
    }

    /// Sets the usual size of each block from the trials.
    fn measure_usual(&mut self, bases: &[Base]) {
        let mut totals = vec![BlockSum::default(); self.blocks.len()];
        for base in bases {
            for (total, sum) in totals
                .iter_mut()
                .zip(self.sizes(&base.sample, &base.output))
            {
                if sum.squares.is_finite() {
                    total.add(sum);
                }
            }
        }
        self.usual = totals.into_iter().map(BlockSum::rms).collect();
    }

    /// What a block may have of rounding alone: epsilon of the largest block.
    fn noise(&self) -> f64 {
        self.test.epsilon() * self.usual.iter().copied().fold(0.0, f64::max)
    }

    /// Measures the rounding noise of blocks that are zero with permission against the largest block.
    fn forgive_zeros(&mut self) {
        let noise = self.noise();
        for (usual, block) in self.usual.iter_mut().zip(&self.blocks) {
            if *usual <= noise && self.test.may_be_zero(block.irrep) {
                *usual = noise / self.test.epsilon();
            }
        }
    }

    /// The sum of squares of each block; positions are taken from their centroid.
    fn sizes(&self, sample: &Sample, output: &[f64]) -> Vec<BlockSum> {
        block_sums(
            &self.types.irreps_out,
            &self.types.centred(sample, output.to_vec()),
        )
    }

    /// Makes it a fault if a block is zero, or the same in every row of every trial.
    fn require_variation(&mut self, bases: &[Base]) {
        let rows: Vec<f64> = bases
            .iter()
            .flat_map(|base| self.types.centred(&base.sample, base.output.clone()))
            .collect();
        let width = self.types.irreps_out.dim();
        let num_rows = rows.len() / width;
        if num_rows < 2 || rows.iter().any(|value| !value.is_finite()) {
            return;
        }
        let mean: Vec<f64> = (0..width)
            .map(|column| rows.iter().skip(column).step_by(width).sum::<f64>() / num_rows as f64)
            .collect();
        let deviations: Vec<f64> = rows
            .iter()
            .zip(mean.iter().cycle())
            .map(|(value, mean)| value - mean)
            .collect();
        let spread = block_sums(&self.types.irreps_out, &deviations);
        let noise = self.noise();
        for (block_index, block) in self.blocks.clone().into_iter().enumerate() {
            let usual = self.usual[block_index];
            let constant = spread[block_index].rms() <= self.test.unit_tolerance() * usual;
            let kind = match (usual <= noise, constant) {
                _ if block.mul == 0 => continue,
                (true, _) if self.test.may_be_zero(block.irrep) => continue,
                (true, _) => FaultKind::AlwaysZero(block),
                (false, true) => FaultKind::Constant(block),
                (false, false) => continue,
            };
            self.faults.push(Fault {
                kind,
                first: None,
                occurrences: bases.len(),
            });
        }
    }

    /// Changes the input of each trial a little and keeps the largest relative change of each
    /// block; returns the parts of the input that move no output at all.
    fn measure_amplification(&mut self, bases: &[Base]) -> Vec<InputPart> {
        let mut ignored = Vec::new();
        let mut totals = vec![vec![0.0; self.blocks.len()]; bases.len()];
        for part in InputPart::ALL {
            let (mut changes, mut moved) = (0, 0);
            for (base, totals) in bases.iter().zip(&mut totals) {
                let changed = self.generator.perturbed(base.kind, &base.sample, part);
                if changed == base.sample {
                    continue;
                }
                let sample = Box::new(changed.clone());
                let transform = Transform::Perturbed { part, sample };
                let Some(output) = self.evaluate(base.kind, &transform, &changed) else {
                    continue;
                };
                changes += 1;
                moved += usize::from(output != base.output);
                for (total, error) in totals.iter_mut().zip(self.errors(base, &output)) {
                    *total += error / self.generator.perturbation();
                }
            }
            if changes > 0 && moved == 0 {
                ignored.push(part);
            }
        }
        for (block, amplification) in self.amplification.iter_mut().enumerate() {
            let finite = totals
                .iter()
                .map(|totals| totals[block])
                .filter(|x| x.is_finite());
            *amplification = finite.fold(1.0, f64::max).min(MAX_AMPLIFICATION);
        }
        ignored
    }

    /// The relative errors of another output for the same sample.
    fn errors(&self, base: &Base, got: &[f64]) -> Vec<f64> {
        let difference: Vec<f64> = got.iter().zip(&base.output).map(|(a, b)| a - b).collect();
        let difference = block_sums(&self.types.irreps_out, &difference);
        relative_errors(
            &difference,
            &self.sizes(&base.sample, &base.output),
            &self.usual,
        )
    }

    /// Tries every property on one sample.
    fn try_all(&mut self, base: &Base) {
        let trials = self.generator.trials(base.kind, &base.sample);
        for property in self.properties.clone() {
            let Trials {
                rotation,
                inversion,
                translation,
                far_translation,
                permutation,
            } = &trials;
            let transforms: Vec<Transform> = match property {
                Property::Rotation => vec![rotation.clone()],
                Property::Inversion => vec![inversion.clone()],
                Property::Translation => vec![translation.clone()],
                Property::FarTranslation => match base.kind {
                    SampleKind::Generic(_) => vec![far_translation.clone()],
                    SampleKind::Degenerate(_) => vec![],
                },
                Property::Permutation => vec![permutation.clone()],
                Property::Batch => (0..base.sample.num_graphs())
                    .map(Transform::Graph)
                    .collect(),
                Property::Determinism => vec![Transform::Identity],
            };
            for transform in transforms {
                self.compare(property, base, transform);
            }
        }
    }

    /// Evaluates the transformed sample and keeps the comparison if it is the worst so far.
    fn compare(&mut self, property: Property, base: &Base, transform: Transform) {
        let transformed = self.test.transformed(&base.sample, &transform);
        let Some(got) = self.evaluate(base.kind, &transform, &transformed) else {
            return;
        };
        let expected = self
            .types
            .transform_output(&base.sample, &transform, &base.output);
        let difference: Vec<f64> = got.iter().zip(&expected).map(|(a, b)| a - b).collect();
        let difference = block_sums(&self.types.irreps_out, &difference);
        let errors = relative_errors(
            &difference,
            &self.sizes(&transformed, &expected),
            &self.usual,
        );

        let extent = base.sample.extent().max(transformed.extent());
        let reach = (extent / (PLAIN_EXTENT * self.generator.scale)).max(1.0);
        let unit = match property {
            Property::Determinism => 0.0,
            _ => self.test.unit_tolerance() * reach,
        };
        let place = Place {
            sample: base.kind,
            transform,
        };
        for check in self
            .checks
            .iter_mut()
            .filter(|check| check.property == property)
        {
            let block = check.block_index;
            // Without rows there is nothing to compare; a block that is not finite is a fault already.
            if difference[block].count > 0 && difference[block].squares.is_finite() {
                check.keep_worst(errors[block], unit * self.amplification[block], &place);
            }
        }
    }
}

impl Check {
    fn keep_worst(&mut self, error: f64, tolerance: f64, place: &Place) {
        // error / tolerance > self.error / self.tolerance, also for the tolerance 0.
        let (new, old) = (error * self.tolerance, self.error * tolerance);
        let worse = if tolerance == 0.0 {
            error > self.error
        } else {
            new > old
        };
        if self.worst.is_none() || worse {
            (self.error, self.tolerance) = (error, tolerance);
            self.worst = Some(place.clone());
        }
    }
}

//! Energies and conservative forces, with the gradient of a loss on forces.
//!
//! Forces are derivatives of the energy, so the gradient of their loss to the parameters is a second
//! derivative, which burn's tape does not give. With `v = dL / dF` it is a directional one,
//!
//! ```text
//! dL/dθ = v · dF/dθ = - d/dθ (v · dE/dx) = - d/dθ dE(x + t v)/dt  at t = 0
//!       = - |v| / 2ε · (dE/dθ(x + ε v/|v|) - dE/dθ(x - ε v/|v|)) + O(ε²)
//! ```
//!
//! two ordinary gradients at displaced positions. Energies of molecules in a batch do not know each other, so
//! each is displaced by its own v, all in one pass. The forces themselves are exact derivatives. What ε costs
//! and brings is measured in `tests/force_gradient.rs`.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_data::Batch;

use super::{
    Learned, Predicted, Task, Values, float_type, host, known, known_or_none, with_slopes,
};
use crate::Loss;
use crate::models::{ModelError, Potential, vectors};

/// How far atoms are displaced for the gradient of the loss on forces: the root mean square over the atoms of
/// a molecule, in angstrom.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ForceStep(pub f64);

impl Default for ForceStep {
    /// 0.005 angstrom: where in f32 rounding and the error of the difference are about alike.
    fn default() -> Self {
        Self(5e-3)
    }
}

/// Energy of each molecule and force on each atom.
#[derive(Clone, Debug)]
pub struct EnergyAndForcesTask {
    /// The unit of the energies; that of the forces is this for each angstrom.
    pub energy_unit: String,
    /// What an energy's residual, in units of the scale, costs.
    pub energy_loss: Loss,
    /// Weight of the mean cost of the energies.
    pub energy_weight: f64,
    /// What the residual of a component of a force costs.
    pub force_loss: Loss,
    /// Weight of the mean cost of the components.
    pub force_weight: f64,
    /// The displacement.
    pub step: ForceStep,
}

/// Slopes below this are taken as this, since forces are divided by them again. It changes the gradient by as
/// much.
const SMALLEST_SLOPE: f64 = 1e-12;

const ENERGIES: &str = "energies, one of each item,";
const FORCES: &str = "forces, one on each atom,";

impl EnergyAndForcesTask {
    /// Cost of the energies, and its slopes, `[items]`.
    fn of_energies(
        &self,
        model: &Potential,
        batch: &Batch,
        energies: &[f64],
    ) -> Result<(f64, Vec<f64>), ModelError> {
        let scaling = &model.config().scaling;
        let offsets = model.config().input.offsets(batch, scaling)?;
        let truth = batch.targets.scalars.iter().zip(offsets);
        let truth = truth.map(|(target, offset)| (target - offset) / scaling.scale);
        let pairs = energies.iter().zip(truth);
        let residuals: Vec<f64> = pairs.map(|(energy, truth)| energy - truth).collect();
        Ok(weighted(
            self.energy_loss.mean(&residuals),
            self.energy_weight,
        ))
    }

    /// Cost of the forces, and its slopes, `[nodes, 3]`.
    fn of_forces(&self, scale: f64, batch: &Batch, forces: &[f64]) -> (f64, Vec<f64>) {
        let truth = batch.targets.node_vectors.as_flattened();
        let pairs = forces.iter().zip(truth);
        let residuals: Vec<f64> = pairs.map(|(force, truth)| force - truth / scale).collect();
        weighted(self.force_loss.mean(&residuals), self.force_weight)
    }
}

/// A cost and its slopes, times a weight.
fn weighted((cost, mut slopes): (f64, Vec<f64>), weight: f64) -> (f64, Vec<f64>) {
    for slope in &mut slopes {
        *slope *= weight;
    }
    (weight * cost, slopes)
}

/// Which way and how far the atoms of a batch go.
struct Displacement {
    /// `ε v / |v|` of each atom, `[nodes, 3]`.
    by: Vec<[f64; 3]>,
    /// `- |v| / 2ε` of each molecule, `[items]`.
    slopes: Vec<f64>,
}

impl Displacement {
    fn new(batch: &Batch, slopes: &[f64], ForceStep(step): ForceStep) -> Self {
        let v = slopes.as_chunks::<3>().0;
        let mut by = Vec::with_capacity(v.len());
        let mut of_items = Vec::with_capacity(batch.items.len());
        for run in batch.graph.node_offsets().windows(2) {
            let v = &v[run[0] as usize..run[1] as usize];
            let length = v.as_flattened().iter().map(|x| x * x).sum::<f64>().sqrt();
            let epsilon = step * (v.len() as f64).sqrt();
            let factor = if length > 0.0 { epsilon / length } else { 0.0 };
            by.extend(v.iter().map(|v| v.map(|x| x * factor)));
            of_items.push(if length > 0.0 {
                -length / (2.0 * epsilon)
            } else {
                0.0
            });
        }
        Self {
            by,
            slopes: of_items,
        }
    }
}

impl Task for EnergyAndForcesTask {
    type Model = Potential;

    fn check(&self) -> Result<(), ModelError> {
        let ForceStep(step) = self.step;
        if !(step > 0.0 && step.is_finite()) {
            return Err(ModelError::value("step", step, "a positive number"));
        }
        let weights = [
            ("energy_weight", self.energy_weight),
            ("force_weight", self.force_weight),
        ];
        for (key, weight) in weights {
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(ModelError::value(
                    key,
                    weight,
                    "a number that is not negative",
                ));
            }
        }
        match weights.iter().any(|(_, weight)| *weight > 0.0) {
            true => Ok(()),
            false => Err(ModelError::value(
                "force_weight",
                self.force_weight,
                "a positive number where energy_weight is 0",
            )),
        }
    }

    fn learn(
        &self,
        model: &Potential,
        batch: &Batch,
        device: &Device,
    ) -> Result<Learned, ModelError> {
        let options = (device, float_type(model));
        known(&batch.targets.scalars, batch.items.len(), ENERGIES)?;
        known(&batch.targets.node_vectors, batch.species.len(), FORCES)?;
        let (features, cloud) = model.input(batch, options)?;
        let mut accumulated = GradientsAccumulator::new();

        // One backward pass for the energies' loss and the forces: it begins with the slopes of the energies,
        // and each molecule's forces are divided by its slope.
        let mut at = cloud.clone();
        at.positions = at.positions.require_grad();
        let energies = model.energies(&features, &at);
        let (energy_loss, mut slopes) =
            self.of_energies(model, batch, &host(energies.clone().detach()))?;
        for slope in &mut slopes {
            if slope.abs() < SMALLEST_SLOPE {
                *slope = SMALLEST_SLOPE;
            }
        }
        let mut gradients = with_slopes(energies, slopes.clone()).backward();
        let to_positions = at.positions.grad_remove(&mut gradients);
        accumulated.accumulate(model, GradientsParams::from_grads(gradients, model));
        let mut forces = match to_positions {
            Some(gradient) => host(gradient),
            None => vec![0.0; 3 * batch.species.len()],
        };
        for (run, slope) in batch.graph.node_offsets().windows(2).zip(&slopes) {
            for force in &mut forces[3 * run[0] as usize..3 * run[1] as usize] {
                *force /= -slope;
            }
        }

        let scale = model.config().scaling.scale;
        let (force_loss, slopes) = self.of_forces(scale, batch, &forces);
        let displacement = Displacement::new(batch, &slopes, self.step);
        let by = vectors(&displacement.by, options);
        for sign in [1.0, -1.0] {
            let mut at = cloud.clone();
            at.positions = at.positions + by.clone() * sign;
            let energies: Tensor<2> = model.energies(&features, &at);
            let slopes = displacement.slopes.iter().map(|slope| sign * slope);
            let gradients = with_slopes(energies, slopes.collect()).backward();
            accumulated.accumulate(model, GradientsParams::from_grads(gradients, model));
        }
        Ok(Learned {
            loss: energy_loss + force_loss,
            gradients: accumulated.grads(),
        })
    }

    fn predict(
        &self,
        model: &Potential,
        batch: &Batch,
        device: &Device,
    ) -> Result<Vec<Predicted>, ModelError> {
        let targets = &batch.targets;
        let energies_truth = known_or_none(&targets.scalars, batch.items.len(), ENERGIES)?;
        let forces_truth = known_or_none(&targets.node_vectors, batch.species.len(), FORCES)?;
        let options = (&device.clone().autodiff(), float_type(model));
        let found = model.clone().train().energy_and_forces(batch, options)?;
        let scaling = &model.config().scaling;
        let offsets = model.config().input.offsets(batch, scaling)?;
        let energies = host(found.energies).into_iter().zip(offsets);
        let energies = energies.map(|(energy, offset)| energy * scaling.scale + offset);
        let mut forces = host(found.forces);
        for component in &mut forces {
            *component *= scaling.scale;
        }
        Ok(vec![
            Predicted {
                name: "forces".into(),
                unit: format!("{}/A", self.energy_unit),
                values: Values::Vectors {
                    truth: forces_truth.to_vec(),
                    predicted: forces.as_chunks().0.to_vec(),
                },
            },
            Predicted {
                name: "energy".into(),
                unit: self.energy_unit.clone(),
                values: Values::Scalars {
                    truth: energies_truth.to_vec(),
                    predicted: energies.collect(),
                },
            },
        ])
    }
}

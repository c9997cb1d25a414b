//! Vectors told directly: forces of atoms, dipole moments of molecules.

use burn::tensor::Device;
use steerable_data::Batch;

use super::{Learned, Predicted, Task, Values, float_type, host, known, known_or_none};
use crate::Loss;
use crate::models::{ModelError, VectorModel, VectorTarget};

/// The vector target of each atom or molecule.
#[derive(Clone, Debug)]
pub struct DirectVectors {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// What a residual of a component costs.
    pub loss: Loss,
}

impl Task for DirectVectors {
    type Model = VectorModel;

    fn learn(
        &self,
        model: &VectorModel,
        batch: &Batch,
        device: &Device,
    ) -> Result<Learned, ModelError> {
        let (truth, count, what) = targets(model, batch);
        let truth = known(truth, count, what)?.as_flattened();
        let output = model.forward(batch, (device, float_type(model)))?;
        let scale = model.config().scale;
        let residuals: Vec<f64> = host(output.clone().detach())
            .into_iter()
            .zip(truth)
            .map(|(predicted, truth)| predicted - truth / scale)
            .collect();
        Ok(Learned::new(model, output, self.loss.mean(&residuals)))
    }

    fn predict(
        &self,
        model: &VectorModel,
        batch: &Batch,
        device: &Device,
    ) -> Result<Vec<Predicted>, ModelError> {
        let (truth, count, what) = targets(model, batch);
        let truth = known_or_none(truth, count, what)?;
        let scale = model.config().scale;
        let mut output = host(model.forward(batch, (device, float_type(model)))?);
        for component in &mut output {
            *component *= scale;
        }
        Ok(vec![Predicted {
            name: self.name.clone(),
            unit: self.unit.clone(),
            values: Values::Vectors {
                truth: truth.to_vec(),
                predicted: output.as_chunks().0.to_vec(),
            },
        }])
    }
}

/// The targets, how many there should be, and what they are.
fn targets<'a>(model: &VectorModel, batch: &'a Batch) -> (&'a [[f64; 3]], usize, &'static str) {
    let targets = &batch.targets;
    match model.config().target {
        VectorTarget::Atoms => (
            &targets.node_vectors,
            batch.species.len(),
            "target vectors, one of each atom,",
        ),
        VectorTarget::Molecule => (
            &targets.vectors,
            batch.items.len(),
            "target vectors, one of each item,",
        ),
    }
}

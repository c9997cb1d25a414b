//! What a run trains: made from a configuration and its data, kept in the checkpoint, and enough to build
//! the model again.

use std::error::Error;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use steerable_data::{Sample, element};
use steerable_train::checkpoint::{Checkpoint, ModelDescription};
use steerable_train::models::{
    AtomInput, BondInput, PointNet, PointNetConfig, PotentialConfig, PropertyConfig, Scaling,
    ShapeClassifier, ShapeClassifierConfig, VectorConfig, VectorTarget,
};
use steerable_train::tasks::{
    Classification, DirectVectors, EnergyAndForcesTask, PropertyTask, Task,
};

use crate::choices::Choices;
use crate::config::{
    DataConfig, EdgeKind, GraphSection, LossSection, PoolingKind, RunConfig, TaskKind, VectorKind,
};
use crate::dataset::{CloudInput, DataSet};

/// A model with its task and its graphs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Which edges there are and how items are batched.
    pub graph: GraphSection,
    /// What errors cost.
    pub losses: LossSection,
    /// The model and what it foretells.
    pub model: ModelRecipe,
}

/// A model and what it foretells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelRecipe {
    /// A number for each molecule.
    Property {
        /// The model.
        config: PropertyConfig,
        /// The property's name.
        name: String,
        /// Its unit.
        unit: String,
    },
    /// Energies and their negative gradients.
    Potential {
        /// The model.
        config: PotentialConfig,
        /// The unit of energies.
        unit: String,
    },
    /// Vectors of atoms or molecules.
    Vectors {
        /// The model.
        config: VectorConfig,
        /// The vectors' name.
        name: String,
        /// Their unit.
        unit: String,
    },
    /// Classes of point clouds.
    Shapes {
        /// The model.
        config: ShapeClassifierConfig,
        /// The classes' names.
        classes: Vec<String>,
        /// What is done to a cloud before.
        #[serde(flatten)]
        clouds: CloudInput,
    },
    /// The same by a network that is not equivariant.
    PointNet {
        /// The model.
        config: PointNetConfig,
        /// The classes' names.
        classes: Vec<String>,
        /// What is done to a cloud before.
        #[serde(flatten)]
        clouds: CloudInput,
    },
}

/// The vectors of an item that are meant.
type Pick = fn(&Sample) -> &[[f64; 3]];

/// What is done with a task and its model, whatever they are.
pub trait WithTask {
    /// What comes of it.
    type Output;

    /// Does it. The model's parameters are drawn by the device's seed.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn with<T: Task>(self, task: T, model: T::Model) -> Result<Self::Output, Box<dyn Error>>;
}

impl Recipe {
    /// Of a configuration and its data, which decide scales and elements.
    pub fn new(config: &RunConfig, choices: &Choices, data: &DataSet) -> Self {
        Self {
            graph: config.graph.clone(),
            losses: choices.losses.clone(),
            model: model(config, data, choices),
        }
    }

    /// Of a checkpoint.
    ///
    /// # Errors
    /// When it is of a model that this program does not train.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, Box<dyn Error>> {
        serde_json::from_value(checkpoint.header.model.config.clone()).map_err(|error| {
            format!(
                "{}: its model \"{}\" is none that `steerable train` makes, and only those are trained, evaluated, asked and \
                 checked here; imported weights are for the library (`Checkpoint::apply`), and `steerable info` tells \
                 what they are: {error}",
                checkpoint.file().display(),
                checkpoint.header.model.kind
            )
            .into()
        })
    }

    /// What checkpoints say of the model.
    pub fn description(&self) -> ModelDescription {
        let config = serde_json::to_value(self).expect("numbers, names and lists");
        let described = |kind| ModelDescription::of_kind(kind).with_config(config.clone());
        match &self.model {
            ModelRecipe::Property { config, .. } => {
                described("property").with_irreps("hidden", &config.network.hidden)
            }
            ModelRecipe::Potential { config, .. } => {
                described("potential").with_irreps("hidden", &config.network.hidden)
            }
            ModelRecipe::Vectors { config, .. } => {
                described("vectors").with_irreps("hidden", &config.network.hidden)
            }
            ModelRecipe::Shapes { config, .. } => {
                described("shape-classifier").with_irreps("hidden", &config.network.hidden)
            }
            ModelRecipe::PointNet { .. } => described("point-net"),
        }
    }

    /// What the model foretells: name and unit, as [`DataSet::targets`] tells what there is to learn.
    fn targets(&self) -> Vec<(String, String)> {
        match &self.model {
            ModelRecipe::Property { name, unit, .. } | ModelRecipe::Vectors { name, unit, .. } => {
                vec![(name.clone(), unit.clone())]
            }
            ModelRecipe::Potential { unit, .. } => vec![
                ("energy".into(), unit.clone()),
                ("forces".into(), format!("{unit}/A")),
            ],
            ModelRecipe::Shapes { .. } | ModelRecipe::PointNet { .. } => {
                vec![("class".into(), String::new())]
            }
        }
    }

    /// Refuses data that hold other targets or classes than the model foretells.
    ///
    /// # Errors
    /// Both, where they differ.
    pub fn expect(&self, data: &DataSet) -> Result<(), Box<dyn Error>> {
        let (targets, classes) = (self.targets(), self.classes());
        if targets != data.targets {
            let told = |targets: &[(String, String)]| {
                let each = targets.iter().map(|(name, unit)| format!("{name} {unit}"));
                each.collect::<Vec<_>>().join(", ")
            };
            let (model, data) = (told(&targets), told(&data.targets));
            return Err(format!("the model foretells {model}, the data hold {data}").into());
        }
        if let Some(input) = self.atoms() {
            let others = data.elements.iter().filter(|z| !input.species.contains(z));
            let others: Vec<_> = others.filter_map(|&z| element::symbol(z)).collect();
            if !others.is_empty() {
                let others = others.join(", ");
                return Err(format!(
                    "the data hold elements that the model does not know: {others}"
                )
                .into());
            }
        }
        if classes != data.classes {
            let (model, data) = (classes.join(", "), data.classes.join(", "));
            return Err(format!("the model's classes are {model}, the data's {data}").into());
        }
        Ok(())
    }

    /// Whether the model reads bonds, as edges or by their kinds.
    pub fn reads_bonds(&self) -> bool {
        let kinds = self
            .atoms()
            .is_some_and(|input| input.bonds == BondInput::Kinds);
        kinds || self.graph.edges == EdgeKind::Bonds
    }

    /// How atoms are told to the model; `None` of shapes.
    pub fn atoms(&self) -> Option<&AtomInput> {
        match &self.model {
            ModelRecipe::Property { config, .. } => Some(&config.input),
            ModelRecipe::Potential { config, .. } => Some(&config.input),
            ModelRecipe::Vectors { config, .. } => Some(&config.input),
            ModelRecipe::Shapes { .. } | ModelRecipe::PointNet { .. } => None,
        }
    }

    /// The classes' names, none but of shapes.
    fn classes(&self) -> &[String] {
        match &self.model {
            ModelRecipe::Shapes { classes, .. } | ModelRecipe::PointNet { classes, .. } => classes,
            _ => &[],
        }
    }

    /// Builds task and model.
    ///
    /// # Errors
    /// When the model cannot be built, and what `what` finds wrong.
    pub fn build<W: WithTask>(
        &self,
        device: &Device,
        what: W,
    ) -> Result<W::Output, Box<dyn Error>> {
        match &self.model {
            ModelRecipe::Property { config, name, unit } => {
                let task = PropertyTask {
                    name: name.clone(),
                    unit: unit.clone(),
                    per_target_unit: 1.0,
                    loss: self.losses.loss,
                };
                what.with(task, config.init(device)?)
            }
            ModelRecipe::Potential { config, unit } => {
                let task = potential_task(&self.losses, unit);
                what.with(task, config.init(device)?)
            }
            ModelRecipe::Vectors { config, name, unit } => {
                let task = DirectVectors {
                    name: name.clone(),
                    unit: unit.clone(),
                    loss: self.losses.loss,
                };
                what.with(task, config.init(device)?)
            }
            ModelRecipe::Shapes { config, .. } => {
                let task = Classification::<ShapeClassifier>::default();
                what.with(task, config.init(device)?)
            }
            ModelRecipe::PointNet { config, .. } => {
                let task = Classification::<PointNet>::default();
                what.with(task, config.init(device))
            }
        }
    }

    /// The errors of a model that always gives its offset: the mean of the training data, what composition
    /// tells of it, zero vectors, or the most frequent class; in the order of the task's predictions.
    pub fn trivial(&self, data: &DataSet) -> Vec<(String, f64)> {
        let scalar = |input: &AtomInput, scaling: &Scaling| {
            mean(data.test.iter().map(|sample| {
                let classes = sample
                    .species
                    .iter()
                    .filter_map(|z| input.species.iter().position(|known| known == z));
                (sample.targets.scalars[0] - scaling.offset(classes)).abs()
            }))
        };
        let size = |pick: Pick| {
            let numbers = data
                .test
                .iter()
                .flat_map(|sample| pick(sample).as_flattened());
            mean(numbers.map(|x| x.abs()))
        };
        match &self.model {
            ModelRecipe::Property { config, name, .. } => {
                vec![(name.clone(), scalar(&config.input, &config.scaling))]
            }
            ModelRecipe::Potential { config, .. } => vec![
                ("forces".into(), size(|s| &s.targets.node_vectors)),
                ("energy".into(), scalar(&config.input, &config.scaling)),
            ],
            ModelRecipe::Vectors { config, name, .. } => {
                let value = match config.target {
                    VectorTarget::Atoms => size(|s| &s.targets.node_vectors),
                    VectorTarget::Molecule => size(|s| &s.targets.vectors),
                };
                vec![(name.clone(), value)]
            }
            ModelRecipe::Shapes { classes, .. } | ModelRecipe::PointNet { classes, .. } => {
                let count = |samples: &[Sample], class: u32| {
                    samples.iter().filter(|s| s.class == Some(class)).count()
                };
                let most = (0..classes.len() as u32).max_by_key(|&c| count(&data.train, c));
                let right = count(&data.test, most.unwrap_or(0));
                vec![("class".into(), right as f64 / data.test.len().max(1) as f64)]
            }
        }
    }
}

/// The task of a potential.
pub fn potential_task(losses: &LossSection, unit: &str) -> EnergyAndForcesTask {
    EnergyAndForcesTask {
        energy_unit: unit.to_owned(),
        energy_loss: losses.loss,
        energy_weight: losses.energy_weight,
        force_loss: losses.force_loss,
        force_weight: losses.force_weight,
        step: losses.force_step,
    }
}

fn model(config: &RunConfig, data: &DataSet, choices: &Choices) -> ModelRecipe {
    let (network, head) = (choices.network.clone(), &choices.head);
    let bonds = match head.bonds {
        true => BondInput::Kinds,
        false => BondInput::None,
    };
    let input = AtomInput::of_species(data.elements.iter().copied(), bonds);
    let width = head.width;
    let (name, unit) = data.targets[0].clone();
    let clouds = data.clouds;
    let vectors = match &config.data {
        DataConfig::Structures(data) => data.vectors,
        DataConfig::Shapes(_) | DataConfig::Qm9(_) => None,
    };
    match config.task {
        TaskKind::Qm9 => ModelRecipe::Property {
            config: PropertyConfig {
                scaling: scaling(data, &input, head.pooling),
                network,
                input,
                width,
                pooling: head.pooling.into(),
            },
            name,
            unit,
        },
        TaskKind::Potential => ModelRecipe::Potential {
            config: PotentialConfig {
                scaling: Scaling {
                    scale: root_mean_square(&data.train, |s| &s.targets.node_vectors),
                    ..scaling(data, &input, PoolingKind::Sum)
                },
                network,
                input,
                width,
            },
            unit,
        },
        TaskKind::Vectors => {
            let (target, pick): (_, Pick) = match vectors {
                Some(VectorKind::Dipole) => (VectorTarget::Molecule, |s| &s.targets.vectors),
                _ => (VectorTarget::Atoms, |s| &s.targets.node_vectors),
            };
            ModelRecipe::Vectors {
                config: VectorConfig {
                    network,
                    input,
                    target,
                    scale: root_mean_square(&data.train, pick),
                },
                name,
                unit,
            }
        }
        TaskKind::Shapes if !head.point_net.is_empty() => ModelRecipe::PointNet {
            config: PointNetConfig {
                widths: head.point_net.clone(),
                classes: data.classes.len(),
            },
            classes: data.classes.clone(),
            clouds,
        },
        TaskKind::Shapes => ModelRecipe::Shapes {
            config: ShapeClassifierConfig {
                network,
                width,
                classes: data.classes.len(),
            },
            classes: data.classes.clone(),
            clouds,
        },
    }
}

/// From a network's numbers to the target as the data have it: what free atoms have is no matter of the network. A
/// property that is summed over atoms grows with their number, and what is left is fitted by composition first.
fn scaling(data: &DataSet, input: &AtomInput, pooling: PoolingKind) -> Scaling {
    let (train, references) = (&data.train, &data.atom_references);
    let count =
        |sample: &Sample, z: u8| sample.species.iter().filter(|&&own| own == z).count() as f64;
    let of_free_atoms = |sample: &Sample| -> f64 {
        let known = input.species.iter().zip(references);
        known.map(|(&z, atom)| count(sample, z) * atom).sum()
    };
    let values: Vec<f64> = train
        .iter()
        .map(|sample| sample.targets.scalars[0] - of_free_atoms(sample))
        .collect();
    let of_rest = match pooling {
        PoolingKind::Mean | PoolingKind::Max => Scaling::of_mean(&values),
        PoolingKind::Sum => {
            let counts: Vec<f64> = train
                .iter()
                .flat_map(|sample| input.species.iter().map(move |&z| count(sample, z)))
                .collect();
            Scaling::of_composition(&values, &counts, input.species.len())
        }
    };
    of_rest.with_atoms(references)
}

fn root_mean_square(train: &[Sample], pick: Pick) -> f64 {
    let numbers = train.iter().flat_map(|sample| pick(sample).as_flattened());
    let size = mean(numbers.map(|x| x * x)).sqrt();
    if size > 0.0 { size } else { 1.0 }
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
    sum / f64::from(count.max(1))
}

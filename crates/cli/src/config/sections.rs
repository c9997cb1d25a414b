//! The sections of a configuration, and their defaults.

use std::num::NonZero;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steerable::graph::RadiusConfig;
use steerable::nn::Pooling;
use steerable_data::qm9::Target;
use steerable_data::{BatchBudget, EdgeRule, EnergyUnit, LoaderConfig, Turns};
use steerable_train::Loss;
use steerable_train::tasks::ForceStep;

use super::Files;

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// One of QM9's properties, from its package.
    Qm9,
    /// Energies, and forces as their exact negative gradient.
    Potential,
    /// Vectors of atoms (forces) or of molecules (dipole moments).
    Vectors,
    /// Classes of point clouds.
    Shapes,
}

/// Where the data are and which of them are used: `[data]`.
#[derive(Clone, Debug, PartialEq)]
pub enum DataConfig {
    /// QM9.
    Qm9(Qm9Data),
    /// Structures with energies and forces, or with vectors.
    Structures(StructureData),
    /// Labelled clouds.
    Shapes(ShapeData),
}

/// `[data]` of QM9.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qm9Data {
    /// The wheel of qm9pack, a folder with its tables, or the archive that `steerable data fetch` makes.
    pub file: PathBuf,
    /// Which property.
    #[serde(with = "target_name")]
    pub target: Target,
    /// How many molecules to train on.
    pub train: usize,
    /// How many to choose the best epoch by.
    pub validation: usize,
    /// How many to report errors on.
    pub test: usize,
    /// Decides which.
    #[serde(default = "one")]
    pub split_seed: u64,
    /// The elements that the model knows; those of the items to train on if it is not given.
    #[serde(default)]
    pub elements: Option<Vec<String>>,
}

/// `[data]` of potentials and of vectors: rMD17 archives (.npz) or extended XYZ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StructureData {
    /// Structures to train on, and to validate on.
    pub file: PathBuf,
    /// Structures to report errors on; if it is not given, they are drawn from `file`.
    #[serde(default)]
    pub test_file: Option<PathBuf>,
    /// How many to train on.
    pub train: usize,
    /// How many to choose the best epoch by.
    pub validation: usize,
    /// How many to report errors on; all of `test_file` if it is not given.
    #[serde(default)]
    pub test: Option<usize>,
    /// Decides which.
    #[serde(default = "one")]
    pub split_seed: u64,
    /// The unit of energies in extended XYZ; by its convention eV if it is not given.
    #[serde(default)]
    pub energy_unit: Option<FileUnit>,
    /// Which vectors; for the task `vectors`.
    #[serde(default)]
    pub vectors: Option<VectorKind>,
    /// The elements that the model knows; those of the items to train on if it is not given.
    #[serde(default)]
    pub elements: Option<Vec<String>>,
}

/// `[data]` of shapes: labelled clouds or meshes.
///
/// An archive (.npz with `points`, `label`, `split` and `classes`) and a folder of ModelNet (`CLASS/train/NAME.off`,
/// `CLASS/test/NAME.off`, or files of other meshes) tell parts and classes themselves. HDF5 files (`data`, `label`)
/// and arrays (.npy, with `labels`) do not: those of `file` are trained on, those of `test_file` are tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeData {
    /// An archive, a folder, or one or several files of HDF5 or .npy.
    pub file: Files,
    /// Files of HDF5 or .npy that are tested.
    #[serde(default)]
    pub test_file: Files,
    /// Of .npy: the labels, one file for each of `file`.
    #[serde(default)]
    pub labels: Files,
    /// Of .npy: the labels, one file for each of `test_file`.
    #[serde(default)]
    pub test_labels: Files,
    /// Of HDF5 and .npy: the names of the classes, by label; numbers if it is not given.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Points of each cloud, the farthest from each other, all if it is not given; of meshes drawn on their surface,
    /// 1024 if it is not given.
    #[serde(default)]
    pub points: Option<usize>,
    /// Whether the mean of each cloud is moved to the origin and its farthest point to the distance 1. Clouds of
    /// meshes always are.
    #[serde(default)]
    pub normalize: bool,
    /// Of the clouds to train on the part to choose the best epoch by.
    #[serde(default = "a_tenth")]
    pub validation: f64,
    /// Decides which, and which points of meshes.
    #[serde(default = "one")]
    pub split_seed: u64,
}

/// A unit of energy, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileUnit {
    /// eV
    #[default]
    Ev,
    /// Hartree
    Hartree,
    /// kcal/mol
    KcalPerMol,
}

/// Which vectors are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VectorKind {
    /// Forces, of each atom.
    Forces,
    /// The dipole moment, of each molecule.
    Dipole,
}

/// Which edges there are and how items are batched: `[graph]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GraphSection {
    /// Which edges.
    pub edges: EdgeKind,
    /// Of `radius`: the largest length of an edge, in angstrom (of shapes: in units of the cloud).
    pub radius: f64,
    /// Of `radius`: at most so many incoming edges, 0 for all. Of `nearest`: so many.
    pub neighbours: usize,
    /// The most nodes of a batch.
    pub batch_nodes: usize,
    /// The most edges of a batch.
    pub batch_edges: usize,
    /// Threads that make batches ahead.
    pub workers: usize,
}

/// Which edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// Chemical bonds, both ways.
    Bonds,
    /// All pairs.
    Complete,
    /// All pairs within a radius.
    Radius,
    /// The nearest ones of each.
    Nearest,
}

/// What of the model is not its network: the rest of `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSection {
    /// Invariants of each node that are pooled or summed.
    pub width: usize,
    /// How the atoms of a molecule become one row; of a property that grows with the molecule, `sum`.
    pub pooling: PoolingKind,
    /// Whether kinds of bonds are told to the network.
    pub bonds: bool,
    /// Of shapes: the widths of a PointNet, which is not equivariant, in place of the network.
    pub point_net: Vec<usize>,
}

/// What errors cost: part of `[training]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossSection {
    /// What a residual costs; of potentials that of an energy.
    pub loss: Loss,
    /// Of potentials: what the residual of a component of a force costs.
    pub force_loss: Loss,
    /// Of potentials: weight of the energies.
    pub energy_weight: f64,
    /// Of potentials: weight of the forces.
    pub force_weight: f64,
    /// Of potentials: how far atoms are displaced for the gradient of the forces' cost, in angstrom.
    pub force_step: ForceStep,
}

impl Default for LossSection {
    fn default() -> Self {
        Self {
            loss: Loss::Absolute,
            force_loss: Loss::Absolute,
            energy_weight: 0.1,
            force_weight: 1.0,
            force_step: ForceStep::default(),
        }
    }
}

/// How nodes become one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolingKind {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// Their largest value.
    Max,
}

/// Where results go: `[output]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSection {
    /// The folder of the run; `runs/NAME` of the configuration's name if it is not given.
    pub directory: Option<PathBuf>,
}

impl Default for GraphSection {
    fn default() -> Self {
        Self {
            edges: EdgeKind::Radius,
            radius: 5.0,
            neighbours: 0,
            batch_nodes: 400,
            batch_edges: 8000,
            workers: 1,
        }
    }
}

impl Default for HeadSection {
    fn default() -> Self {
        Self {
            width: 64,
            pooling: PoolingKind::Mean,
            bonds: false,
            point_net: Vec::new(),
        }
    }
}

impl GraphSection {
    /// The rule of the edges.
    pub fn rule(&self) -> EdgeRule {
        match self.edges {
            EdgeKind::Bonds => EdgeRule::Bonds,
            EdgeKind::Complete => EdgeRule::Complete,
            EdgeKind::Radius => EdgeRule::Radius(RadiusConfig {
                radius: self.radius,
                max_neighbours: (self.neighbours > 0).then_some(self.neighbours),
            }),
            EdgeKind::Nearest => EdgeRule::Nearest(self.neighbours),
        }
    }

    /// How items become batches.
    pub fn loader(&self, turns: Turns) -> LoaderConfig {
        LoaderConfig {
            edges: self.rule(),
            budget: self.budget(),
            workers: NonZero::new(self.workers).unwrap_or(NonZero::<usize>::MIN),
            turns,
        }
    }

    /// The most that a batch may hold.
    pub fn budget(&self) -> BatchBudget {
        BatchBudget {
            nodes: self.batch_nodes,
            edges: self.batch_edges,
        }
    }
}

impl From<PoolingKind> for Pooling {
    fn from(kind: PoolingKind) -> Self {
        match kind {
            PoolingKind::Sum => Self::Sum,
            PoolingKind::Mean => Self::Mean,
            PoolingKind::Max => Self::Max,
        }
    }
}

impl From<FileUnit> for EnergyUnit {
    fn from(unit: FileUnit) -> Self {
        match unit {
            FileUnit::Ev => Self::ElectronVolt,
            FileUnit::Hartree => Self::Hartree,
            FileUnit::KcalPerMol => Self::KilocaloriePerMole,
        }
    }
}

fn one() -> u64 {
    1
}

fn a_tenth() -> f64 {
    0.1
}

/// QM9's targets by their short names.
mod target_name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use steerable_data::qm9::Target;

    pub(super) fn serialize<S: Serializer>(target: &Target, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(target.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Target, D::Error> {
        let name = String::deserialize(from)?;
        Target::from_name(&name).ok_or_else(|| {
            let names = Target::ALL.map(|target| format!("`{}`", target.name()));
            D::Error::custom(format!(
                "unknown target `{name}`, expected one of {}",
                names.join(", ")
            ))
        })
    }
}

//! Samples of the task, batches of them on a device, and their order in training.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use steerable::graph::Graph;
use steerable::irreps::Rotation;
use steerable::nn::GraphTensors;

use super::simulation::{BALLS, Frame, InitialState, Physics};

/// Frames from the input to the target.
pub const FRAMES_AHEAD: usize = 10;

/// One system: where it is, and where it will be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Charges.
    pub charges: [f64; BALLS],
    /// The input frame: the first stored one.
    pub now: Frame,
    /// The frame to be foretold.
    pub later: Frame,
}

/// What samples are for; each purpose draws from a stream of seeds of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To fit parameters.
    Training,
    /// To choose the best epoch.
    Validation,
    /// To report.
    Testing,
}

impl Purpose {
    /// The seed of system `index` under the seed of the run.
    pub fn seed(self, run_seed: u64, index: usize) -> u64 {
        let stream = match self {
            Self::Training => 1,
            Self::Validation => 2,
            Self::Testing => 3,
        };
        mix(mix(mix(run_seed) ^ stream) ^ index as u64)
    }
}

/// A bijection that scatters neighbouring seeds (the finalizer of SplitMix64).
pub(crate) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Simulates `count` samples on all threads; the result does not depend on how many there are.
pub fn simulate(physics: &Physics, purpose: Purpose, run_seed: u64, count: usize) -> Vec<Sample> {
    (0..count)
        .into_par_iter()
        .map(|index| {
            let start = InitialState::random(purpose.seed(run_seed, index));
            let frames = physics.frames(&start, FRAMES_AHEAD + 1);
            Sample {
                charges: start.charges,
                now: frames[0],
                later: frames[FRAMES_AHEAD],
            }
        })
        .collect()
}

/// Systems side by side on a device: `N` balls, `E` directed edges, a complete graph per system.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The graph.
    pub graph: GraphTensors,
    /// `[N, 1]`
    pub charges: Tensor<2>,
    /// Product of the charges at both ends, `[E, 1]`.
    pub charge_products: Tensor<2>,
    /// `[N, 3]`
    pub positions: Tensor<2>,
    /// `[N, 3]`
    pub velocities: Tensor<2>,
    /// To be foretold: later position minus position, `[N, 3]`.
    pub displacement: Tensor<2>,
    /// To be foretold: later velocity minus velocity, `[N, 3]`.
    pub velocity_change: Tensor<2>,
    /// Turns the batch when equivariance is measured.
    pub rotation: Rotation,
}

impl Batch {
    /// Uploads samples.
    pub fn new<'a>(
        samples: &(impl Iterator<Item = &'a Sample> + Clone),
        topology: &Topology,
        rotation: Rotation,
        device: &Device,
    ) -> Self {
        let rows = |vectors: &dyn Fn(&Sample, usize) -> [f64; 3]| {
            let values: Vec<f32> = samples
                .clone()
                .flat_map(|sample| (0..BALLS).flat_map(|ball| vectors(sample, ball)))
                .map(|value| value as f32)
                .collect();
            let count = values.len() / 3;
            Tensor::<2>::from_data(TensorData::new(values, [count, 3]), device)
        };
        let charges: Vec<f32> = samples
            .clone()
            .flat_map(|sample| sample.charges.map(|charge| charge as f32))
            .collect();
        let products: Vec<f32> = topology
            .ends
            .iter()
            .map(|&[src, dst]| charges[src as usize] * charges[dst as usize])
            .collect();
        let column = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<2>::from_data(TensorData::new(values, [count, 1]), device)
        };
        let difference = |a: [f64; 3], b: [f64; 3]| std::array::from_fn(|k| a[k] - b[k]);
        Self {
            graph: topology.graph.clone(),
            positions: rows(&|sample, ball| sample.now.positions[ball]),
            velocities: rows(&|sample, ball| sample.now.velocities[ball]),
            displacement: rows(&|sample, ball| {
                difference(sample.later.positions[ball], sample.now.positions[ball])
            }),
            velocity_change: rows(&|sample, ball| {
                difference(sample.later.velocities[ball], sample.now.velocities[ball])
            }),
            charges: column(charges),
            charge_products: column(products),
            rotation,
        }
    }

    /// Number of systems.
    pub fn num_systems(&self) -> usize {
        self.graph.num_graphs()
    }

    /// The same systems, turned by [`Self::rotation`].
    pub fn rotated(&self) -> Self {
        let turn = |vectors: &Tensor<2>| rotate(vectors.clone(), &self.rotation);
        Self {
            positions: turn(&self.positions),
            velocities: turn(&self.velocities),
            displacement: turn(&self.displacement),
            velocity_change: turn(&self.velocity_change),
            ..self.clone()
        }
    }
}

/// Rotates row vectors, `[N, 3]`.
pub fn rotate(vectors: Tensor<2>, rotation: &Rotation) -> Tensor<2> {
    // nalgebra stores columns: read in that order, the matrix is its transpose, as rows need it.
    let transposed: Vec<f64> = rotation.matrix().iter().copied().collect();
    let options = (&vectors.device(), vectors.dtype());
    let matrix = Tensor::<2>::from_data(TensorData::new(transposed, [3, 3]), options);
    vectors.matmul(matrix)
}

/// Complete graphs side by side, uploaded once for all batches of that size.
#[derive(Clone, Debug)]
pub struct Topology {
    graph: GraphTensors,
    ends: Arc<[[u32; 2]]>,
}

impl Topology {
    /// The graphs of `num_systems` systems.
    pub fn new(num_systems: usize, device: &Device) -> Self {
        let one = Graph::complete(BALLS);
        let graph = Graph::batch(&vec![one; num_systems]);
        let ends = graph.src().iter().zip(graph.dst());
        Self {
            ends: ends.map(|(&src, &dst)| [src, dst]).collect(),
            graph: GraphTensors::new(&graph, device),
        }
    }
}

/// The order in which samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As stored.
    Stored,
    /// Shuffled anew in each epoch. The order is a function of seed and epoch alone, so that a resumed
    /// run sees what the uninterrupted one would have seen.
    Shuffled {
        /// Seed of the run.
        seed: u64,
        /// Epoch of the first pass, counted from 1.
        first_epoch: usize,
    },
}

/// Feeds samples to burn's learner.
pub struct Loader {
    samples: Arc<[Sample]>,
    batch_size: usize,
    order: Order,
    passes: AtomicUsize,
    device: Device,
    whole: Topology,
    rest: Topology,
}

impl Loader {
    /// A loader of all samples.
    ///
    /// # Panics
    /// When there are no samples, or batches are empty.
    pub fn new(samples: Arc<[Sample]>, batch_size: usize, order: Order, device: &Device) -> Self {
        assert!(!samples.is_empty(), "Loader: there must be samples");
        assert!(batch_size > 0, "Loader: batches must not be empty");
        let batch_size = batch_size.min(samples.len());
        let rest = samples.len() % batch_size;
        let whole = Topology::new(batch_size, device);
        Self {
            rest: if rest == 0 {
                whole.clone()
            } else {
                Topology::new(rest, device)
            },
            whole,
            passes: AtomicUsize::new(0),
            device: device.clone(),
            samples,
            batch_size,
            order,
        }
    }

    /// Batches in one pass.
    pub fn num_batches(&self) -> usize {
        self.samples.len().div_ceil(self.batch_size)
    }

    /// The batches of the next pass.
    pub fn batches(&self) -> impl Iterator<Item = Batch> + '_ {
        let pass = self.passes.fetch_add(1, Ordering::Relaxed);
        let mut indices: Vec<usize> = (0..self.samples.len()).collect();
        if let Order::Shuffled { seed, first_epoch } = self.order {
            let epoch = (first_epoch + pass) as u64;
            indices.shuffle(&mut StdRng::seed_from_u64(mix(seed ^ mix(epoch))));
        }
        (0..self.num_batches()).map(move |number| {
            let first = number * self.batch_size;
            let chunk = &indices[first..indices.len().min(first + self.batch_size)];
            let topology = if chunk.len() == self.batch_size {
                &self.whole
            } else {
                &self.rest
            };
            let rotation = Rotation::random(&mut StdRng::seed_from_u64(mix(number as u64)));
            let samples = chunk.iter().map(|&index| &self.samples[index]);
            Batch::new(&samples, topology, rotation, &self.device)
        })
    }
}

struct Pass<'a> {
    batches: Box<dyn Iterator<Item = Batch> + 'a>,
    done: usize,
    total: usize,
}

impl Iterator for Pass<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        self.done += batch.num_systems();
        Some(Ok(batch))
    }
}

impl DataLoaderIterator<Batch> for Pass<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.total, Some("systems".into()))
    }
}

impl DataLoader<Batch> for Loader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        Box::new(Pass {
            batches: Box::new(self.batches()),
            done: 0,
            total: self.samples.len(),
        })
    }

    fn num_items(&self) -> usize {
        self.samples.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self::new(
            self.samples.clone(),
            self.batch_size,
            self.order,
            device,
        ))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let samples = self.samples[start..end].into();
        Arc::new(Self::new(
            samples,
            self.batch_size,
            self.order,
            &self.device,
        ))
    }
}

//! The workloads that are compared with other codes: the same sizes, weights and gradients as theirs.
//!
//! | name | step | modes |
//! | --- | --- | --- |
//! | W1 | spherical harmonics of n vectors, all degrees to L | `fwd`; `fwdbwd`: with the Jacobian |
//! | W2, W6 | channel-wise convolution with its radial network | `fwd`, `fwdbwd` |
//! | W3 | full SE(3) convolution with its radial network | `fwd`, `fwdbwd` |
//! | W4 | NVIDIA's QM9 model | `fwd`, `train`: gradients and a step of Adam |
//! | W5 | Wigner-D matrices of n rotations; tables of 3j symbols | `wignerD`; `cg_cold`: once |
//!
//! All in f32, except W5. `fwd` records no tape. `fwdbwd` gives gradients to every input and weight;
//! the gradient that enters is all ones.

mod channel_wise;
mod count;
mod full;
mod harmonics;
mod qm9;
mod rotations;

use burn::tensor::{DType, Device, Tensor, TensorData};
use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use steerable::graph::{Edge, Graph};
use steerable::nn::{EdgeGeometry, Edges, GraphTensors, MemoryBudget};

pub use channel_wise::ChannelWise;
pub use full::Full;
pub use harmonics::Harmonics;
pub use qm9::{Qm9, Topology};
pub use rotations::Rotations;

/// Which workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
#[expect(missing_docs, reason = "the module's table says what they are")]
pub enum Name {
    W1,
    W2,
    W3,
    W4,
    W5,
    W6,
}

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Forward, without recording a tape.
    #[value(name = "fwd")]
    Forward,
    /// Forward and backward, gradients to all inputs and weights.
    #[value(name = "fwdbwd")]
    ForwardAndBackward,
    /// Forward, backward and a step of Adam.
    #[value(name = "train")]
    Train,
    /// Wigner-D matrices.
    #[value(name = "wignerD")]
    WignerD,
    /// Tables of 3j symbols, once.
    #[value(name = "cg_cold")]
    Tables,
}

impl Mode {
    /// The device, recording a tape if the mode needs one.
    fn on(self, device: &Device) -> Device {
        match self {
            Self::ForwardAndBackward | Self::Train => device.clone().autodiff(),
            _ => device.clone(),
        }
    }

    /// Forward passes that the step is counted as: a backward pass does each product twice more.
    fn passes(self) -> f64 {
        match self {
            Self::ForwardAndBackward | Self::Train => 3.0,
            _ => 1.0,
        }
    }
}

/// The least that a step costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Floating-point operations in the cheaper order of contraction, if counted.
    pub flop: Option<f64>,
    /// Those of the usual algorithm: the radial weights of every edge formed and applied.
    pub flop_naive: Option<f64>,
    /// Bytes of the inputs and outputs, each moved once.
    pub bytes: Option<f64>,
}

/// A workload, built.
pub struct Work {
    /// One step.
    pub step: Box<dyn FnMut()>,
    /// Sizes and counts, under the names that the other codes' runs give them.
    pub note: Map<String, Value>,
    /// The least that a step costs.
    pub cost: Cost,
}

/// Parameters or modes that a workload does not have.
pub type BadRequest = Box<dyn std::error::Error>;

/// Builds a workload on a device; `params` replace the defaults, which are those of the published
/// comparison. W1 and W5 work on slices and are built for the CPU whatever the device.
///
/// # Errors
/// When the workload has no such parameter or mode.
pub fn build(name: Name, mode: Mode, params: &Value, device: &Device) -> Result<Work, BadRequest> {
    fn read<P: DeserializeOwned>(params: &Value) -> Result<P, BadRequest> {
        Ok(P::deserialize(params)?)
    }
    let work = match (name, mode) {
        (Name::W1, Mode::Forward | Mode::ForwardAndBackward) => {
            read::<Harmonics>(params)?.build(mode)
        }
        (Name::W2 | Name::W6, Mode::Forward | Mode::ForwardAndBackward) => {
            read::<ChannelWise>(params)?.build(mode, device)
        }
        (Name::W3, Mode::Forward | Mode::ForwardAndBackward) => {
            read::<Full>(params)?.build(mode, device)
        }
        (Name::W4, Mode::Forward | Mode::Train) => read::<Qm9>(params)?.build(mode, device),
        (Name::W5, Mode::WignerD | Mode::Tables) => read::<Rotations>(params)?.build(mode),
        _ => return Err(format!("{name:?} has no mode {mode:?}").into()),
    };
    Ok(work)
}

/// Random numbers of a workload.
struct Source(StdRng);

impl Source {
    fn new() -> Self {
        Self(StdRng::seed_from_u64(0))
    }

    fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.0.sample(StandardNormal)).collect()
    }

    fn normal(&mut self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        upload(self.normals(shape[0] * shape[1]), shape, device)
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let values = (0..shape[0] * shape[1])
            .map(|_| self.0.random::<f32>())
            .collect();
        upload(values, shape, device)
    }

    /// `neighbours` random sources for every node, none the node itself, repetitions allowed.
    fn regular_graph(&mut self, nodes: usize, neighbours: usize) -> Graph {
        let edges: Vec<Edge> = (0..nodes as u32)
            .flat_map(|dst| std::iter::repeat_n(dst, neighbours))
            .map(|dst| {
                let other = self.0.random_range(0..nodes as u32 - 1);
                let src = other + u32::from(other >= dst);
                Edge { src, dst }
            })
            .collect();
        Graph::from_edges(nodes, &edges).expect("edges between nodes")
    }
}

fn upload(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// A leaf of the tape, or the tensor itself where there is none.
fn leaf(tensor: Tensor<2>, mode: Mode) -> Tensor<2> {
    match mode {
        Mode::ForwardAndBackward | Mode::Train => tensor.require_grad(),
        _ => tensor,
    }
}

/// Edges whose harmonics and radial inputs are given.
fn edges(graph: &Graph, harmonics: Tensor<2>, invariants: Tensor<2>, device: &Device) -> Edges {
    // What stands in for positions: the convolutions read harmonics and invariants only.
    let none = Tensor::zeros([graph.num_edges(), 0], (device, DType::F32));
    Edges {
        graph: GraphTensors::new(graph, device),
        geometry: EdgeGeometry {
            rel_pos: none.clone(),
            distance: none,
            harmonics,
            envelope: None,
        },
        invariants,
        features: None,
    }
}

fn memory(budget: Option<u64>) -> MemoryBudget {
    budget.map_or(MemoryBudget::Unlimited, MemoryBudget::Bytes)
}

fn note<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

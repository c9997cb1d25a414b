//! Which residues hear which, and what they hear.

use burn::config::Config;
use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable_graph::{Edge, Graph, GraphError};
use steerable_kernels::sum_rows;
use steerable_nn::GraphTensors;

use super::frames::FrameTensors;
use super::one_hot::one_hot;
use crate::Backbone;

/// Residues further apart along the chain than this are only "far".
const FARTHEST: i32 = 16;

/// The jump of the residue index over a chain break of unknown length.
const BREAK: i32 = 2 * FARTHEST;

/// Which residues a residue hears: the nearest in space, and those beside it in the sequence.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub struct NeighbourConfig {
    /// How many of the nearest in space, by CA.
    #[config(default = 16)]
    pub num_nearest: usize,
    /// How far along the chain in each direction, also where not near in space.
    #[config(default = 4)]
    pub sequence_reach: usize,
}

/// Chains of a batch as one graph of residues, with the separations along the chain.
#[derive(Clone, Debug)]
pub struct ResidueGraph {
    graph: Graph,
    /// `residue_index[dst] - residue_index[src]`.
    separations: Vec<i32>,
}

impl ResidueGraph {
    /// The graph of one chain at these positions of CA in angstrom. O(L log L).
    ///
    /// `residue_index` counts along the chain, as [`residue_index`] does.
    ///
    /// # Errors
    /// Positions that are not finite; a chain beyond `u32` edges.
    pub fn new(
        ca: &[[f64; 3]],
        residue_index: &[i32],
        config: &NeighbourConfig,
    ) -> Result<Self, GraphError> {
        assert_eq!(
            ca.len(),
            residue_index.len(),
            "ResidueGraph: an index for each residue"
        );
        let nearest = Graph::knn(ca, config.num_nearest)?;
        let reach = config.sequence_reach;
        let mut edges = Vec::with_capacity(nearest.num_edges() + 2 * reach * ca.len());
        for dst in 0..ca.len() {
            let beside = dst.saturating_sub(reach)..(dst + reach + 1).min(ca.len());
            let near = nearest.incoming(dst).map(|edge| nearest.src()[edge]);
            let mut sources: Vec<u32> = near
                .chain(beside.filter(|&src| src != dst).map(|src| src as u32))
                .collect();
            sources.sort_unstable();
            sources.dedup();
            let dst = dst as u32;
            edges.extend(sources.into_iter().map(|src| Edge { src, dst }));
        }
        let separations = edges
            .iter()
            .map(|edge| residue_index[edge.dst as usize] - residue_index[edge.src as usize])
            .collect();
        Ok(Self {
            graph: Graph::from_edges(ca.len(), &edges)?,
            separations,
        })
    }

    /// Chains side by side.
    ///
    /// # Errors
    /// More nodes or edges than `u32` counts.
    pub fn batch(chains: &[Self]) -> Result<Self, GraphError> {
        let graphs: Vec<&Graph> = chains.iter().map(|chain| &chain.graph).collect();
        Ok(Self {
            graph: Graph::try_batch(&graphs)?,
            separations: chains
                .iter()
                .flat_map(|chain| chain.separations.iter().copied())
                .collect(),
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    fn separation_classes(&self) -> Vec<usize> {
        let classes = self.separations.iter();
        classes.map(|&apart| separation_class(apart)).collect()
    }

    /// Uploads it.
    pub fn to_device(&self, device: &Device, dtype: DType) -> ResidueGraphTensors {
        ResidueGraphTensors {
            graph: GraphTensors::new(&self.graph, device),
            separation: one_hot(&self.separation_classes(), SEPARATIONS, device, dtype),
        }
    }
}

/// Counts residues along a chain: one further for each residue, far further over a break.
pub fn residue_index(backbone: &Backbone) -> Vec<i32> {
    let mut index = 0;
    (0..backbone.len())
        .map(|i| {
            if i > 0 {
                index += if backbone.is_bonded_to_previous(i) {
                    1
                } else {
                    BREAK
                };
            }
            index
        })
        .collect()
}

/// Number of classes of separations along the chain: one for each up to 16 in either direction, those
/// further apart with the last.
pub const SEPARATIONS: usize = 2 * FARTHEST as usize + 1;

/// The class of a separation along the chain, below [`SEPARATIONS`].
pub fn separation_class(apart: i32) -> usize {
    (apart.clamp(-FARTHEST, FARTHEST) + FARTHEST) as usize
}

/// A [`ResidueGraph`] on a device: upload once for all iterations.
#[derive(Clone, Debug)]
pub struct ResidueGraphTensors {
    pub(super) graph: GraphTensors,
    /// Class of the separation along the chain, `[E, SEPARATIONS]`.
    separation: Tensor<2>,
}

/// Distances are told by Gaussians up to this, in angstrom.
const FARTHEST_DISTANCE: f64 = 20.0;
const DISTANCES: usize = 16;

/// Number of invariants of an edge that [`ResidueGraphTensors::invariants`] tells.
pub(super) const INVARIANTS: usize = SEPARATIONS + DISTANCES + 12;

/// How far CA atoms of neighbours along the chain are apart, in angstrom.
const CA_CA: f64 = 3.8;

/// Numbers that tell of a residue's two neighbours along the chain.
pub(super) const BESIDE: usize = 2 * 12;

impl ResidueGraphTensors {
    /// The graph.
    pub fn graph(&self) -> &GraphTensors {
        &self.graph
    }

    /// What an edge tells of its ends without regard to how the whole lies in space, `[E, INVARIANTS]`:
    /// separation along the chain, distance, and the frame of the source in that of the destination.
    ///
    /// `relative`: those frames, with positions in angstrom.
    pub(super) fn invariants(&self, relative: &FrameTensors) -> Tensor<2> {
        let edges = relative.len();
        let position = relative.translation();
        let square = (position.clone() * position.clone()).sum_dim(1);
        // The root of a zero distance has no gradient; coincident residues are a thousandth apart.
        let distance = (square + 1e-6).sqrt();
        let width = FARTHEST_DISTANCE / (DISTANCES - 1) as f64;
        let centres: Vec<f64> = (0..DISTANCES).map(|k| k as f64 * width).collect();
        let centres = Tensor::<2>::from_data(
            TensorData::new(centres, [1, DISTANCES]),
            (&position.device(), position.dtype()),
        );
        let from_centre = (distance.clone() - centres) * (1.0 / width);
        let gaussians = (-(from_centre.clone() * from_centre)).exp();
        let direction = position / distance;
        let rotation = relative.rotation().reshape([edges, 9]);
        Tensor::cat(
            vec![self.separation.clone(), gaussians, direction, rotation],
            1,
        )
    }

    /// The frames of the residues before and after each one in its own, `[N, BESIDE]`: rotations, and
    /// positions in units of the distance of neighbours; zero at the ends and at breaks. They hold phi and
    /// psi, on which the torsions of the side chain depend.
    ///
    /// `relative`: the frames of all edges, with positions in angstrom.
    pub(super) fn beside(&self, relative: &FrameTensors) -> Tensor<2> {
        let rotation = relative.rotation().reshape([relative.len(), 9]);
        let position = relative.translation() * CA_CA.recip();
        let frames = Tensor::cat(vec![rotation, position], 1);
        let seen = [1, -1].map(|apart| {
            let class = separation_class(apart);
            let is_there = self.separation.clone().slice_dim(1, class..class + 1);
            sum_rows(frames.clone() * is_there, self.graph.dst())
        });
        Tensor::cat(seen.to_vec(), 1)
    }
}

//! The structure module: frames, moved again and again.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};
use steerable_nn::BuildError;

use super::frames::FrameTensors;
use super::layer::{Residues, StructureLayer, Surroundings};
use super::point_attention::{PointAttentionConfig, PointAttentionLayer};
use super::se3_layer::{TransformerLayer, TransformerLayerConfig};
use super::side_chain::MAX_CHI;
use super::surroundings::{BESIDE, INVARIANTS, ResidueGraphTensors};
use super::torsion_bins::TorsionBins;

/// Whether the iterations of a structure module have the same parameters.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum IterationWeights {
    /// One layer, applied again and again.
    Shared,
    /// A layer for each iteration.
    Own,
}

/// Configuration of a [`StructureModule`].
#[derive(Config, Debug)]
pub struct StructureModuleConfig {
    /// Width of the residues' input features.
    pub num_inputs: usize,
    /// Width of the pair features given with the edges; 0 without.
    #[config(default = 0)]
    pub num_pair_inputs: usize,
    /// Invariant features of a residue.
    #[config(default = 64)]
    pub num_scalars: usize,
    /// Invariant features of an edge.
    #[config(default = 32)]
    pub num_edge_scalars: usize,
    /// How often the frames move.
    #[config(default = 4)]
    pub num_iterations: usize,
    /// Whether iterations share their parameters.
    #[config(default = "IterationWeights::Shared")]
    pub weights: IterationWeights,
    /// Classes of the predicted lDDT.
    #[config(default = 50)]
    pub num_confidence_classes: usize,
    /// Bins of a side-chain torsion, an even number: see [`TorsionBins`].
    #[config(default = 36)]
    pub num_chi_bins: usize,
}

impl StructureModuleConfig {
    /// The module with SE(3)-Transformers as layers.
    ///
    /// # Errors
    /// Irreps that cannot be built, see [`TransformerLayerConfig::try_init`].
    pub fn try_init_transformer(
        &self,
        layer: &TransformerLayerConfig,
        device: &Device,
    ) -> Result<StructureModule<TransformerLayer>, BuildError> {
        let layers = (0..self.num_layers())
            .map(|_| layer.try_init(self.num_scalars, self.num_edge_scalars, device))
            .collect::<Result<_, _>>()?;
        Ok(self.init_with(layers, device))
    }

    /// The module with invariant point attention as layers.
    pub fn init_point_attention(
        &self,
        layer: &PointAttentionConfig,
        device: &Device,
    ) -> StructureModule<PointAttentionLayer> {
        let layers = (0..self.num_layers())
            .map(|_| layer.init(self.num_scalars, self.num_edge_scalars, device))
            .collect();
        self.init_with(layers, device)
    }

    pub(super) fn num_layers(&self) -> usize {
        match self.weights {
            IterationWeights::Shared => 1,
            IterationWeights::Own => self.num_iterations,
        }
    }

    /// The module with these layers: one for all iterations, or one for each.
    ///
    /// # Panics
    /// When there are neither one nor `num_iterations` layers, or an odd number of bins of torsions.
    pub fn init_with<L: StructureLayer>(
        &self,
        layers: Vec<L>,
        device: &Device,
    ) -> StructureModule<L> {
        assert_eq!(
            layers.len(),
            self.num_layers(),
            "StructureModule: layers for {} iterations with {:?} weights",
            self.num_iterations,
            self.weights
        );
        let c = self.num_scalars;
        let chi_bins = TorsionBins::new(self.num_chi_bins);
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let norm = |width| LayerNormConfig::new(width).init(device);
        StructureModule {
            embed_residues: linear(self.num_inputs, c),
            embed_edges: linear(INVARIANTS + self.num_pair_inputs, self.num_edge_scalars),
            edge_norm: norm(self.num_edge_scalars),
            input_norm: norm(c),
            update_norm: norm(c),
            transition: [linear(c, 2 * c), linear(2 * c, c)],
            transition_norm: norm(c),
            layers,
            confidence: [linear(c, c), linear(c, self.num_confidence_classes)],
            chi: [
                linear(2 * c + BESIDE, c),
                linear(c, MAX_CHI * chi_bins.len()),
            ],
            num_iterations: self.num_iterations,
            num_pair_inputs: self.num_pair_inputs,
        }
    }
}

/// What a structure module reads.
#[derive(Clone, Debug)]
pub struct StructureInputs {
    /// Features of the residues, `[N, num_inputs]`, such as the sequence.
    pub residues: Tensor<2>,
    /// Features of the edges that do not depend on the frames, `[E, num_pair_inputs]`.
    pub pairs: Option<Tensor<2>>,
    /// Where the residues are at first.
    pub frames: FrameTensors,
    /// Who hears whom.
    pub graph: ResidueGraphTensors,
}

/// What a structure module gives.
#[derive(Clone, Debug)]
pub struct StructureOutput {
    /// The frames behind each iteration; the last are the prediction.
    pub frames: Vec<FrameTensors>,
    /// The features of the residues behind the last iteration, `[N, c]`.
    pub scalars: Tensor<2>,
    /// Logits of the classes of lDDT, `[N, num_confidence_classes]`.
    pub confidence: Tensor<2>,
    /// Logits of the bins of each side-chain torsion, `[N, 4, num_chi_bins]`.
    pub chi: Tensor<3>,
}

impl StructureOutput {
    /// The predicted frames.
    pub fn prediction(&self) -> &FrameTensors {
        self.frames
            .last()
            .expect("a structure module gives frames for each iteration")
    }
}

/// Moves the frames of residues, iteration by iteration, and says how sure it is.
///
/// Each iteration forms the geometry of the edges anew from the frames of the moment, lets a
/// [`StructureLayer`] speak, and moves the frames; gradients flow through all of them. The graph
/// stays what it was at the start. Equivariant: moving all start frames by one rigid motion moves all
/// frames of the output by it and leaves confidence and torsions alone.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithm 20, over a graph of neighbours.
#[derive(Module, Debug)]
pub struct StructureModule<L: Module> {
    /// From input features to the scalars of residues.
    pub embed_residues: Linear,
    /// From the invariants of an edge to its features.
    pub embed_edges: Linear,
    /// Behind the embedding of the edges.
    pub edge_norm: LayerNorm,
    /// Before the first iteration.
    pub input_norm: LayerNorm,
    /// Behind each layer.
    pub update_norm: LayerNorm,
    /// Two maps on the scalars of each residue, after each layer.
    pub transition: [Linear; 2],
    /// Behind the transition.
    pub transition_norm: LayerNorm,
    /// One layer for all iterations, or one for each.
    pub layers: Vec<L>,
    /// From scalars to logits of lDDT.
    pub confidence: [Linear; 2],
    /// From first and last scalars, and the last frames of the neighbours along the chain, to logits of the bins
    /// of torsions.
    pub chi: [Linear; 2],
    num_iterations: usize,
    num_pair_inputs: usize,
}

impl<L: StructureLayer> StructureModule<L> {
    /// Applies the module.
    ///
    /// # Panics
    /// When a tensor has not the rows of the graph or the width the module was built for.
    #[track_caller]
    pub fn forward(&self, inputs: &StructureInputs) -> StructureOutput {
        let pair_width = inputs.pairs.as_ref().map_or(0, |pairs| pairs.dims()[1]);
        assert_eq!(
            pair_width, self.num_pair_inputs,
            "StructureModule: width of the pair features"
        );
        let first = self
            .input_norm
            .forward(self.embed_residues.forward(inputs.residues.clone()));
        let mut residues = Residues {
            scalars: first.clone(),
            frames: inputs.frames.clone(),
        };
        let mut frames = Vec::with_capacity(self.num_iterations);
        for iteration in 0..self.num_iterations {
            let surroundings = self.surroundings(&residues.frames, inputs);
            let layer = &self.layers[iteration % self.layers.len()];
            let update = layer.forward(&residues, &surroundings);
            let scalars = self.update_norm.forward(residues.scalars + update.scalars);
            residues = Residues {
                scalars: self.transition(scalars),
                frames: residues.frames.moved(update.frame),
            };
            frames.push(residues.frames.clone());
        }
        let scalars = residues.scalars;
        let graph = inputs.graph.graph();
        let relative = residues.frames.relative(graph.src(), graph.dst());
        let beside = inputs.graph.beside(&relative);
        let chi = Tensor::cat(vec![first, scalars.clone(), beside], 1);
        StructureOutput {
            frames,
            confidence: two_maps(&self.confidence, scalars.clone()),
            chi: by_torsion(two_maps(&self.chi, chi)),
            scalars,
        }
    }

    fn surroundings(&self, frames: &FrameTensors, inputs: &StructureInputs) -> Surroundings {
        let graph = inputs.graph.graph();
        let relative = frames.relative(graph.src(), graph.dst());
        let mut invariants = vec![inputs.graph.invariants(&relative)];
        invariants.extend(inputs.pairs.clone());
        let embedded = self.embed_edges.forward(Tensor::cat(invariants, 1));
        Surroundings {
            graph: graph.clone(),
            relative,
            scalars: silu(self.edge_norm.forward(embedded)),
        }
    }

    fn transition(&self, scalars: Tensor<2>) -> Tensor<2> {
        let update = two_maps(&self.transition, scalars.clone());
        self.transition_norm.forward(scalars + update)
    }
}

fn two_maps([first, second]: &[Linear; 2], input: Tensor<2>) -> Tensor<2> {
    second.forward(silu(first.forward(input)))
}

/// Columns torsion by torsion: `[N, 4 bins]` to `[N, 4, bins]`.
fn by_torsion(columns: Tensor<2>) -> Tensor<3> {
    let [rows, width] = columns.dims();
    columns.reshape([rows, MAX_CHI, width / MAX_CHI])
}

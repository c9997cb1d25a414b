//! The SE(3)-Transformer.

use burn::config::Config;
use burn::module::{Initializer, Module};
use burn::tensor::{Device, Tensor};
use steerable_harmonics::Normalization;
use steerable_harmonics::plan::{PathNormalization, RadialSharing};
use steerable_irreps::{Group, Irrep, Irreps, MulIrrep, Parity};
use steerable_radial::{Envelope, RadialBasis, RadialBasisConfig};

use crate::attention::{AttentionBlock, AttentionBlockConfig, KeyValue, LogitScale, Skip};
use crate::convolution::{
    Aggregation, Convolution, ConvolutionConfig, LastLayerBias, RadialOptions, SelfInteraction,
};
use crate::edges::{Edges, HarmonicsOptions};
use crate::error::{BuildError, expect_built};
use crate::linear::{SteerableLinear, SteerableLinearConfig, expect_irreps};
use crate::norm::{NormNonlinearity, NormNonlinearityConfig, NormTransform};
use crate::nvidia::FuseLevel;
use crate::{Cloud, Features};

/// What stands between two attention blocks.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum BlockNorm {
    /// Nothing.
    None,
    /// The norm non-linearity with layer normalization.
    LayerNorm,
    /// The norm non-linearity with a learned shift.
    Bias,
}

/// Whether the relative position joins the edge features as a vector.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum RelativePosition {
    /// It only enters through the kernel.
    KernelOnly,
    /// It is also one vector channel of the features on the edge (Fuchs' `x_ij = 'cat'`).
    Joined,
}

/// Whether the model moves its points.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Refinement {
    /// Positions stay.
    None,
    /// After every block each point moves by a learned combination of its vector features, and all
    /// geometry is formed anew from the new positions, with gradients.
    EveryBlock,
}

/// Which pairs of irreps share a radial network.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum SharingRule {
    /// The same in every layer.
    Fixed(RadialSharing),
    /// What NVIDIA's code does at a fuse level; it depends on the layer's irreps.
    Nvidia(FuseLevel),
}

/// Configuration of an [`SE3Transformer`].
#[derive(Config, Debug)]
pub struct SE3TransformerConfig {
    /// Irreps of the input features.
    pub irreps_in: Irreps,
    /// Irreps between the blocks.
    pub irreps_hidden: Irreps,
    /// Irreps of the output features.
    pub irreps_out: Irreps,
    /// Number of scalar features of each edge.
    #[config(default = 0)]
    pub num_edge_scalars: usize,
    /// Irreps of steerable features of each edge.
    #[config(default = "Irreps::default()")]
    pub irreps_edge: Irreps,
    /// Number of attention blocks.
    #[config(default = 4)]
    pub num_layers: usize,
    /// Number of attention heads.
    #[config(default = 1)]
    pub num_heads: usize,
    /// Values and keys have the hidden channels divided by this.
    #[config(default = 2)]
    pub channels_div: usize,
    /// Where keys and values come from.
    #[config(default = "KeyValue::Joint")]
    pub key_value: KeyValue,
    /// How a block's input reaches its output.
    #[config(default = "Skip::Concatenate")]
    pub skip: Skip,
    /// Scaling of the logits.
    #[config(default = "LogitScale::AllHeads")]
    pub logit_scale: LogitScale,
    /// What stands between two blocks.
    #[config(default = "BlockNorm::LayerNorm")]
    pub norm: BlockNorm,
    /// Norms below this count as this, see [`NormNonlinearityConfig`].
    #[config(default = 1e-2)]
    pub smallest_norm: f64,
    /// Whether the relative position joins the edge features.
    #[config(default = "RelativePosition::KernelOnly")]
    pub relative_position: RelativePosition,
    /// Expansion of the distance.
    #[config(default = "RadialBasisConfig::distance()")]
    pub radial_basis: RadialBasisConfig,
    /// Smooth cutoff of the kernels.
    #[config(default = "Envelope::None")]
    pub envelope: Envelope,
    /// The radial networks; their `sharing` is set by [`Self::sharing`].
    #[config(default = "RadialOptions::new()")]
    pub radial: RadialOptions,
    /// Which pairs of irreps share a radial network.
    #[config(default = "SharingRule::Fixed(RadialSharing::Shared)")]
    pub sharing: SharingRule,
    /// Normalization of the harmonics.
    #[config(default = "Normalization::Component")]
    pub harmonics: Normalization,
    /// Scaling of the paths.
    #[config(default = "PathNormalization::FanIn")]
    pub path_normalization: PathNormalization,
    /// How the last convolution gathers its messages.
    #[config(default = "Aggregation::Mean")]
    pub output_aggregation: Aggregation,
    /// How a node's own features enter the last convolution.
    #[config(default = "SelfInteraction::PerNode")]
    pub output_self_interaction: SelfInteraction,
    /// Whether the model moves its points.
    #[config(default = "Refinement::None")]
    pub refinement: Refinement,
}

impl SE3TransformerConfig {
    /// The settings of Fuchs' code: a radial network for each pair of degrees with a bias in its last
    /// layer, keys and values from separate convolutions, orthonormal harmonics, mean over edges.
    ///
    /// # Source
    /// SE(3)-Transformers (arXiv 2006.10503) and its published code.
    pub fn fuchs(irreps_in: Irreps, irreps_hidden: Irreps, irreps_out: Irreps) -> Self {
        Self::new(irreps_in, irreps_hidden, irreps_out)
            .with_key_value(KeyValue::Separate)
            .with_sharing(SharingRule::Fixed(RadialSharing::PerPair))
            .with_harmonics(Normalization::Integral)
            .with_path_normalization(PathNormalization::None)
            .with_smallest_norm(1e-12)
    }

    /// The settings of NVIDIA's code, so that its weights can be loaded
    /// ([`crate::nvidia::load`]): keys and values from one convolution, no bias in the last radial
    /// layer, sum over edges, self-interaction once per edge.
    ///
    /// # Source
    /// NVIDIA DeepLearningExamples, SE3Transformer.
    pub fn nvidia(
        irreps_in: Irreps,
        irreps_hidden: Irreps,
        irreps_out: Irreps,
        level: FuseLevel,
    ) -> Self {
        Self::new(irreps_in, irreps_hidden, irreps_out)
            .with_radial(RadialOptions::new().with_last_bias(LastLayerBias::Without))
            .with_sharing(SharingRule::Nvidia(level))
            .with_harmonics(Normalization::Integral)
            .with_path_normalization(PathNormalization::None)
            .with_smallest_norm(2_f64.powi(-24))
            .with_output_aggregation(Aggregation::Sum)
            .with_output_self_interaction(SelfInteraction::PerEdge)
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Whatever the layers find wrong, with the layer's name; irreps that do not fit show here, not at
    /// the first batch.
    pub fn try_init(&self, device: &Device) -> Result<SE3Transformer, BuildError> {
        const LAYER: &str = "SE3Transformer";
        let radial_basis =
            self.radial_basis
                .try_init(device)
                .map_err(|source| BuildError::Radial {
                    layer: LAYER.into(),
                    source,
                })?;
        if matches!(self.sharing, SharingRule::Nvidia(_)) && self.group() == Some(Group::O3) {
            return Err(BuildError::Unsupported {
                layer: LAYER.into(),
                irreps: self.irreps_hidden.clone(),
                reason: "belongs to O(3); NVIDIA's fuse levels are defined for SO(3) irreps",
            });
        }
        let irreps_edge = self.all_edge_irreps()?;
        let num_invariants = self.num_edge_scalars + radial_basis.num_features();
        let max_degree = [&self.irreps_in, &self.irreps_hidden, &self.irreps_out]
            .iter()
            .filter_map(|irreps| irreps.lmax())
            .max()
            .unwrap_or(0);

        let mut blocks = Vec::with_capacity(self.num_layers);
        let mut norms = Vec::new();
        let mut moves = Vec::new();
        let mut irreps_in = self.irreps_in.clone();
        for index in 0..self.num_layers {
            let place = format!("{LAYER}.blocks[{index}]");
            let told = |error: BuildError| error.within(&place);
            let sharing = self.block_sharing(
                &irreps_in.concat(&irreps_edge).unwrap_or_default(),
                max_degree,
            );
            let block =
                AttentionBlockConfig::new(irreps_in, self.irreps_hidden.clone(), num_invariants)
                    .with_irreps_edge(irreps_edge.clone())
                    .with_num_heads(self.num_heads)
                    .with_channels_div(self.channels_div)
                    .with_key_value(self.key_value)
                    .with_skip(self.skip)
                    .with_logit_scale(self.logit_scale)
                    .with_radial(self.radial.clone().with_sharing(sharing))
                    .with_path_normalization(self.path_normalization)
                    .try_init(device)
                    .map_err(told)?;
            blocks.push(block);
            norms.extend(self.norm_layer(device));
            if self.refinement == Refinement::EveryBlock {
                moves.push(self.move_layer(device).map_err(told)?);
            }
            irreps_in = self.irreps_hidden.clone();
        }
        let sharing = match self.sharing {
            SharingRule::Fixed(sharing) => sharing,
            SharingRule::Nvidia(level) => {
                let joined = irreps_in.concat(&irreps_edge).unwrap_or_default();
                level.sharing(&joined, &self.irreps_out, max_degree)
            }
        };
        let output = ConvolutionConfig::new(irreps_in, self.irreps_out.clone(), num_invariants)
            .with_irreps_edge(irreps_edge.clone())
            .with_radial(self.radial.clone().with_sharing(sharing))
            .with_path_normalization(self.path_normalization)
            .with_aggregation(self.output_aggregation)
            .with_self_interaction(self.output_self_interaction)
            .try_init(device)
            .map_err(|error| error.within(&format!("{LAYER}.output")))?;
        let l_max = blocks
            .iter()
            .flat_map(|block| [Some(&block.value), block.key.as_ref()])
            .flatten()
            .chain([&output])
            .map(|convolution| convolution.plan().l_filter_max())
            .max()
            .unwrap_or(0);
        Ok(SE3Transformer {
            blocks,
            norms,
            moves,
            output,
            radial_basis,
            irreps_in: self.irreps_in.clone(),
            irreps_edge: self.irreps_edge.clone(),
            num_edge_scalars: self.num_edge_scalars,
            relative_position: self.relative_position,
            harmonics: HarmonicsOptions {
                l_max,
                normalization: self.harmonics,
                envelope: self.envelope,
            },
        })
    }

    /// Builds the model.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> SE3Transformer {
        expect_built(self.try_init(device))
    }

    fn block_sharing(&self, irreps_in: &Irreps, max_degree: usize) -> RadialSharing {
        match self.sharing {
            SharingRule::Fixed(sharing) => sharing,
            SharingRule::Nvidia(level) => level.block_sharing(
                irreps_in,
                &self.irreps_hidden,
                self.channels_div,
                max_degree,
            ),
        }
    }

    /// The user's edge irreps, and the relative position if it joins them.
    fn all_edge_irreps(&self) -> Result<Irreps, BuildError> {
        match self.relative_position {
            RelativePosition::KernelOnly => Ok(self.irreps_edge.clone()),
            RelativePosition::Joined => {
                let vector = one_vector(self.group());
                self.irreps_edge
                    .concat(&vector)
                    .map_err(|_| BuildError::MixedGroups {
                        layer: "SE3Transformer".into(),
                        irreps_in: self.irreps_edge.clone(),
                        irreps_out: vector,
                    })
            }
        }
    }

    fn group(&self) -> Option<Group> {
        self.irreps_in
            .group()
            .or(self.irreps_hidden.group())
            .or(self.irreps_out.group())
    }

    fn norm_layer(&self, device: &Device) -> Option<NormNonlinearity> {
        let transform = match self.norm {
            BlockNorm::None => return None,
            BlockNorm::LayerNorm => NormTransform::LayerNorm,
            BlockNorm::Bias => NormTransform::Bias,
        };
        let config = NormNonlinearityConfig::new(self.irreps_hidden.clone())
            .with_transform(transform)
            .with_smallest_norm(self.smallest_norm);
        Some(config.init(device))
    }

    /// A small step at first, so that an untrained model leaves the points about where they are.
    fn move_layer(&self, device: &Device) -> Result<SteerableLinear, BuildError> {
        let vector = one_vector(self.group());
        let config = SteerableLinearConfig::new(self.irreps_hidden.clone(), vector);
        let mut layer = config.try_init(device)?;
        let [fan_in, _] = layer.weights[0].dims();
        let std = 0.01 / (fan_in as f64).sqrt();
        layer.weights[0] = Initializer::Normal { mean: 0.0, std }.init([fan_in, 1], device);
        Ok(layer)
    }
}

/// One polar vector: `1x1` or `1x1o`.
fn one_vector(group: Option<Group>) -> Irreps {
    let irrep = match group {
        Some(Group::O3) => Irrep::o3(1, Parity::Odd),
        _ => Irrep::so3(1),
    };
    Irreps::try_new(vec![MulIrrep { mul: 1, irrep }]).expect("one block has one group")
}

/// What the model gives.
#[derive(Clone, Debug)]
pub struct TransformerOutput {
    /// Node features of the output irreps.
    pub features: Features,
    /// Positions in angstrom, `[N, 3]`: those of the input unless the model refines them.
    pub positions: Tensor<2>,
}

/// Attention blocks with norm non-linearities between them, then a convolution to the output irreps.
///
/// Equivariant under rotations and translations (with O(3) irreps under inversion too), and under
/// permutations of the nodes. Gradients to the positions are exact: through harmonics, distances,
/// radial networks and attention.
///
/// # Source
/// SE(3)-Transformers (arXiv 2006.10503).
#[derive(Module, Debug)]
pub struct SE3Transformer {
    /// Attention blocks.
    pub blocks: Vec<AttentionBlock>,
    /// Norm non-linearities, one behind each block, or none.
    pub norms: Vec<NormNonlinearity>,
    /// Steps of the points, one behind each block, or none.
    pub moves: Vec<SteerableLinear>,
    /// Convolution to the output irreps.
    pub output: Convolution,
    #[module(skip)]
    radial_basis: RadialBasis,
    #[module(skip)]
    irreps_in: Irreps,
    #[module(skip)]
    irreps_edge: Irreps,
    num_edge_scalars: usize,
    #[module(skip)]
    relative_position: RelativePosition,
    #[module(skip)]
    harmonics: HarmonicsOptions,
}

impl SE3Transformer {
    /// Irreps of the input features.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Irreps of the output features.
    pub fn irreps_out(&self) -> &Irreps {
        self.output.irreps_out()
    }

    /// Applies the model.
    ///
    /// # Panics
    /// When features, edge scalars or edge features are not what the model was built for.
    #[track_caller]
    pub fn forward(&self, features: &Features, cloud: &Cloud) -> TransformerOutput {
        self.run(features, cloud, |_| ())
    }

    /// Applies the model and returns the features behind every stage: each block, each norm, the
    /// output convolution.
    #[track_caller]
    pub fn trace(&self, features: &Features, cloud: &Cloud) -> Vec<Features> {
        let mut stages = Vec::new();
        self.run(features, cloud, |stage| stages.push(stage.clone()));
        stages
    }

    #[track_caller]
    fn run(
        &self,
        features: &Features,
        cloud: &Cloud,
        mut observe: impl FnMut(&Features),
    ) -> TransformerOutput {
        expect_irreps("SE3Transformer", &self.irreps_in, features);
        cloud.expect_rows("SE3Transformer", features);
        let mut positions = cloud.positions.clone();
        let mut edges = self.edges(cloud, positions.clone());
        let mut features = features.clone();
        for (index, block) in self.blocks.iter().enumerate() {
            features = block.forward(&features, &edges);
            observe(&features);
            if let Some(norm) = self.norms.get(index) {
                features = norm.forward(&features);
                observe(&features);
            }
            if let Some(step) = self.moves.get(index) {
                positions = positions + step.forward(&features).into_packed();
                edges = self.edges(cloud, positions.clone());
            }
        }
        features = self.output.forward(&features, &edges);
        observe(&features);
        TransformerOutput {
            features,
            positions,
        }
    }

    fn edges(&self, cloud: &Cloud, positions: Tensor<2>) -> Edges {
        let mut edges = cloud.edges(
            "SE3Transformer",
            positions,
            self.num_edge_scalars,
            (&self.radial_basis, self.harmonics),
        );
        let own = match &cloud.edge_features {
            Some(own) => {
                expect_irreps("SE3Transformer (edge features)", &self.irreps_edge, own);
                Some(own.clone())
            }
            None => {
                assert!(
                    self.irreps_edge.is_empty(),
                    "SE3Transformer: built for edge features \"{}\", called without",
                    self.irreps_edge
                );
                None
            }
        };
        edges.features = match self.relative_position {
            RelativePosition::KernelOnly => own,
            RelativePosition::Joined => {
                let group = self.irreps_in.group().or(self.irreps_out().group());
                let vector = Features::new(one_vector(group), edges.geometry.rel_pos.clone());
                Some(match own {
                    Some(own) => own.join(vector),
                    None => vector,
                })
            }
        };
        edges
    }
}

//! The tensor field convolution, with full or channel-wise radial weights.

use std::sync::Arc;

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use steerable_harmonics::plan::{
    ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing, Weighting,
};
use steerable_irreps::Irreps;
use steerable_kernels::{
    ConvolutionInputs, MemoryBudget, MessageConvolution, MessageInputs, MessageParameters,
    MessagePlan, Reduction, convolve, gather_rows,
};
use steerable_radial::{Activation, RadialNetwork, RadialNetworkConfig, RadialNorm};

use crate::error::{BuildError, expect_built, same_group};
use crate::features::cat_columns;
use crate::linear::{SteerableLinear, SteerableLinearConfig, expect_irreps};
use crate::messages::Messages;
use crate::{Edges, Features};

/// What becomes of the messages.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// Summed over the incoming edges of each node.
    Sum,
    /// Averaged over the incoming edges; a node without any gets zero.
    Mean,
    /// Left on the edges.
    PerEdge,
}

/// How a node's own features enter.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum SelfInteraction {
    /// Not at all.
    None,
    /// Once per node, so that isolated nodes keep theirs.
    PerNode,
    /// Once for every incoming edge, as NVIDIA's code does: it grows with the in-degree, and isolated
    /// nodes lose it. For weights trained there.
    PerEdge,
}

/// The radial side of a convolution.
#[derive(Config, Debug)]
pub struct RadialOptions {
    /// Widths of the hidden layers.
    #[config(default = "vec![32, 32]")]
    pub hidden: Vec<usize>,
    /// Normalization of the hidden layers.
    #[config(default = "RadialNorm::LayerNorm")]
    pub norm: RadialNorm,
    /// Activation of the hidden layers.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Which pairs of irreps share one network.
    #[config(default = "RadialSharing::Shared")]
    pub sharing: RadialSharing,
    /// Whether the last layer has a bias.
    #[config(default = "LastLayerBias::With")]
    pub last_bias: LastLayerBias,
}

/// Whether the last radial layer adds a learned constant to each weight.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum LastLayerBias {
    /// `hidden W + b`.
    With,
    /// `hidden W`, as in NVIDIA's code.
    Without,
}

/// Configuration of a [`Convolution`].
#[derive(Config, Debug)]
pub struct ConvolutionConfig {
    /// Irreps of the node features.
    pub irreps_in: Irreps,
    /// Irreps of the output. With channel-wise weights: which irreps to keep; the output is then every
    /// path into one of them, see [`Convolution::irreps_out`].
    pub irreps_out: Irreps,
    /// Number of invariants of each edge that the radial networks read.
    pub num_invariants: usize,
    /// Irreps of the edge features that are joined to those of the source.
    #[config(default = "Irreps::default()")]
    pub irreps_edge: Irreps,
    /// Full or channel-wise.
    #[config(default = "Weighting::Full")]
    pub weighting: Weighting,
    /// Highest degree of the harmonics; all that the irreps couple to if absent (full weights) or the
    /// highest output degree (channel-wise).
    pub l_filter_max: Option<usize>,
    /// The radial networks.
    #[config(default = "RadialOptions::new()")]
    pub radial: RadialOptions,
    /// Scaling of the paths.
    #[config(default = "PathNormalization::FanIn")]
    pub path_normalization: PathNormalization,
    /// What becomes of the messages.
    #[config(default = "Aggregation::Sum")]
    pub aggregation: Aggregation,
    /// How a node's own features enter.
    #[config(default = "SelfInteraction::None")]
    pub self_interaction: SelfInteraction,
}

/// `out_i = sum over j of W(x_i - x_j) f_j`, with
/// `W(x) = sum over paths of R(|x|, edge scalars) Q Y(x / |x|)` and `R = hidden(|x|, ..) @ weight`.
///
/// The radial weights are formed tile by tile inside the kernel: nothing of size
/// edges x c_in x c_out x paths is stored, forward or backward.
///
/// # Source
/// Tensor field networks (arXiv 1802.08219, equation 3), SE(3)-Transformers (arXiv 2006.10503,
/// equation 8).
#[derive(Module, Debug)]
pub struct Convolution {
    /// All radial networks but their last layers, side by side.
    pub radial: RadialNetwork,
    /// The last radial layers, `[hidden, plan.num_weights()]`, plus one row if there is a bias.
    pub weight: Param<Tensor<2>>,
    /// Map of a node's own features.
    pub own: Option<SteerableLinear>,
    #[module(skip)]
    plan: Arc<ConvolutionPlan>,
    #[module(skip)]
    irreps_in: Irreps,
    #[module(skip)]
    irreps_edge: Irreps,
    #[module(skip)]
    aggregation: Aggregation,
    #[module(skip)]
    self_interaction: SelfInteraction,
}

impl ConvolutionConfig {
    /// The paths of the convolution.
    ///
    /// # Errors
    /// When groups differ, or no path leads to an output irrep.
    pub fn plan(&self) -> Result<ConvolutionPlan, BuildError> {
        const LAYER: &str = "Convolution";
        same_group(LAYER, &self.irreps_in, &self.irreps_edge)?;
        same_group(LAYER, &self.irreps_in, &self.irreps_out)?;
        same_group(LAYER, &self.irreps_edge, &self.irreps_out)?;
        let joined = self
            .irreps_in
            .concat(&self.irreps_edge)
            .expect("the groups are the same");
        let options = PlanOptions {
            l_filter_max: self.l_filter_max,
            normalization: self.path_normalization,
            sharing: self.radial.sharing,
        };
        let plan = match self.weighting {
            Weighting::Full => ConvolutionPlan::full(&joined, &self.irreps_out, options),
            Weighting::ChannelWise => {
                let l_max = self.l_filter_max.or(self.irreps_out.lmax()).unwrap_or(0);
                let keep = |irrep| self.irreps_out.mul_of(irrep) > 0;
                ConvolutionPlan::channel_wise(&joined, l_max, keep, options)
            }
        };
        let missing = match self.weighting {
            Weighting::Full => plan.unreachable_outputs().first().map(|block| block.irrep),
            Weighting::ChannelWise => self
                .irreps_out
                .iter()
                .find(|block| block.mul > 0 && plan.irreps_out().mul_of(block.irrep) == 0)
                .map(|block| block.irrep),
        };
        match missing {
            None => Ok(plan),
            Some(irrep) => Err(BuildError::Unreachable {
                layer: LAYER.into(),
                irrep,
                irreps_in: joined,
                irreps_out: self.irreps_out.clone(),
            }),
        }
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// When groups differ, no path leads to an output irrep, the radial network makes no sense, or the
    /// self-interaction cannot produce an output irrep it should.
    pub fn try_init(&self, device: &Device) -> Result<Convolution, BuildError> {
        const LAYER: &str = "Convolution";
        let plan = self.plan()?;
        let radial = RadialNetworkConfig::new(self.num_invariants)
            .with_networks(plan.num_radials().max(1))
            .with_hidden(self.radial.hidden.clone())
            .with_norm(self.radial.norm)
            .with_activation(self.radial.activation)
            .try_init(device)
            .map_err(|source| BuildError::Radial {
                layer: LAYER.into(),
                source,
            })?;
        let hidden = radial.d_output();
        // Uniform within 1 / sqrt(hidden), as torch and burn initialise linear layers.
        let bound = 1.0 / (hidden as f64).sqrt();
        let rows = match self.radial.last_bias {
            LastLayerBias::With => hidden + 1,
            LastLayerBias::Without => hidden,
        };
        let weight = Initializer::Uniform {
            min: -bound,
            max: bound,
        }
        .init([rows, plan.num_weights()], device);
        let own = match self.self_interaction {
            SelfInteraction::None => None,
            SelfInteraction::PerNode | SelfInteraction::PerEdge => {
                // Only what the node has can be mapped; other outputs come from messages alone.
                let reachable = plan
                    .irreps_out()
                    .filter(|irrep| self.irreps_in.mul_of(irrep) > 0);
                let config = SteerableLinearConfig::new(self.irreps_in.clone(), reachable);
                Some(
                    config
                        .try_init(device)
                        .map_err(|error| error.within(LAYER))?,
                )
            }
        };
        Ok(Convolution {
            radial,
            weight,
            own,
            plan: Arc::new(plan),
            irreps_in: self.irreps_in.clone(),
            irreps_edge: self.irreps_edge.clone(),
            aggregation: self.aggregation,
            self_interaction: self.self_interaction,
        })
    }

    /// Builds the layer.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> Convolution {
        expect_built(self.try_init(device))
    }
}

impl Convolution {
    /// Irreps of the node features.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Irreps of the output.
    pub fn irreps_out(&self) -> &Irreps {
        self.plan.irreps_out()
    }

    /// The paths.
    pub fn plan(&self) -> &ConvolutionPlan {
        &self.plan
    }

    /// Convolves: one output row per node, or per edge for [`Aggregation::PerEdge`].
    ///
    /// # Panics
    /// When features or edge features have other irreps than the layer, the harmonics do not reach the
    /// plan's highest degree, or the edges into one node do not fit the graph's memory budget.
    #[track_caller]
    pub fn forward(&self, features: &Features, edges: &Edges) -> Features {
        expect_irreps("Convolution", &self.irreps_in, features);
        let graph = &edges.graph;
        let mut out = match graph.budget() {
            MemoryBudget::Unlimited => self.at_once(features, edges),
            MemoryBudget::Bytes(_) => self.messages(features, edges).pass("Convolution"),
        };
        if self.aggregation == Aggregation::Mean {
            let degrees = graph.in_degrees(&features.device(), out.dtype(), 1);
            out = out / degrees;
        }
        self.add_own(out, features, edges)
    }

    /// The messages of all edges, with their hidden radial features stored.
    fn at_once(&self, features: &Features, edges: &Edges) -> Tensor<2> {
        let graph = &edges.graph;
        let rows = match self.aggregation {
            Aggregation::PerEdge => graph.each_edge(),
            Aggregation::Sum | Aggregation::Mean => graph.dst(),
        };
        let (features_read, src) = match self.edge_features(edges) {
            Some(own) => {
                let on_edges = gather_rows(features.packed(), graph.src());
                (cat_columns(vec![on_edges, own]), graph.each_edge())
            }
            None => (features.packed(), graph.src()),
        };
        let inputs = ConvolutionInputs {
            features: features_read,
            harmonics: edges.geometry.harmonics.clone(),
            hidden: self.radial.forward(edges.invariants.clone()),
            hidden_kind: self.radial.stack().hidden_kind(),
            weight: self.weight.val(),
        };
        convolve(inputs, src, rows, &self.plan)
    }

    /// The messages for going slab by slab.
    pub(crate) fn messages<'a>(&self, features: &Features, edges: &'a Edges) -> Messages<'a> {
        Messages {
            edges,
            inputs: MessageInputs {
                features: features.packed(),
                edge_features: self.edge_features(edges),
                harmonics: edges.geometry.harmonics.clone(),
                invariants: edges.invariants.clone(),
                value: self.parameters(),
                attention: None,
            },
            plan: MessagePlan {
                value: self.shape(),
                reduction: match self.aggregation {
                    Aggregation::PerEdge => Reduction::PerEdge,
                    Aggregation::Sum | Aggregation::Mean => Reduction::Sum,
                },
            },
        }
    }

    /// All parameters but those of a node's own features.
    pub(crate) fn parameters(&self) -> MessageParameters {
        let weight = self.weight.val();
        MessageParameters {
            hidden: self.radial.packed(&weight.device(), weight.dtype()),
            weight,
        }
    }

    /// What they are parameters of.
    pub(crate) fn shape(&self) -> MessageConvolution {
        MessageConvolution {
            hidden: self.radial.stack(),
            plan: self.plan.clone(),
        }
    }

    /// The edges' own features, `[E, ..]`, if the layer reads any.
    fn edge_features(&self, edges: &Edges) -> Option<Tensor<2>> {
        if self.irreps_edge.is_empty() {
            assert!(
                edges.features.is_none(),
                "Convolution: built without edge features, called with some"
            );
            return None;
        }
        let own = edges.features.as_ref().unwrap_or_else(|| {
            panic!(
                "Convolution: built for edge features \"{}\", called without",
                self.irreps_edge
            )
        });
        expect_irreps("Convolution (edge features)", &self.irreps_edge, own);
        Some(own.packed())
    }

    fn add_own(&self, out: Tensor<2>, features: &Features, edges: &Edges) -> Features {
        let irreps_out = self.irreps_out().clone();
        let Some(own) = &self.own else {
            return Features::new(irreps_out, out);
        };
        let mapped = own.forward(features).pad_to(&irreps_out).into_packed();
        let graph = &edges.graph;
        let out = match (self.self_interaction, self.aggregation) {
            (SelfInteraction::PerEdge, Aggregation::Sum) => {
                let degrees = graph.in_degrees(&features.device(), mapped.dtype(), 0);
                out + mapped * degrees
            }
            (_, Aggregation::PerEdge) => out + gather_rows(mapped, graph.dst()),
            _ => out + mapped,
        };
        Features::new(irreps_out, out)
    }
}

//! Equivariant attention: invariant weights, equivariant values.

use std::sync::Arc;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use steerable_harmonics::plan::PathNormalization;
use steerable_irreps::Irreps;
use steerable_kernels::{
    AttentionInputs, AttentionPlan, MemoryBudget, MessageAttention, Reduction, attend,
};

use crate::convolution::{Aggregation, Convolution, ConvolutionConfig, RadialOptions};
use crate::error::{BuildError, expect_built, same_group};
use crate::linear::{SteerableLinear, SteerableLinearConfig, expect_irreps};
use crate::{Edges, Features};

/// Where keys and values come from.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum KeyValue {
    /// One convolution gives both, and they share its radial networks (NVIDIA).
    Joint,
    /// A convolution for each (Fuchs).
    Separate,
}

/// How a block's input reaches its output.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Attention output and input side by side, then a linear map (both codes' default).
    Concatenate,
    /// Linear map of the attention output, plus the input, padded with zeros.
    Sum,
    /// Linear map of the attention output alone.
    None,
}

/// What the logits are divided by the square root of.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum LogitScale {
    /// The number of key features of all heads together (both codes).
    AllHeads,
    /// The number of key features of one head, as usual in transformers.
    PerHead,
}

/// Configuration of an [`AttentionBlock`].
#[derive(Config, Debug)]
pub struct AttentionBlockConfig {
    /// Irreps of the input.
    pub irreps_in: Irreps,
    /// Irreps of the output.
    pub irreps_out: Irreps,
    /// Number of invariants of each edge that the radial networks read.
    pub num_invariants: usize,
    /// Irreps of the edge features joined to keys and values.
    #[config(default = "Irreps::default()")]
    pub irreps_edge: Irreps,
    /// Number of heads; they share the channels.
    #[config(default = 1)]
    pub num_heads: usize,
    /// Values and keys have the output's channels divided by this.
    #[config(default = 2)]
    pub channels_div: usize,
    /// Where keys and values come from.
    #[config(default = "KeyValue::Joint")]
    pub key_value: KeyValue,
    /// How the input reaches the output.
    #[config(default = "Skip::Concatenate")]
    pub skip: Skip,
    /// Scaling of the logits.
    #[config(default = "LogitScale::AllHeads")]
    pub logit_scale: LogitScale,
    /// The radial networks.
    #[config(default = "RadialOptions::new()")]
    pub radial: RadialOptions,
    /// Scaling of the paths.
    #[config(default = "PathNormalization::FanIn")]
    pub path_normalization: PathNormalization,
}

/// One layer of the SE(3)-Transformer: attention over the incoming edges of each node, and a skip.
///
/// `q_i = L f_i`, `k_ij = W_k(x_i - x_j) f_j`, `v_ij = W_v(x_i - x_j) f_j`,
/// `z_i = sum over j of softmax_j(q_i . k_ij / scale) v_ij`. The product runs over all degrees and the
/// channels of a head, so the weights are invariant. A node without incoming edges has `z_i = 0`. With
/// an envelope e the weights are `e_j exp(..) / sum over j of e_j exp(..)`.
///
/// # Source
/// SE(3)-Transformers (arXiv 2006.10503, equations 10-13); NVIDIA's `AttentionBlockSE3`.
#[derive(Module, Debug)]
pub struct AttentionBlock {
    /// Gives values and keys (joint), or values.
    pub value: Convolution,
    /// Gives keys, when they are separate.
    pub key: Option<Convolution>,
    /// Queries.
    pub query: SteerableLinear,
    /// Map to the output.
    pub project: SteerableLinear,
    #[module(skip)]
    irreps_in: Irreps,
    #[module(skip)]
    irreps_value: Irreps,
    #[module(skip)]
    irreps_key: Irreps,
    #[module(skip)]
    skip: Skip,
    #[module(skip)]
    plan: Arc<AttentionPlan>,
}

impl AttentionBlockConfig {
    /// Builds the layer.
    ///
    /// # Errors
    /// When groups differ, an output irrep is unreachable, heads and divisor do not divide the
    /// multiplicities, or input and output share no irrep, so that there are no queries.
    pub fn try_init(&self, device: &Device) -> Result<AttentionBlock, BuildError> {
        const LAYER: &str = "AttentionBlock";
        self.expect_positive(LAYER)?;
        same_group(LAYER, &self.irreps_in, &self.irreps_out)?;
        let irreps_value = self.values(LAYER)?;
        let irreps_key = irreps_value.filter(|irrep| self.irreps_in.mul_of(irrep) > 0);
        if irreps_key.dim() == 0 {
            return Err(BuildError::Unsupported {
                layer: LAYER.into(),
                irreps: self.irreps_in.clone(),
                reason: "shares no irrep with the output, so there is nothing to attend with",
            });
        }
        let told = |error: BuildError| error.within(LAYER);
        let convolution = |irreps_out: Irreps| {
            ConvolutionConfig::new(self.irreps_in.clone(), irreps_out, self.num_invariants)
                .with_irreps_edge(self.irreps_edge.clone())
                .with_radial(self.radial.clone())
                .with_path_normalization(self.path_normalization)
                .with_aggregation(Aggregation::PerEdge)
                .try_init(device)
                .map_err(told)
        };
        let (value, key) = match self.key_value {
            KeyValue::Joint => {
                let both = irreps_value.concat(&irreps_key).expect("one group");
                (convolution(both)?, None)
            }
            KeyValue::Separate => (
                convolution(irreps_value.clone())?,
                Some(convolution(irreps_key.clone())?),
            ),
        };
        let linear = |from: &Irreps, to: &Irreps| {
            SteerableLinearConfig::new(from.clone(), to.clone())
                .try_init(device)
                .map_err(told)
        };
        let project = match self.skip {
            Skip::Concatenate => {
                let both = irreps_value.concat(&self.irreps_in).expect("one group");
                linear(&both, &self.irreps_out)?
            }
            Skip::Sum => {
                self.expect_room_for_sum(LAYER)?;
                linear(&irreps_value, &self.irreps_out)?
            }
            Skip::None => linear(&irreps_value, &self.irreps_out)?,
        };
        let key_features = match self.logit_scale {
            LogitScale::AllHeads => irreps_key.dim(),
            LogitScale::PerHead => irreps_key.dim() / self.num_heads,
        };
        let plan = AttentionPlan::new(
            &irreps_value,
            &irreps_key,
            self.num_heads,
            1.0 / (key_features.max(1) as f64).sqrt(),
        );
        Ok(AttentionBlock {
            value,
            key,
            query: linear(&self.irreps_in, &irreps_key)?,
            project,
            irreps_in: self.irreps_in.clone(),
            irreps_value,
            irreps_key,
            skip: self.skip,
            plan: Arc::new(plan),
        })
    }

    /// Builds the layer.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> AttentionBlock {
        expect_built(self.try_init(device))
    }

    fn expect_positive(&self, layer: &str) -> Result<(), BuildError> {
        for (name, value) in [
            ("num_heads", self.num_heads),
            ("channels_div", self.channels_div),
        ] {
            if value == 0 {
                let (layer, expected) = (layer.into(), "must be at least 1");
                return Err(BuildError::BadValue {
                    layer,
                    name,
                    value,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Irreps of the values: the output's, with fewer channels.
    fn values(&self, layer: &str) -> Result<Irreps, BuildError> {
        let parts = [
            (self.channels_div, "channels_div"),
            (
                self.channels_div * self.num_heads,
                "channels_div x num_heads",
            ),
        ];
        for (block, (divisor, what)) in self
            .irreps_out
            .iter()
            .flat_map(|block| parts.map(|part| (block, part)))
        {
            if block.mul % divisor != 0 {
                return Err(BuildError::NotDivisible {
                    layer: layer.into(),
                    mul: block.mul,
                    irrep: block.irrep,
                    irreps: self.irreps_out.clone(),
                    divisor,
                    what,
                });
            }
        }
        Ok(self
            .irreps_out
            .map_mul(|block| block.mul / self.channels_div)
            .expect("smaller multiplicities stay in range"))
    }

    fn expect_room_for_sum(&self, layer: &str) -> Result<(), BuildError> {
        let mut targets = self.irreps_out.iter();
        for own in self.irreps_in.iter() {
            if !targets.any(|target| target.irrep == own.irrep && target.mul >= own.mul) {
                return Err(BuildError::Unsupported {
                    layer: layer.into(),
                    irreps: self.irreps_in.clone(),
                    reason: "does not fit into the output irreps, which Skip::Sum needs",
                });
            }
        }
        Ok(())
    }
}

impl AttentionBlock {
    /// Irreps of the input.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Irreps of the output.
    pub fn irreps_out(&self) -> &Irreps {
        self.project.irreps_out()
    }

    /// Irreps of the values.
    pub fn irreps_value(&self) -> &Irreps {
        &self.irreps_value
    }

    /// Irreps of keys and queries.
    pub fn irreps_key(&self) -> &Irreps {
        &self.irreps_key
    }

    /// Applies the layer.
    ///
    /// # Panics
    /// When the features have other irreps than the layer, or the edges into one node do not fit the
    /// graph's memory budget.
    #[track_caller]
    pub fn forward(&self, features: &Features, edges: &Edges) -> Features {
        expect_irreps("AttentionBlock", &self.irreps_in, features);
        let attended = match edges.graph.budget() {
            MemoryBudget::Unlimited => self.at_once(features, edges),
            MemoryBudget::Bytes(_) => self.by_slabs(features, edges),
        };
        let attended = Features::new(self.irreps_value.clone(), attended);
        match self.skip {
            Skip::Concatenate => self.project.forward_joined(&attended, features),
            Skip::Sum => self.project.forward(&attended) + features.pad_to(self.irreps_out()),
            Skip::None => self.project.forward(&attended),
        }
    }

    /// With values and keys of all edges stored.
    fn at_once(&self, features: &Features, edges: &Edges) -> Tensor<2> {
        let convolved = |by: &Convolution| by.forward(features, edges).into_packed();
        let inputs = AttentionInputs {
            query: self.query.forward(features).into_packed(),
            value: convolved(&self.value),
            key: self.key.as_ref().map(convolved),
            envelope: edges.geometry.envelope.clone(),
        };
        attend(inputs, edges.graph.dst(), &self.plan)
    }

    /// With those of one slab at a time.
    #[track_caller]
    fn by_slabs(&self, features: &Features, edges: &Edges) -> Tensor<2> {
        let mut messages = self.value.messages(features, edges);
        messages.inputs.attention = Some(MessageAttention {
            query: self.query.forward(features).into_packed(),
            envelope: edges.geometry.envelope.clone(),
            key: self.key.as_ref().map(Convolution::parameters),
        });
        messages.plan.reduction = Reduction::Attend {
            key: self.key.as_ref().map(Convolution::shape),
            plan: self.plan.clone(),
        };
        messages.pass("AttentionBlock")
    }
}

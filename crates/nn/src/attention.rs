//! Equivariant attention: invariant weights, equivariant values.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use steerable_harmonics::plan::{PathNormalization, blocks};
use steerable_irreps::Irreps;
use steerable_kernels::{RowGroups, gather_rows, segment_softmax, sum_rows};

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
    num_heads: usize,
    logit_scale: f64,
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
        Ok(AttentionBlock {
            value,
            key,
            query: linear(&self.irreps_in, &irreps_key)?,
            project,
            irreps_in: self.irreps_in.clone(),
            irreps_value,
            irreps_key,
            skip: self.skip,
            num_heads: self.num_heads,
            logit_scale: 1.0 / (key_features.max(1) as f64).sqrt(),
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

/// `e exp(logit) / sum over the edges of a node of e exp(logit)`: an edge at the cutoff weighs nothing, so
/// that it comes and goes without a jump. Envelopes below 1e-20 count as zero; a node whose edges all do
/// has zero weights.
fn faded_softmax(logits: Tensor<2>, envelope: Tensor<2>, dst: &RowGroups) -> Tensor<2> {
    let dead = envelope.clone().lower_elem(1e-20);
    let logarithm = envelope
        .mask_fill(dead.clone(), 1.0)
        .log()
        .mask_fill(dead.clone(), -1e30);
    let heads = logits.dims()[1];
    let attention = segment_softmax(logits + logarithm, dst);
    attention.mask_fill(dead.repeat_dim(1, heads), 0.0)
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
    /// When the features have other irreps than the layer.
    #[track_caller]
    pub fn forward(&self, features: &Features, edges: &Edges) -> Features {
        expect_irreps("AttentionBlock", &self.irreps_in, features);
        let dst = edges.graph.dst();
        let (value, key) = self.values_and_keys(features, edges);
        let (device, dtype) = (value.device(), value.dtype());
        let query = gather_rows(self.query.forward(features).into_packed(), dst);
        let heads_of_keys = self.heads_of_channels(&self.irreps_key, &device, dtype);
        let logits = (query * key).matmul(heads_of_keys) * self.logit_scale;
        let attention = match &edges.geometry.envelope {
            None => segment_softmax(logits, dst),
            Some(envelope) => faded_softmax(logits, envelope.clone(), dst),
        };
        let heads_of_values = self.heads_of_channels(&self.irreps_value, &device, dtype);
        let weighted = value * attention.matmul(heads_of_values.transpose());
        let attended = Features::new(self.irreps_value.clone(), sum_rows(weighted, dst));
        match self.skip {
            Skip::Concatenate => self.project.forward(&attended.join(features.clone())),
            Skip::Sum => self.project.forward(&attended) + features.pad_to(self.irreps_out()),
            Skip::None => self.project.forward(&attended),
        }
    }

    fn values_and_keys(&self, features: &Features, edges: &Edges) -> (Tensor<2>, Tensor<2>) {
        let values = self.value.forward(features, edges);
        match &self.key {
            Some(key) => (
                values.into_packed(),
                key.forward(features, edges).into_packed(),
            ),
            None => {
                let keys = values.take(self.irreps_value.dim(), &self.irreps_key);
                (
                    values.take(0, &self.irreps_value).into_packed(),
                    keys.into_packed(),
                )
            }
        }
    }

    /// `[dim, heads]`: 1 where a column of packed features belongs to a head. The channels of each
    /// block are dealt to the heads in consecutive runs.
    fn heads_of_channels(&self, irreps: &Irreps, device: &Device, dtype: DType) -> Tensor<2> {
        let mut data = vec![0.0; irreps.dim() * self.num_heads];
        for (block, _) in blocks(irreps) {
            for column in block.columns() {
                let channel = (column - block.offset) % block.mul;
                let head = channel * self.num_heads / block.mul;
                data[column * self.num_heads + head] = 1.0;
            }
        }
        let data = TensorData::new(data, [irreps.dim(), self.num_heads]);
        Tensor::from_data(data, (device, dtype))
    }
}

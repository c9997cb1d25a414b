//! The structure layer of AlphaFold 2: invariant point attention.

use std::sync::Arc;

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softplus;
use burn::tensor::{Device, Tensor};
use steerable_irreps::{Irrep, Irreps, MulIrrep};
use steerable_kernels::{AttentionInputs, AttentionPlan, RowGroups, attend, gather_rows};

use super::frames::{FrameTensors, FrameUpdate};
use super::layer::{ResidueUpdate, Residues, StructureLayer, Surroundings};

/// Positions are told to the network in units of this many angstrom.
const LENGTH: f64 = 10.0;

/// Configuration of a [`PointAttentionLayer`].
#[derive(Config, Debug)]
pub struct PointAttentionConfig {
    /// Number of attention heads.
    #[config(default = 4)]
    pub num_heads: usize,
    /// Scalars of queries, keys and values of a head.
    #[config(default = 16)]
    pub num_channels: usize,
    /// Points of queries and keys of a head.
    #[config(default = 4)]
    pub num_query_points: usize,
    /// Points of the values of a head.
    #[config(default = 8)]
    pub num_value_points: usize,
}

impl PointAttentionConfig {
    /// Makes the layer for `num_scalars` features of the residues and `num_edge_scalars` of the edges.
    pub fn init(
        &self,
        num_scalars: usize,
        num_edge_scalars: usize,
        device: &Device,
    ) -> PointAttentionLayer {
        let Self {
            num_heads,
            num_channels,
            num_query_points,
            num_value_points,
        } = *self;
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let free = |inputs, outputs| {
            LinearConfig::new(inputs, outputs)
                .with_bias(false)
                .init(device)
        };
        let scalars = num_heads * num_channels;
        let [query_points, value_points] =
            [num_query_points, num_value_points].map(|points| 3 * num_heads * points);
        let key_width = num_channels + 3 * num_query_points + 1;
        let value_width = num_channels + 3 * num_value_points + num_edge_scalars;
        let gathered = num_heads * (value_width + num_value_points);
        let [irreps_key, irreps_value] =
            [key_width, value_width].map(|width| scalars_only(num_heads * width));
        let small = Initializer::Normal {
            mean: 0.0,
            std: 1e-2,
        };
        PointAttentionLayer {
            query: free(num_scalars, scalars),
            key: free(num_scalars, scalars),
            value: free(num_scalars, scalars),
            query_points: linear(num_scalars, query_points),
            key_points: linear(num_scalars, query_points),
            value_points: linear(num_scalars, value_points),
            edge_bias: free(num_edge_scalars, num_heads),
            // softplus of this is one.
            point_weight: Initializer::Constant { value: 0.541_324_8 }.init([num_heads], device),
            output: linear(gathered, num_scalars),
            update: LinearConfig::new(num_scalars, 6)
                .with_initializer(small)
                .init(device),
            num_heads,
            plan: Arc::new(AttentionPlan::new(
                &irreps_value,
                &irreps_key,
                num_heads,
                1.0,
            )),
        }
    }
}

fn scalars_only(mul: usize) -> Irreps {
    let irrep = Irrep::so3(0);
    Irreps::try_new(vec![MulIrrep { mul, irrep }]).expect("one block has one group")
}

/// Invariant point attention over the edges of the graph, and the backbone update.
///
/// With the complete graph this is AlphaFold 2's; over neighbours its cost is linear in edges. The
/// logit of an edge j -> i is, head by head,
/// `sqrt(1/3) (q_i . k_j / sqrt(c) + b_ij - g w_C / 2 sum over points |q_p - T_i^-1 T_j k_p|^2)`, with
/// `w_C = sqrt(2 / (9 P))`. The square is multiplied out, so that the attention operation of the
/// kernels can form it as one product; points are told in the frame of the destination in units of
/// 10 angstrom, so nothing cancels that is larger than the neighbourhood.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithms 22 and 23.
#[derive(Module, Debug)]
pub struct PointAttentionLayer {
    /// Scalar queries.
    pub query: Linear,
    /// Scalar keys.
    pub key: Linear,
    /// Scalar values.
    pub value: Linear,
    /// Query points, in the residue's own frame.
    pub query_points: Linear,
    /// Key points, in the residue's own frame.
    pub key_points: Linear,
    /// Value points, in the residue's own frame.
    pub value_points: Linear,
    /// Bias of the logits from the edge features.
    pub edge_bias: Linear,
    /// Weight of the points in the logits before softplus, `[heads]`.
    pub point_weight: Param<Tensor<1>>,
    /// From all that is gathered to the scalars.
    pub output: Linear,
    /// From the scalars to turn and shift.
    pub update: Linear,
    num_heads: usize,
    #[module(skip)]
    plan: Arc<AttentionPlan>,
}

impl StructureLayer for PointAttentionLayer {
    fn forward(&self, residues: &Residues, surroundings: &Surroundings) -> ResidueUpdate {
        let scalars = &residues.scalars;
        let heads = self.num_heads;
        let src = surroundings.graph.src();
        let relative = &surroundings.relative;
        let inputs = AttentionInputs {
            query: self.queries(scalars),
            value: {
                let value = gather_rows(self.value.forward(scalars.clone()), src);
                let value = split(value, heads);
                let points = from_source(&self.value_points, scalars, src, relative);
                let points = split(points, heads);
                let edge = surroundings.scalars.clone().unsqueeze_dim::<3>(1);
                let edge = edge.repeat_dim(1, heads);
                join(Tensor::cat(vec![value, points, edge], 2))
            },
            key: Some(self.keys(scalars, surroundings)),
            envelope: None,
        };
        let gathered = attend(inputs, surroundings.graph.dst(), &self.plan);
        let gathered = self.with_point_norms(split(gathered, heads));
        let update = self.output.forward(join(gathered));
        let moved = self.update.forward(scalars.clone() + update.clone());
        ResidueUpdate {
            scalars: update,
            frame: FrameUpdate {
                turn: moved.clone().slice_dim(1, 0..3),
                shift: moved.slice_dim(1, 3..6) * LENGTH,
            },
        }
    }
}

impl PointAttentionLayer {
    fn num_channels(&self) -> usize {
        self.query.weight.dims()[1] / self.num_heads
    }

    fn num_query_points(&self) -> usize {
        self.query_points.weight.dims()[1] / (3 * self.num_heads)
    }

    fn num_value_points(&self) -> usize {
        self.value_points.weight.dims()[1] / (3 * self.num_heads)
    }

    /// `g w_C` of each head, `[1, heads, 1]`.
    fn weight_of_points(&self) -> Tensor<3> {
        let spread = (2.0 / (9.0 * self.num_query_points() as f64)).sqrt();
        let weight = softplus(self.point_weight.val(), 1.0) * spread;
        weight.reshape([1, self.num_heads, 1])
    }

    /// `[q / sqrt(c), g w_C q_p, 1] / sqrt(3)` of each head: what the keys are multiplied by.
    fn queries(&self, scalars: &Tensor<2>) -> Tensor<2> {
        let query = split(self.query.forward(scalars.clone()), self.num_heads);
        let query = query * (self.num_channels() as f64).sqrt().recip();
        let points = split(self.query_points.forward(scalars.clone()), self.num_heads);
        let ones = query.clone().slice_dim(2, 0..1).ones_like();
        let query = Tensor::cat(vec![query, points * self.weight_of_points(), ones], 2);
        join(query * (1.0_f64 / 3.0).sqrt())
    }

    /// `[k, k_p, b - g w_C / 2 |k_p|^2]` of each head, with the points in the destination's frame.
    /// `|q_p|^2` is the same for all edges into a residue and falls out of the softmax.
    fn keys(&self, scalars: &Tensor<2>, surroundings: &Surroundings) -> Tensor<2> {
        let src = surroundings.graph.src();
        let key = gather_rows(self.key.forward(scalars.clone()), src);
        let key = split(key, self.num_heads);
        let points = from_source(&self.key_points, scalars, src, &surroundings.relative);
        let points = split(points, self.num_heads);
        let square = (points.clone() * points.clone()).sum_dim(2);
        let bias = self.edge_bias.forward(surroundings.scalars.clone());
        let bias = split(bias, self.num_heads) - square * self.weight_of_points() * 0.5;
        join(Tensor::cat(vec![key, points, bias], 2))
    }

    /// The gathered values `[N, heads, c + 3 P + e]` with the lengths of the points behind them.
    fn with_point_norms(&self, gathered: Tensor<3>) -> Tensor<3> {
        let [rows, heads, _] = gathered.dims();
        let (first, count) = (self.num_channels(), self.num_value_points());
        let points = gathered.clone().slice_dim(2, first..first + 3 * count);
        let points = points.reshape([rows, heads, count, 3]);
        let square = (points.clone() * points).sum_dim(3).squeeze_dim::<3>(3);
        Tensor::cat(vec![gathered, (square + 1e-8).sqrt()], 2)
    }
}

/// Columns head by head: `[R, heads w]` to `[R, heads, w]`.
fn split(columns: Tensor<2>, heads: usize) -> Tensor<3> {
    let [rows, width] = columns.dims();
    columns.reshape([rows, heads, width / heads])
}

/// Heads side by side: `[R, heads, w]` to `[R, heads w]`.
fn join(heads: Tensor<3>) -> Tensor<2> {
    let [rows, count, width] = heads.dims();
    heads.reshape([rows, count * width])
}

/// The source's points in the frame of the destination, `[E, 3 points]`, in units of 10 angstrom.
fn from_source(
    layer: &Linear,
    scalars: &Tensor<2>,
    src: &RowGroups,
    relative: &FrameTensors,
) -> Tensor<2> {
    let points = gather_rows(layer.forward(scalars.clone()), src);
    let [edges, width] = points.dims();
    let frames = FrameTensors::new(relative.rotation(), relative.translation() * LENGTH.recip());
    frames
        .apply(points.reshape([edges, width / 3, 3]))
        .reshape([edges, width])
}

//! Weights of e3nn.

use std::error::Error;

use burn::tensor::TensorData;
use clap::{Args, ValueEnum};
use serde_json::json;
use steerable::harmonics::plan::{
    ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing, Weighting, blocks,
};
use steerable::irreps::Irreps;
use steerable_train::checkpoint::{Checkpoint, Group, ModelDescription};

use super::{Files, Source, imported};

/// Weights of e3nn that do not fit the irreps.
#[derive(Debug, thiserror::Error)]
pub enum E3nnError {
    /// Their number is another.
    #[error("{found} weights where {irreps_in} -> {irreps_out} has {expected}")]
    Count {
        /// Irreps of the input.
        irreps_in: Irreps,
        /// Irreps of the output.
        irreps_out: Irreps,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
}

/// Arguments of `steerable import e3nn-linear`.
#[derive(Debug, Args)]
pub struct LinearArgs {
    /// Files.
    #[command(flatten)]
    pub files: Files,
    /// The layer's name in the state dict: `NAME.weight` and, if it is there, `NAME.bias` are read.
    #[arg(long)]
    pub layer: String,
    /// Irreps of the input.
    #[arg(long)]
    pub irreps_in: Irreps,
    /// Irreps of the output.
    #[arg(long)]
    pub irreps_out: Irreps,
}

/// Which of e3nn's tensor products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Product {
    /// Every path mixes channels: `o3.FullyConnectedTensorProduct(in, harmonics, out)`.
    Full,
    /// Every path keeps channels: `uvu` instructions, each path into a block of its own.
    ChannelWise,
}

/// The last layer of a radial network, and how it multiplies its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Radial {
    /// e3nn's `nn.FullyConnectedNet`, weight `[hidden, weights]`: `x W / sqrt(hidden)`.
    FullyConnectedNet,
    /// PyTorch's `Linear` without bias, weight `[weights, hidden]`: `x W^T`.
    Linear,
}

/// Arguments of `steerable import e3nn-tensor-product`.
#[derive(Debug, Args)]
pub struct TensorProductArgs {
    /// Files.
    #[command(flatten)]
    pub files: Files,
    /// The radial network's last weight in the state dict: "fc.layer2.weight".
    #[arg(long)]
    pub weight: String,
    /// What layer it is of.
    #[arg(long, value_enum, default_value_t = Radial::FullyConnectedNet)]
    pub radial: Radial,
    /// Which product.
    #[arg(long, value_enum)]
    pub product: Product,
    /// Irreps of the node features.
    #[arg(long)]
    pub irreps_in: Irreps,
    /// Irreps of the output; of a channel-wise product those that paths may lead to.
    #[arg(long)]
    pub irreps_out: Irreps,
    /// Highest degree of the harmonics.
    #[arg(long)]
    pub l_max: usize,
}

impl Radial {
    /// What the layer multiplies its input by, `[hidden, weights]` row-major, and the number of hidden features.
    fn matrix(self, shape: [usize; 2], weight: &[f64]) -> (usize, Vec<f64>) {
        match self {
            Self::FullyConnectedNet => {
                let [hidden, _] = shape;
                let factor = 1.0 / (hidden.max(1) as f64).sqrt();
                (hidden, weight.iter().map(|w| factor * w).collect())
            }
            Self::Linear => {
                let [weights, hidden] = shape;
                let rows = 0..hidden;
                let matrix = rows.flat_map(|h| (0..weights).map(move |w| weight[w * hidden + h]));
                (hidden, matrix.collect())
            }
        }
    }
}

impl Product {
    /// Our plan of the product, with e3nn's default normalization.
    pub fn plan(self, irreps_in: &Irreps, irreps_out: &Irreps, l_max: usize) -> ConvolutionPlan {
        let options = PlanOptions {
            l_filter_max: Some(l_max),
            normalization: PathNormalization::FanIn,
            sharing: RadialSharing::Shared,
        };
        match self {
            Self::Full => ConvolutionPlan::full(irreps_in, irreps_out, options),
            Self::ChannelWise => {
                let keep = |irrep| irreps_out.mul_of(irrep) > 0;
                ConvolutionPlan::channel_wise(irreps_in, l_max, keep, options)
            }
        }
    }
}

/// The matrices of our linear layer, `[fan_in, mul]` row-major, one for each output block, from the flat
/// weights of e3nn's `o3.Linear` with its default instructions and normalization.
///
/// e3nn has a matrix for each pair of blocks of one irrep, by input, then output, and divides by
/// `sqrt(fan_in)` when it is applied; ours stacks the inputs of an output, and nothing is left to divide.
///
/// # Errors
/// When there are more or fewer weights.
pub fn linear_matrices(
    irreps_in: &Irreps,
    irreps_out: &Irreps,
    weights: &[f64],
) -> Result<Vec<Vec<f64>>, E3nnError> {
    let mut matrices = vec![Vec::new(); irreps_out.len()];
    let mut rest = weights;
    let expected: usize = irreps_in
        .iter()
        .flat_map(|a| irreps_out.iter().map(move |b| (a, b)))
        .filter(|(a, b)| a.irrep == b.irrep)
        .map(|(a, b)| a.mul * b.mul)
        .sum();
    if expected != weights.len() {
        return Err(E3nnError::Count {
            irreps_in: irreps_in.clone(),
            irreps_out: irreps_out.clone(),
            found: weights.len(),
            expected,
        });
    }
    for input in irreps_in {
        for (output, matrix) in irreps_out.iter().zip(&mut matrices) {
            if input.irrep != output.irrep {
                continue;
            }
            let fan_in = irreps_in.mul_of(output.irrep) as f64;
            let (own, others) = rest.split_at(input.mul * output.mul);
            matrix.extend(own.iter().map(|weight| weight / fan_in.sqrt()));
            rest = others;
        }
    }
    Ok(matrices)
}

/// For each column of our last radial layer the column of e3nn's and the factor.
///
/// e3nn orders instructions by input block, degree of the harmonics and output, and their weights
/// `[c_in, c_out]` or `[c]`; ours go by pair of blocks and path. Ours couples `3j(l_filter, l_in, l_out)`, e3nn
/// `3j(l_in, l_filter, l_out)`: exchanging two degrees changes the sign where the sum of all three is odd.
/// The scale is the same: `sqrt((2 l_out + 1) / fan_in)`.
///
/// # Errors
/// When there are more or fewer weights than `weight_numel`.
pub fn tensor_product_columns(
    plan: &ConvolutionPlan,
    weight_numel: usize,
) -> Result<Vec<(usize, f64)>, E3nnError> {
    let expected = plan.num_weights();
    if expected != weight_numel {
        return Err(E3nnError::Count {
            irreps_in: plan.irreps_in().clone(),
            irreps_out: plan.irreps_out().clone(),
            found: weight_numel,
            expected,
        });
    }
    let place = |irreps: &Irreps, sought| {
        blocks(irreps)
            .position(|(block, _)| block == sought)
            .expect("a block of the plan")
    };
    let mut paths = Vec::new();
    for pair in plan.pairs() {
        let input = place(plan.irreps_in(), pair.input);
        let output = match plan.weighting() {
            Weighting::Full => place(plan.irreps_out(), pair.output),
            // Each path's own block: e3nn goes through the irreps of the product.
            Weighting::ChannelWise => pair.output.l,
        };
        let count = pair.weights.len() / pair.paths.len().max(1);
        for (index, path) in pair.paths.iter().enumerate() {
            let odd = (pair.input.l + path.l_filter + pair.output.l) % 2 == 1;
            let first = pair.weights.start + index * count;
            paths.push(((input, path.l_filter, output), first..first + count, odd));
        }
    }
    paths.sort_by_key(|(key, ..)| *key);
    let mut columns = vec![(0, 0.0); expected];
    let mut next = 0;
    for (_, ours, odd) in paths {
        for column in &mut columns[ours] {
            *column = (next, if odd { -1.0 } else { 1.0 });
            next += 1;
        }
    }
    Ok(columns)
}

pub(super) fn import_linear(args: &LinearArgs) -> Result<Checkpoint, Box<dyn Error>> {
    let mut source = Source::open(&args.files);
    let (_, weights) = source.tensor(&format!("{}.weight", args.layer))?;
    let matrices = linear_matrices(&args.irreps_in, &args.irreps_out, &weights)?;
    let description = ModelDescription::of_kind("steerable-linear")
        .with_config(json!({ "irreps_in": args.irreps_in, "irreps_out": args.irreps_out }))
        .with_irreps("in", &args.irreps_in)
        .with_irreps("out", &args.irreps_out);
    let mut checkpoint = imported(description);
    for (index, (block, values)) in args.irreps_out.iter().zip(matrices).enumerate() {
        let shape = [values.len().checked_div(block.mul).unwrap_or(0), block.mul];
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        let data = TensorData::new(values, shape);
        checkpoint.insert(Group::Model, &format!("weights.{index}"), data);
    }
    let bias = format!("{}.bias", args.layer);
    if source.names()?.contains(&bias) {
        let (_, values) = source.tensor(&bias)?;
        if !values.is_empty() {
            let shape = [values.len()];
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            checkpoint.insert(Group::Model, "bias", TensorData::new(values, shape));
        }
    }
    Ok(checkpoint)
}

pub(super) fn import_tensor_product(
    args: &TensorProductArgs,
) -> Result<Checkpoint, Box<dyn Error>> {
    let mut source = Source::open(&args.files);
    let (shape, values) = source.tensor(&args.weight)?;
    let shape: [usize; 2] = shape.try_into().map_err(|shape| {
        format!(
            "\"{}\" has shape {shape:?}, not that of a matrix",
            args.weight
        )
    })?;
    if let (Radial::Linear, Some(layer)) = (args.radial, args.weight.strip_suffix(".weight")) {
        let bias = format!("{layer}.bias");
        if source.names()?.contains(&bias) {
            return Err(format!(
                "\"{bias}\" is beside \"{}\": the last radial layer has no bias here",
                args.weight
            )
            .into());
        }
    }
    let (hidden, values) = args.radial.matrix(shape, &values);
    let numel = values.len().checked_div(hidden).unwrap_or(0);
    let plan = args
        .product
        .plan(&args.irreps_in, &args.irreps_out, args.l_max);
    let columns = tensor_product_columns(&plan, numel).map_err(|error| {
        let radial = args.radial.to_possible_value().expect("none is skipped");
        format!(
            "\"{}\" of shape {shape:?} as --radial {}: {error}",
            args.weight,
            radial.get_name()
        )
    })?;
    let weight: Vec<f32> = (0..hidden)
        .flat_map(|h| {
            let values = &values;
            columns
                .iter()
                .map(move |&(column, factor)| (factor * values[h * numel + column]) as f32)
        })
        .collect();
    let kind = match args.product {
        Product::Full => "convolution",
        Product::ChannelWise => "channel-wise-convolution",
    };
    let description = ModelDescription::of_kind(kind)
        .with_config(json!({ "irreps_in": args.irreps_in, "l_filter_max": args.l_max }))
        .with_irreps("in", plan.irreps_in())
        .with_irreps("out", plan.irreps_out());
    let mut checkpoint = imported(description);
    checkpoint.insert(
        Group::Model,
        "weight",
        TensorData::new(weight, [hidden, columns.len()]),
    );
    Ok(checkpoint)
}

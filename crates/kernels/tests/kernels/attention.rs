//! Attention over the incoming edges of each node.

use std::sync::Arc;

use burn::tensor::{Device, IndexingUpdateOp, Tensor, TensorData};
use steerable_harmonics::plan::blocks;
use steerable_irreps::Irreps;
use steerable_kernels::{AttentionInputs, AttentionPlan, RowGroups, attend};

use crate::operation::{Case, Cases, Draw, Function, Rounding};
use crate::rows::indices;

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Joint,
    Separate,
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    edges: usize,
    nodes: usize,
    values: &'static str,
    keys: &'static str,
    heads: usize,
    fades: bool,
}

/// Values and keys of unequal and of equal multiplicities, absent ones, nodes without edges, no edges,
/// no nodes; channels that fill a run of lanes, and that do not.
const SMALL: [Sizes; 6] = [
    Sizes::new([9, 5], "2x0 + 4x1", "4x0 + 2x1", 2, true),
    Sizes::new([7, 9], "3x0 + 1x1", "1x1", 1, false),
    Sizes::new([6, 2], "6x1", "3x0 + 3x2", 3, true),
    Sizes::new([0, 3], "2x0", "1x0", 1, true),
    Sizes::new([0, 0], "2x0", "1x0", 1, false),
    Sizes::new([4, 3], "2x0 + 0x1", "", 2, true),
];
const LARGE: [Sizes; 3] = [
    Sizes::new([3000, 400], "16x0 + 16x1 + 16x2", "16x0 + 16x1", 8, false),
    Sizes::new([2000, 90], "24x0 + 6x1 + 12x2", "24x0 + 12x2", 6, true),
    Sizes::new([1500, 2], "32x0 + 48x1", "5x0 + 20x1", 1, false),
];

impl Sizes {
    const fn new(
        [edges, nodes]: [usize; 2],
        values: &'static str,
        keys: &'static str,
        heads: usize,
        fades: bool,
    ) -> Self {
        Self {
            edges,
            nodes,
            values,
            keys,
            heads,
            fades,
        }
    }
}

/// `[dim, heads]`: 1 where a column belongs to a head.
fn heads_of_columns(irreps: &Irreps, heads: usize, device: &Device) -> Tensor<2> {
    let mut data = vec![0.0; irreps.dim() * heads];
    for (block, _) in blocks(irreps) {
        for column in block.columns() {
            let channel = (column - block.offset) % block.mul;
            data[column * heads + channel * heads / block.mul] = 1.0;
        }
    }
    let data = TensorData::new(data, [irreps.dim(), heads]);
    Tensor::from_data(data, (device, burn::tensor::DType::F64))
}

/// The textbook formula, its tensors of size edges x columns and all.
fn textbook(sizes: Sizes, scale: f64, form: Form, dst: Vec<u32>) -> Function {
    let [values, keys] = [sizes.values, sizes.keys].map(|text| text.parse().expect("irreps"));
    let (values, keys): (Irreps, Irreps) = (values, keys);
    Box::new(move |x| {
        let device = x[0].device();
        if sizes.edges == 0 {
            return Tensor::zeros([sizes.nodes, values.dim()], (&device, x[0].dtype()));
        }
        let (value, key) = match form {
            Form::Joint => {
                let part = |first, count| match count {
                    0 => Tensor::zeros([sizes.edges, 0], (&device, x[0].dtype())),
                    _ => x[1].clone().narrow(1, first, count),
                };
                (part(0, values.dim()), part(values.dim(), keys.dim()))
            }
            Form::Separate => (x[1].clone(), x[2].clone()),
        };
        let dst = indices(&dst, &device);
        let sum = |rows: Tensor<2>| {
            let zeros = Tensor::zeros([sizes.nodes, rows.dims()[1]], (&device, rows.dtype()));
            zeros.select_assign(0, dst.clone(), rows, IndexingUpdateOp::Add)
        };
        let logits = match keys.dim() {
            0 => Tensor::zeros([sizes.edges, sizes.heads], (&device, x[0].dtype())),
            _ => (x[0].clone().select(0, dst.clone()) * key).matmul(heads_of_columns(
                &keys,
                sizes.heads,
                &device,
            )),
        };
        let mut weights = (logits * scale).exp();
        if sizes.fades {
            let envelope = x[x.len() - 1].clone();
            let dead = envelope.clone().lower_elem(1e-20);
            weights = weights * envelope.mask_fill(dead, 0.0);
        }
        let total = sum(weights.clone());
        let none = total.clone().equal_elem(0.0);
        let weights = weights / total.mask_fill(none, 1.0).select(0, dst.clone());
        let of_columns = heads_of_columns(&values, sizes.heads, &device).transpose();
        sum(value * weights.matmul(of_columns))
    })
}

fn case(draw: &mut Draw, sizes: Sizes, form: Form) -> Case {
    let Sizes {
        edges,
        nodes,
        heads,
        ..
    } = sizes;
    let [values, keys]: [Irreps; 2] =
        [sizes.values, sizes.keys].map(|text| text.parse().expect("irreps"));
    let scale = 1.0 / (keys.dim().max(1) as f64).sqrt();
    let plan = AttentionPlan::new(&values, &keys, heads, scale);
    let plan = Arc::new(plan);
    let dst = draw.sorted_indices(edges, nodes.max(1));
    let (dim_value, dim_key) = (values.dim(), keys.dim());
    let mut inputs = vec![draw.input("query", [nodes, dim_key])];
    match form {
        Form::Joint => inputs.push(draw.input("key_value", [edges, dim_value + dim_key])),
        Form::Separate => {
            inputs.push(draw.input("value", [edges, dim_value]));
            inputs.push(draw.input("key", [edges, dim_key]));
        }
    }
    if sizes.fades {
        // Negative ones count as zero.
        inputs.push(draw.input("envelope", [edges, 1]));
    }
    let degree = (0..nodes as u32)
        .map(|node| dst.iter().filter(|&&d| d == node).count())
        .max()
        .unwrap_or(0);
    let for_oracle = dst.clone();
    Case {
        name: format!("attend {sizes:?}"),
        inputs,
        kernel: Box::new(move |x| {
            let dst = RowGroups::new(&dst, nodes, &x[0].device());
            let inputs = AttentionInputs {
                query: x[0].clone(),
                value: x[1].clone(),
                key: (form == Form::Separate).then(|| x[2].clone()),
                envelope: sizes.fades.then(|| x[x.len() - 1].clone()),
            };
            attend(inputs, &dst, &plan)
        }),
        oracle: textbook(sizes, scale, form, for_oracle),
        // Logits below 1 in size are sums of `dim_key` products; weights are sums over the edges of a
        // node, and so are the gradients; gradients to logits are sums of `dim_value` products.
        rounding: Rounding::OfLargest {
            roundings: 2.0 * (dim_key + dim_value + 2 * degree + 16) as f64,
        },
    }
}

fn cases(seed: u64, form: Form) -> Cases {
    let mut draw = Draw::new(seed);
    let mut list = |sizes: &[Sizes]| -> Vec<Case> {
        sizes
            .iter()
            .map(|&sizes| case(&mut draw, sizes, form))
            .collect()
    };
    Cases {
        small: list(&SMALL),
        large: list(&LARGE),
    }
}

/// Keys behind the values.
pub(crate) fn joint() -> Cases {
    cases(31, Form::Joint)
}

/// Keys by themselves.
pub(crate) fn separate() -> Cases {
    cases(32, Form::Separate)
}

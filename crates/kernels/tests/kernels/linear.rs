//! The linear map on the channels of each irrep.

use std::sync::Arc;

use burn::tensor::Tensor;
use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;
use steerable_kernels::{LinearInputs, LinearPlan};

use crate::operation::{Case, Cases, Draw, Function, Rounding};

#[derive(Clone, Copy, Debug)]
struct Sizes {
    rows: usize,
    from: &'static str,
    /// Irreps of the second piece of the input.
    beside: &'static str,
    to: &'static str,
    has_bias: bool,
}

/// Unequal multiplicities, an irrep in several blocks and on both sides of the cut, inputs that no
/// output reads, no channels, no rows, no weights.
const SMALL: [Sizes; 6] = [
    Sizes::new(4, ["2x0 + 3x1", ""], "1x0 + 2x1", true),
    Sizes::new(3, ["2x1 + 1x0", "3x0 + 1x2 + 2x1"], "2x0 + 3x1 + 1x0", true),
    Sizes::new(3, ["1x0e + 2x0o", "1x1o"], "2x0o + 1x1o", false),
    Sizes::new(2, ["0x0 + 2x1", "1x0"], "1x1 + 0x0", false),
    Sizes::new(0, ["2x0", "1x1"], "2x0 + 1x1", true),
    Sizes::new(2, ["1x1", ""], "", false),
];
const LARGE: [Sizes; 2] = [
    Sizes::new(
        900,
        ["16x0 + 16x1 + 7x2", "33x0 + 5x2"],
        "24x0 + 3x1 + 20x2",
        true,
    ),
    Sizes::new(20_000, ["3x0 + 2x1", ""], "2x0 + 5x1", true),
];

impl Sizes {
    const fn new(
        rows: usize,
        [from, beside]: [&'static str; 2],
        to: &'static str,
        has_bias: bool,
    ) -> Self {
        Self {
            rows,
            from,
            beside,
            to,
            has_bias,
        }
    }
}

/// One product for each output block, its input channels gathered from all blocks of the irrep.
fn by_blocks(sizes: Sizes, from: Irreps, to: Irreps) -> Function {
    Box::new(move |x| {
        let rows = sizes.rows;
        if rows * to.dim() == 0 {
            return Tensor::zeros([rows, to.dim()], (&x[0].device(), x[0].dtype()));
        }
        let pieces = x[..2].iter().filter(|piece| piece.dims()[1] > 0);
        let row = Tensor::cat(pieces.cloned().collect(), 1);
        let component = |block: Block, m: usize| {
            row.clone()
                .narrow(1, block.offset + m * block.mul, block.mul)
        };
        let (mut columns, mut first_weight, mut first_bias) = (Vec::new(), 0, 0);
        for (output, (mul, irrep)) in blocks(&to).filter(|(block, _)| block.mul > 0) {
            let fan_in = from.mul_of(irrep);
            let weight = x[2]
                .clone()
                .narrow(1, first_weight, fan_in * mul)
                .reshape([fan_in, mul]);
            first_weight += fan_in * mul;
            for m in 0..2 * output.l + 1 {
                let channels = blocks(&from)
                    .filter(|(block, (_, other))| *other == irrep && block.mul > 0)
                    .map(|(block, _)| component(block, m));
                let product = Tensor::cat(channels.collect(), 1).matmul(weight.clone());
                columns.push(match sizes.has_bias && irrep.is_scalar() {
                    true => product + x[3].clone().narrow(1, first_bias, mul),
                    false => product,
                });
            }
            if irrep.is_scalar() {
                first_bias += mul;
            }
        }
        Tensor::cat(columns, 1)
    })
}

fn case(draw: &mut Draw, sizes: Sizes) -> Case {
    let [from, beside, to]: [Irreps; 3] =
        [sizes.from, sizes.beside, sizes.to].map(|text| text.parse().expect("irreps"));
    let joined = from.concat(&beside).expect("one group");
    let plan = Arc::new(LinearPlan::new(&joined, &to));
    let largest_fan = plan.dim_in().max(plan.dim_out());
    let num_biases = if sizes.has_bias {
        plan.num_scalars()
    } else {
        0
    };
    Case {
        name: format!("steerable_linear {sizes:?}"),
        inputs: vec![
            draw.input("x", [sizes.rows, from.dim()]),
            draw.input("beside", [sizes.rows, beside.dim()]),
            draw.input("weight", [1, plan.num_weights()]),
            draw.input("bias", [1, num_biases]),
        ],
        kernel: Box::new(move |x| {
            let inputs = LinearInputs {
                x: x[0].clone(),
                beside: (!sizes.beside.is_empty()).then(|| x[1].clone()),
                weight: x[2].clone().flatten(0, 1),
                bias: sizes.has_bias.then(|| x[3].clone().flatten(0, 1)),
            };
            steerable_kernels::steerable_linear(inputs, &plan)
        }),
        oracle: by_blocks(sizes, joined.clone(), to.clone()),
        rounding: Rounding::OfSizes {
            sizes: by_blocks(sizes, joined, to),
            roundings: (largest_fan + 7 * sizes.rows + 4) as f64,
        },
    }
}

pub(crate) fn steerable_linear() -> Cases {
    let mut draw = Draw::new(33);
    let mut list = |sizes: &[Sizes]| -> Vec<Case> {
        sizes.iter().map(|&sizes| case(&mut draw, sizes)).collect()
    };
    Cases {
        small: list(&SMALL),
        large: list(&LARGE),
    }
}

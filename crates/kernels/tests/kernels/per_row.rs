//! Operations that treat each row by itself.

use burn::tensor::Tensor;
use steerable_kernels::{LayerNormAffine, Rectifier};

use crate::operation::{Case, Cases, Draw, Function, Input, Rounding};

/// Normalization of runs of columns, the textbook formula.
pub(crate) fn grouped_layer_norm() -> Cases {
    let mut draw = Draw::new(6);
    let mut case = |[rows, runs, width]: [usize; 3], epsilon: f64, rectifier: Rectifier| loop {
        let columns = runs * width;
        let mut inputs = vec![
            draw.input("x", [rows, columns]),
            draw.input("gamma", [1, columns]),
            draw.input("beta", [1, columns]),
        ];
        if rows > 1 {
            // A constant run, whose variance is zero.
            inputs[0].values[..width].fill(0.25);
        }
        // The rectifier's corner has no derivative: stay away from it.
        if nearest_to_zero(&inputs, width, epsilon) < 1e-4 {
            continue;
        }
        return Case {
            name: format!("grouped_layer_norm {rows} x {runs} x {width}, {rectifier:?}"),
            inputs,
            kernel: Box::new(move |x| {
                let affine = LayerNormAffine {
                    gamma: x[1].clone().reshape([columns]),
                    beta: x[2].clone().reshape([columns]),
                };
                let x = x[0].clone();
                steerable_kernels::grouped_layer_norm(x, affine, width, epsilon, rectifier)
            }),
            oracle: textbook_layer_norm(width, epsilon, rectifier),
            // Two sums over a run or over the rows, each way, and a few operations. A mean that
            // cancels is amplified by at most max |x| / sqrt(epsilon) <= 4.
            rounding: Rounding::OfLargest {
                roundings: 4.0 * (2 * width + rows + 16) as f64,
            },
        };
    };
    let mut list = |sizes: &[[usize; 3]]| {
        let both = [Rectifier::None, Rectifier::Relu];
        let sizes = sizes
            .iter()
            .flat_map(|size| both.map(|rectifier| (*size, rectifier)));
        sizes
            .map(|(size, rectifier)| case(size, 0.1, rectifier))
            .collect()
    };
    let small = list(&[[3, 2, 4], [2, 3, 1], [0, 2, 3], [1, 1, 7]]);
    let large = list(&[[300, 2, 16]]);
    Cases { small, large }
}

fn nearest_to_zero(inputs: &[Input], width: usize, epsilon: f64) -> f64 {
    let tensors: Vec<Tensor<2>> = inputs
        .iter()
        .map(|input| {
            let device = burn::tensor::Device::flex();
            let dtype = burn::tensor::DType::F64;
            crate::operation::matrix(&input.values, input.shape, &device, dtype)
        })
        .collect();
    let out = textbook_layer_norm(width, epsilon, Rectifier::None)(&tensors);
    crate::operation::numbers(&out)
        .iter()
        .fold(1.0, |least, x| x.abs().min(least))
}

fn textbook_layer_norm(width: usize, epsilon: f64, rectifier: Rectifier) -> Function {
    Box::new(move |inputs| {
        let [rows, columns] = inputs[0].dims();
        if rows == 0 {
            return inputs[0].clone();
        }
        let x = inputs[0].clone().reshape([rows * columns / width, width]);
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        let normal = (centred / (variance + epsilon).sqrt()).reshape([rows, columns]);
        let out = normal * inputs[1].clone() + inputs[2].clone();
        match rectifier {
            Rectifier::None => out,
            Rectifier::Relu => burn::tensor::activation::relu(out),
        }
    })
}

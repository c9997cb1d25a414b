//! Two dense layers.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

/// Two dense layers with SiLU between them: from invariants to predictions.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// First layer.
    pub hidden: Linear,
    /// Second layer.
    pub output: Linear,
}

impl Perceptron {
    pub(crate) fn new([input, hidden, output]: [usize; 3], device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(input, hidden).init(device),
            output: LinearConfig::new(hidden, output).init(device),
        }
    }

    /// # Shapes
    /// - x: `[rows, input]`
    /// - output: `[rows, output]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.output.forward(silu(self.hidden.forward(x)))
    }
}

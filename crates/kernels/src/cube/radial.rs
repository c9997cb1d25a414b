//! Radial layers: linear maps side by side, then normalization and activation.

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

use super::grouped_linear::Maps;
use super::layer_norm::Norm;
use super::sums::sum_columns;
use super::{dims, has_kernels, row_major, zeros};
use crate::host::radial::RadialWanted;
use crate::ops::radial::{radial_layer_backward_on_host, radial_layer_on_host};
use crate::{ActivationOps, RadialLayerOptions, RadialOps};

impl RadialOps for CubeBackend {
    fn radial_layer(
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        options: RadialLayerOptions,
    ) -> CubeTensor {
        let tensors = [x, weight, bias, gamma, beta];
        if !has_kernels(tensors[0].dtype) {
            return radial_layer_on_host::<Self>(tensors, options);
        }
        let layer = Layer::new(tensors, options);
        if layer.is_empty() {
            return zeros(&layer.x, layer.shape_out());
        }
        layer.forward()
    }

    fn radial_layer_backward(
        grad: CubeTensor,
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        options: RadialLayerOptions,
        wanted: RadialWanted,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let tensors = [x, weight, bias, gamma, beta];
        if !has_kernels(tensors[0].dtype) {
            return radial_layer_backward_on_host::<Self>(grad, tensors, options, wanted).into();
        }
        let layer = Layer::new(tensors, options);
        if layer.is_empty() {
            let [rows, columns] = dims(&layer.x);
            let rows = if wanted.input { rows } else { 0 };
            let like = |tensor: &CubeTensor| zeros(tensor, tensor.shape());
            return (
                zeros(&layer.x, [rows, columns]),
                like(&layer.weight),
                like(&layer.bias),
                like(&layer.gamma),
                like(&layer.beta),
            );
        }
        let [grad] = row_major([grad]);
        layer.backward(&grad, wanted).into()
    }
}

/// The tensors of one radial layer, row-major; no bias and no gamma are empty.
struct Layer {
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    maps: Maps,
    options: RadialLayerOptions,
}

impl Layer {
    fn new(tensors: [CubeTensor; 5], options: RadialLayerOptions) -> Self {
        let [x, weight, bias, gamma, beta] = row_major(tensors);
        let [rows, d_out] = dims(&weight);
        let maps = Maps {
            groups: options.groups,
            d_in: rows / options.groups,
            d_out,
        };
        Self {
            x,
            weight,
            bias,
            gamma,
            beta,
            maps,
            options,
        }
    }

    fn shape_out(&self) -> [usize; 2] {
        [dims(&self.x)[0], self.maps.groups * self.maps.d_out]
    }

    fn is_empty(&self) -> bool {
        self.shape_out().contains(&0) || self.maps.d_in == 0
    }

    fn bias(&self) -> Option<&CubeTensor> {
        (self.bias.meta.num_elements() > 0).then_some(&self.bias)
    }

    fn norm(&self) -> Option<Norm<'_>> {
        (self.gamma.meta.num_elements() > 0).then_some(Norm {
            gamma: &self.gamma,
            beta: &self.beta,
            width: self.options.norm_width,
            epsilon: self.options.epsilon,
            activation: self.options.activation,
        })
    }

    fn forward(&self) -> CubeTensor {
        let linear = self.maps.forward(&self.x, &self.weight, self.bias());
        match self.norm() {
            Some(norm) => norm.forward(&linear),
            None => CubeBackend::activate(linear, self.options.activation),
        }
    }

    /// Gradients to x, weight, bias, gamma and beta.
    fn backward(&self, grad: &CubeTensor, wanted: RadialWanted) -> [CubeTensor; 5] {
        let linear = self.maps.forward(&self.x, &self.weight, self.bias());
        let like = |tensor: &CubeTensor| zeros(tensor, tensor.shape());
        let (to_linear, to_gamma, to_beta) = match self.norm() {
            Some(norm) => norm.backward(grad, &linear).into(),
            None => {
                let activation = self.options.activation;
                let to_linear = CubeBackend::activate_backward(grad.clone(), linear, activation);
                (to_linear, like(&self.gamma), like(&self.beta))
            }
        };
        let to_x = match wanted.input {
            true => self.maps.to_input(&to_linear, &self.weight),
            false => zeros(&self.x, [0, dims(&self.x)[1]]),
        };
        let (to_weight, to_bias) = match (wanted.parameters, self.bias()) {
            (true, Some(_)) => (
                self.maps.to_weight(&to_linear, &self.x),
                sum_columns(&to_linear),
            ),
            (true, None) => (self.maps.to_weight(&to_linear, &self.x), like(&self.bias)),
            (false, _) => (like(&self.weight), like(&self.bias)),
        };
        [to_x, to_weight, to_bias, to_gamma, to_beta]
    }
}

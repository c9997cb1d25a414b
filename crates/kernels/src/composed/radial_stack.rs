//! The hidden layers of radial networks as one map with one vector of parameters.

use std::fmt::Display;
use std::ops::Range;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use super::Matrix;
use crate::host::radial::RadialWanted;
use crate::{Activation, HiddenKind, RadialLayerOptions, RadialOps};

/// The layers of radial networks side by side, whose parameters lie in one vector: layer by layer weight,
/// bias, gamma and beta, those that are there, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct RadialStack {
    /// Columns of the input.
    pub d_input: usize,
    /// Number of networks. Without layers each passes the input on.
    pub networks: usize,
    /// From input to output.
    pub layers: Vec<RadialStackLayer>,
}

/// One layer of a [`RadialStack`].
#[derive(Clone, Debug, PartialEq)]
pub struct RadialStackLayer {
    /// `[groups * d_input, d_output]`.
    pub weight: [usize; 2],
    /// Whether the maps add a constant.
    pub has_bias: bool,
    /// Whether there is a normalization.
    pub has_norm: bool,
    /// What the layer computes.
    pub options: RadialLayerOptions,
}

impl RadialStackLayer {
    /// Columns of the output.
    pub fn columns(&self) -> usize {
        self.options.groups * self.weight[1]
    }

    /// Lengths of weight, bias, gamma and beta.
    fn lengths(&self) -> [usize; 4] {
        let [rows, d_output] = self.weight;
        let columns = |are_there: bool| if are_there { self.columns() } else { 0 };
        let norm = columns(self.has_norm);
        [rows * d_output, columns(self.has_bias), norm, norm]
    }

    /// Refuses an input that the weight does not read, and an output that runs do not fill.
    ///
    /// # Panics
    /// With the name of the layer.
    pub(crate) fn expect_columns(&self, name: impl Display, columns: usize) {
        let RadialLayerOptions {
            groups, norm_width, ..
        } = self.options;
        let [rows, _] = self.weight;
        assert!(
            groups > 0 && rows > 0 && rows == columns && rows % groups == 0,
            "{name}: {columns} columns, {rows} rows of weights, {groups} groups"
        );
        let columns = self.columns();
        assert!(
            !self.has_norm || norm_width > 0 && columns.is_multiple_of(norm_width),
            "{name}: {columns} columns in runs of {norm_width}"
        );
    }
}

impl RadialStack {
    /// Columns of the output.
    pub fn columns(&self) -> usize {
        let last = self.layers.last();
        last.map_or(self.networks * self.d_input, RadialStackLayer::columns)
    }

    /// What is known of the output.
    pub fn hidden_kind(&self) -> HiddenKind {
        match self.layers.last().map(|last| last.options.activation) {
            Some(Activation::Relu) => HiddenKind::Rectified,
            _ => HiddenKind::Any,
        }
    }

    /// Number of parameters.
    pub fn num_parameters(&self) -> usize {
        let lengths = self.layers.iter().flat_map(RadialStackLayer::lengths);
        lengths.sum()
    }

    /// Refuses layers that do not read what the one before gives.
    ///
    /// # Panics
    /// With the name of the operation and the layer.
    pub(crate) fn expect_chain(&self, operation: &str) {
        let mut columns = self.d_input;
        for (index, layer) in self.layers.iter().enumerate() {
            layer.expect_columns(format_args!("{operation}: hidden layer {index}"), columns);
            columns = layer.columns();
        }
    }

    /// Columns behind each layer, or those of the repeated input where there is none.
    pub(crate) fn widths(&self) -> Vec<usize> {
        match self.layers.as_slice() {
            [] => vec![self.columns()],
            layers => layers.iter().map(RadialStackLayer::columns).collect(),
        }
    }

    /// Where each layer's parameters begin, and those of the next.
    fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        for layer in &self.layers {
            let before = offsets[offsets.len() - 1];
            offsets.push(before + layer.lengths().iter().sum::<usize>());
        }
        offsets
    }

    /// Weight, bias, gamma and beta of a layer.
    fn parameters_of<B: Backend>(
        &self,
        layer: usize,
        packed: &FloatTensor<B>,
    ) -> [FloatTensor<B>; 4] {
        let mut start = self.offsets()[layer];
        let layer = &self.layers[layer];
        let [weight, bias, gamma, beta] = layer.lengths().map(|len| {
            let own = start..start + len;
            start = own.end;
            run::<B>(packed, own)
        });
        [
            B::float_reshape(weight, Shape::new(layer.weight)),
            bias,
            gamma,
            beta,
        ]
    }

    /// The input and what comes out of each layer; the last one are the hidden vectors.
    pub(crate) fn forward<B: RadialOps>(
        &self,
        packed: &FloatTensor<B>,
        x: FloatTensor<B>,
    ) -> Vec<FloatTensor<B>> {
        if self.layers.is_empty() {
            let copies = (0..self.networks).map(|_| Matrix::<B>(x.clone())).collect();
            return vec![Matrix::side_by_side(copies).0];
        }
        let mut stages = vec![x];
        for (index, layer) in self.layers.iter().enumerate() {
            let [weight, bias, gamma, beta] = self.parameters_of::<B>(index, packed);
            let x = stages[index].clone();
            stages.push(B::radial_layer(x, weight, bias, gamma, beta, layer.options));
        }
        stages
    }

    /// Gradients to the input and to the parameters, from what [`Self::forward`] gave; none where they
    /// are not wanted.
    pub(crate) fn backward<B: RadialOps>(
        &self,
        packed: &FloatTensor<B>,
        mut stages: Vec<FloatTensor<B>>,
        mut grad: FloatTensor<B>,
        wanted: RadialWanted,
    ) -> (Option<FloatTensor<B>>, Option<FloatTensor<B>>) {
        if self.layers.is_empty() {
            let grad = Matrix::<B>(grad);
            let copies = (0..self.networks)
                .map(|network| grad.columns(network * self.d_input..(network + 1) * self.d_input));
            let sum = copies.reduce(|sum, copy| sum + copy).map(|sum| sum.0);
            return (sum.filter(|_| wanted.input), None);
        }
        // The output of the last layer is not read.
        stages.pop();
        let mut to_parameters = Vec::new();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let [weight, bias, gamma, beta] = self.parameters_of::<B>(index, packed);
            let x = stages.pop().expect("every layer has its input");
            let wanted = RadialWanted {
                input: index > 0 || wanted.input,
                parameters: wanted.parameters,
            };
            let (to_x, to_weight, to_bias, to_gamma, to_beta) =
                B::radial_layer_backward(grad, x, weight, bias, gamma, beta, layer.options, wanted);
            grad = to_x;
            let to_layer = [to_weight, to_bias, to_gamma, to_beta].map(|to| {
                let len = to.shape().num_elements();
                B::float_reshape(to, Shape::new([len]))
            });
            to_parameters.push(to_layer);
        }
        let to_parameters = to_parameters.into_iter().rev().flatten();
        let to_parameters: Vec<_> = to_parameters
            .filter(|to| to.shape().num_elements() > 0)
            .collect();
        (
            wanted.input.then_some(grad),
            wanted.parameters.then(|| B::float_cat(to_parameters, 0)),
        )
    }
}

/// Consecutive numbers of a vector.
fn run<B: Backend>(vector: &FloatTensor<B>, numbers: Range<usize>) -> FloatTensor<B> {
    B::float_slice(vector.clone(), &[Slice::from(numbers)])
}

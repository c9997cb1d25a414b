//! The operations composed of burn's own: right on every backend, and what kernels are compared with.
//!
//! They store what the kernels do not, such as all radial weights of all edges. No `select_assign`,
//! `scatter` or `scatter_nd`: those are slow or wrong on burn 0.22's GPU backends.

mod adam;
pub(crate) mod attention;
#[cfg(test)]
mod convolution;
pub(crate) mod geometry;
pub(crate) mod messages;
mod node_sums;
pub(crate) mod radial_stack;
pub(crate) mod rows;
mod tape;
#[cfg(test)]
mod tests;

pub(crate) use self::adam::adam_step;

use std::ops::{Add, Mul, Range, Sub};

use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata, get_or_init_device_settings};
use burn::tensor::{BoolDType, Shape, Slice, TensorData};

/// A float matrix. `+`, `-` and `*` are elementwise and repeat a single row or column.
#[derive(Debug)]
struct Matrix<B: Backend>(FloatTensor<B>);

impl<B: Backend> Clone for Matrix<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Matrix<B> {
    /// A matrix of one number, on the device of `like`.
    fn full(dims: [usize; 2], value: f64, like: &FloatTensor<B>) -> Self {
        let (device, dtype) = (like.device(), like.dtype().into());
        Self(B::float_full(
            Shape::new(dims),
            value.into(),
            &device,
            dtype,
        ))
    }

    fn zeros(dims: [usize; 2], like: &FloatTensor<B>) -> Self {
        Self::full(dims, 0.0, like)
    }

    /// Constants, rounded once to the type of `like`.
    fn constant(values: Vec<f64>, dims: [usize; 2], like: &FloatTensor<B>) -> Self {
        let data = TensorData::new(values, dims).convert_dtype(like.dtype());
        Self(B::float_from_data(data, &like.device()))
    }

    fn dims(&self) -> [usize; 2] {
        let shape = self.0.shape();
        [shape[0], shape[1]]
    }

    fn columns(&self, columns: Range<usize>) -> Self {
        let rows = Slice::from(0..self.dims()[0]);
        Self(B::float_slice(
            self.0.clone(),
            &[rows, Slice::from(columns)],
        ))
    }

    fn column(&self, column: usize) -> Self {
        self.columns(column..column + 1)
    }

    fn rows(&self, rows: Range<usize>) -> Self {
        let columns = Slice::from(0..self.dims()[1]);
        Self(B::float_slice(
            self.0.clone(),
            &[Slice::from(rows), columns],
        ))
    }

    fn side_by_side(parts: Vec<Self>) -> Self {
        Self(B::float_cat(
            parts.into_iter().map(|part| part.0).collect(),
            1,
        ))
    }

    fn matmul(self, other: Self) -> Self {
        Self(B::float_matmul(self.0, other.0))
    }

    fn transpose(self) -> Self {
        Self(B::float_transpose(self.0))
    }

    fn scale(self, factor: f64) -> Self {
        Self(B::float_mul_scalar(self.0, factor.into()))
    }

    /// `[rows, columns]` to `[rows, 1]`.
    fn sum_columns(self) -> Self {
        Self(B::float_sum_dim(self.0, 1))
    }

    /// The same number in a row of the matrix where `mask`, `[rows, 1]`, holds.
    fn fill_rows(self, mask: BoolTensor<B>, value: f64) -> Self {
        let mask = B::bool_expand(mask, Shape::new(self.dims()));
        Self(B::float_mask_fill(self.0, mask, value.into()))
    }
}

impl<B: Backend> Add for Matrix<B> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(B::float_add(self.0, other.0))
    }
}

impl<B: Backend> Sub for Matrix<B> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(B::float_sub(self.0, other.0))
    }
}

impl<B: Backend> Mul for Matrix<B> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(B::float_mul(self.0, other.0))
    }
}

fn bool_dtype<B: Backend>(device: &B::Device) -> BoolDType {
    get_or_init_device_settings::<B>(device).bool_dtype
}

//! The host kernels, and the way of a backend's tensors to them and back.
//!
//! On `Flex` tensors are read in place; `NdArray`'s are copied.

pub(crate) mod activation;
#[cfg(feature = "flex")]
mod adam;
pub(crate) mod attention;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod backends;
pub(crate) mod convolution;
pub(crate) mod elementary;
pub(crate) mod equivariant_norm;
pub(crate) mod gate;
mod geometry;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod norm_nonlinearity;
pub(crate) mod norm_plan;
pub(crate) mod radial;
pub(crate) mod real;
pub(crate) mod row_norm;
pub(crate) mod segment;
pub(crate) mod simd;
pub(crate) mod steerable_linear;
pub(crate) mod tasks;

use std::any::Any;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, Element, Shape, TensorData};
use bytemuck::Pod;

/// A tensor whose numbers can be read as a slice.
pub(crate) enum HostTensor {
    #[cfg(feature = "flex")]
    Shared(burn_flex::FlexTensor),
    Owned(TensorData),
}

impl HostTensor {
    pub(crate) fn float<B: Backend>(tensor: FloatTensor<B>) -> Self {
        Self::shared(&tensor).unwrap_or_else(|| Self::Owned(wait(B::float_into_data(tensor))))
    }

    /// Integers are read as `i32`, whatever width the backend keeps.
    pub(crate) fn int<B: Backend>(tensor: IntTensor<B>) -> Self {
        let is_i32 = tensor.dtype() == DType::I32;
        match Self::shared(&tensor) {
            Some(shared) if is_i32 => shared,
            _ => Self::Owned(wait(B::int_into_data(tensor)).convert::<i32>()),
        }
    }

    fn shared<P: 'static>(tensor: &P) -> Option<Self> {
        #[cfg(feature = "flex")]
        if let Some(flex) = (tensor as &dyn Any).downcast_ref::<burn_flex::FlexTensor>() {
            // Rows cut out of a matrix lie together: they are read where they are.
            let is_contiguous = flex.layout().contiguous_offsets().is_some();
            return Some(Self::Shared(match is_contiguous {
                true => flex.clone(),
                false => flex.to_contiguous(),
            }));
        }
        let _: &dyn Any = tensor;
        None
    }

    pub(crate) fn as_slice<E: Element + Pod>(&self) -> &[E] {
        match self {
            #[cfg(feature = "flex")]
            Self::Shared(tensor) => tensor
                .as_slice()
                .expect("a contiguous tensor of the dtype asked for"),
            Self::Owned(data) => data.as_slice().expect("data of the dtype asked for"),
        }
    }
}

fn wait<E: std::fmt::Debug>(data: impl Future<Output = Result<TensorData, E>>) -> TensorData {
    burn::tensor::read_sync(data).expect("the tensor can be read back")
}

/// Uploads a host result to the device that the inputs live on.
pub(crate) fn upload<B: Backend, E: Element>(
    values: Vec<E>,
    shape: impl Into<Shape>,
    device: &B::Device,
) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(values, shape), device)
}

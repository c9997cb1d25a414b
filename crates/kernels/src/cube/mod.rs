//! The kernels for GPUs, one source for wgpu, CUDA, ROCm and Metal.
//!
//! Columns are contiguous and neighbouring threads take neighbouring columns, so rows are read and
//! written in whole lines of memory. Every sum has one owner and one order: no atomics. Kernels keep
//! to WebGPU's default limits: 256 threads and 16 KiB of shared memory to a workgroup, 65535
//! workgroups to an axis, eight buffers; none depends on the width of a subgroup.
//!
//! Other float types than f32 run on the host, through a copy.

#![allow(
    clippy::collapsible_if,
    clippy::needless_range_loop,
    reason = "kernels have no iterators, and conditions of two times"
)]

mod activation;
mod attention;
mod convolution;
mod equivariant_norm;
mod gate;
mod geometry;
mod grouped_linear;
mod harmonics;
mod lanes;
mod layer_norm;
mod linear;
mod nonlinearity;
mod radial;
mod rows;
mod sums;

use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, FloatDType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Threads in a workgroup.
const THREADS: u32 = 256;

/// Whether there are kernels for a float type.
fn has_kernels(dtype: DType) -> bool {
    dtype == DType::F32
}

/// Room for a result on the device of `like`, row-major.
fn empty_like(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), like.dtype)
}

/// A row-major tensor as a buffer of a kernel.
fn buffer(tensor: &CubeTensor) -> BufferArg {
    tensor.clone().into_buffer_arg()
}

/// Row-major copies of those that are not.
fn row_major<const N: usize>(tensors: [CubeTensor; N]) -> [CubeTensor; N] {
    tensors.map(into_contiguous)
}

/// One thread for each of `count` numbers.
fn one_thread_each(tensor: &CubeTensor, count: usize) -> (CubeCount, CubeDim) {
    assert!(
        u32::try_from(count).is_ok(),
        "{count} numbers are more than a kernel counts to"
    );
    let threads = CubeDim::new_1d(THREADS);
    let groups = calculate_cube_count_elemwise(&tensor.client, count, threads);
    (groups, threads)
}

/// Zeros on the device of `like`.
fn zeros(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    CubeBackend::float_zeros(shape.into(), &like.device, FloatDType::from(like.dtype))
}

/// Numbers that only kernels read.
fn upload(like: &CubeTensor, words: &[u32]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    let handle = client.create_from_slice(bytemuck::cast_slice(words));
    CubeTensor::new_contiguous(client, device, [words.len()].into(), handle, DType::U32)
}

/// Rows and columns of a matrix.
fn dims(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.shape();
    [shape[0], shape[1]]
}

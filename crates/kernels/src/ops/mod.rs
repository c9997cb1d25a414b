//! The operations, one file for each family: the function on tensors, the trait that burn's backends
//! implement, and the backward pass.

pub(crate) mod activation;
pub(crate) mod adam;
pub(crate) mod attention;
pub(crate) mod convolution;
pub(crate) mod gate;
pub(crate) mod geometry;
pub(crate) mod linear;
pub(crate) mod messages;
pub(crate) mod norm;
pub(crate) mod radial;
pub(crate) mod rows;

use burn::tensor::DType;

/// Runs the body with `T` bound to the Rust type of a float dtype.
macro_rules! with_real {
    ($operation:literal, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            burn::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            burn::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            other => panic!("{}: expected f32 or f64 tensors, got {other:?}", $operation),
        }
    };
}
pub(crate) use with_real;

/// Hands each gradient to the parent that asked for it. A macro, since burn does not export the type of
/// the parents.
macro_rules! register {
    ($grads:expr, $parents:expr, $gradients:expr) => {
        for (parent, gradient) in $parents.into_iter().zip($gradients) {
            if let Some(node) = parent {
                $grads.register::<B>(node.id, gradient);
            }
        }
    };
}
pub(crate) use register;

/// One float type in one operation.
#[track_caller]
pub(crate) fn same_dtype<const N: usize>(operation: &str, dtypes: [DType; N]) {
    assert!(
        dtypes.iter().all(|dtype| *dtype == dtypes[0]),
        "{operation}: all float tensors must have one dtype, got {dtypes:?}"
    );
}

//! Inputs at the edge of what floats and graphs can be.

use burn::tensor::{DType, Device, Tensor};
use steerable_harmonics::Normalization;
use steerable_kernels::{
    LayerNormAffine, Rectifier, RowGroups, grouped_layer_norm, segment_softmax, spherical_harmonics,
};

use crate::operation::{matrix, numbers};

const DTYPES: [DType; 2] = [DType::F32, DType::F64];

fn softmax(logits: &[f64], groups: &[u32], dtype: DType) -> Vec<f64> {
    let device = Device::flex();
    let rows = RowGroups::new(groups, 4, &device);
    let logits = matrix(logits, [logits.len(), 1], &device, dtype);
    numbers(&segment_softmax(logits, &rows))
}

#[test]
fn segment_softmax_of_huge_logits_is_finite_and_exact() {
    for dtype in DTYPES {
        let got = softmax(
            &[1e30, 1e30, -1e30, 3e4, 3e4 - 1e6, -2e38],
            &[0, 0, 0, 2, 2, 3],
            dtype,
        );
        assert_eq!(got, [0.5, 0.5, 0.0, 1.0, 0.0, 1.0], "{dtype:?}");
    }
}

#[test]
fn segment_softmax_shows_a_nan_in_its_own_segment_only() {
    for dtype in DTYPES {
        let got = softmax(&[1.0, f64::NAN, 2.0, 0.0, 0.0], &[0, 0, 0, 1, 1], dtype);
        assert!(got[..3].iter().all(|p| p.is_nan()), "{dtype:?}: {got:?}");
        assert_eq!(got[3..], [0.5, 0.5], "{dtype:?}");
    }
}

#[test]
fn grouped_layer_norm_shows_a_nan_through_the_rectifier() {
    let device = Device::flex();
    for dtype in DTYPES {
        for rectifier in [Rectifier::None, Rectifier::Relu] {
            let x = matrix(&[1.0, f64::NAN, 0.5, 2.0], [1, 4], &device, dtype);
            let affine = LayerNormAffine {
                gamma: Tensor::ones([4], (&device, dtype)),
                beta: Tensor::zeros([4], (&device, dtype)),
            };
            let got = numbers(&grouped_layer_norm(x, affine, 2, 1e-5, rectifier));
            assert!(got[..2].iter().all(|x| x.is_nan()), "{dtype:?}: {got:?}");
            assert!(got[2..].iter().all(|x| x.is_finite()), "{dtype:?}: {got:?}");
        }
    }
}

#[test]
fn constant_rows_normalise_to_beta_with_a_finite_gradient() {
    let device = Device::flex().autodiff();
    for dtype in DTYPES {
        let x = matrix(&[3.0; 8], [2, 4], &device, dtype).require_grad();
        let affine = LayerNormAffine {
            gamma: Tensor::ones([4], (&device, dtype)),
            beta: Tensor::full([4], 0.5, (&device, dtype)),
        };
        let out = grouped_layer_norm(x.clone(), affine, 4, 1e-5, Rectifier::Relu);
        assert_eq!(numbers(&out), [0.5; 8], "{dtype:?}");
        let ramp = matrix(&[1.0, 2.0, 3.0, 4.0], [1, 4], &device, dtype);
        let grads = (out * ramp).sum().backward();
        let gradient = numbers(&x.grad(&grads).expect("x is tracked"));
        assert!(
            gradient.iter().all(|g| g.is_finite()),
            "{dtype:?}: {gradient:?}"
        );
    }
}

#[test]
fn the_zero_vector_has_finite_harmonics_and_no_gradient() {
    let device = Device::flex().autodiff();
    for dtype in DTYPES {
        let x = matrix(&[0.0; 3], [1, 3], &device, dtype).require_grad();
        let out = spherical_harmonics(x.clone(), 4, Normalization::Component);
        let values = numbers(&out);
        assert_eq!(values[0], 1.0, "{dtype:?}");
        assert_eq!(values[1..], [0.0; 24], "{dtype:?}");
        let grads = out.sum().backward();
        assert_eq!(
            numbers(&x.grad(&grads).expect("x is tracked")),
            [0.0; 3],
            "{dtype:?}"
        );
    }
}

//! Inputs at the edge of what floats and graphs can be.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};
use steerable_harmonics::Normalization;
use steerable_kernels::{
    Activation, AttentionInputs, AttentionPlan, LayerNormAffine, NormAffine,
    NormNonlinearityOptions, NormPlan, RadialLayerInputs, RadialLayerOptions, RowGroups, attend,
    norm_nonlinearity, radial_layer, spherical_harmonics,
};

use crate::operation::{matrix, numbers};

const DTYPES: [DType; 2] = [DType::F32, DType::F64];

/// The weights that a node gives its three edges: their values are the unit vectors.
fn weights(logits: [f64; 3], envelope: Option<[f64; 3]>, dtype: DType) -> Vec<f64> {
    let device = Device::flex();
    // Node 0 has the edges, node 1 another one, node 2 none.
    let dst = RowGroups::new(&[0, 0, 0, 1], 3, &device);
    let [vector, scalar] = ["1x1", "1x0"].map(|text| text.parse().expect("irreps"));
    let plan = Arc::new(AttentionPlan::new(&vector, &scalar, 1, 1.0));
    let [a, b, c] = logits;
    #[rustfmt::skip]
    let rows = [
        1.0, 0.0, 0.0, a,
        0.0, 1.0, 0.0, b,
        0.0, 0.0, 1.0, c,
        0.5, 0.5, 0.5, 1.0,
    ];
    let inputs = AttentionInputs {
        query: Tensor::ones([3, 1], (&device, dtype)),
        value: matrix(&rows, [4, 4], &device, dtype),
        key: None,
        envelope: envelope.map(|[a, b, c]| matrix(&[a, b, c, 1.0], [4, 1], &device, dtype)),
    };
    let mut out = numbers(&attend(inputs, &dst, &plan));
    assert_eq!(out.split_off(3), [0.5, 0.5, 0.5, 0.0, 0.0, 0.0]);
    out
}

#[test]
fn attention_to_huge_logits_is_finite_and_exact() {
    for dtype in DTYPES {
        for (logits, expected) in [
            ([1e30, 1e30, -1e30], [0.5, 0.5, 0.0]),
            ([3e4, 3e4 - 1e6, -2e38], [1.0, 0.0, 0.0]),
            ([-2e38, -2e38, -3e38], [0.5, 0.5, 0.0]),
        ] {
            assert_eq!(weights(logits, None, dtype), expected, "{dtype:?}");
            // The logit of an edge that has faded is not felt, however large.
            let [a, b, c] = logits;
            let faded = weights([a, b, 3e38], Some([0.7, 0.7, 0.0]), dtype);
            assert_eq!(faded, expected, "{dtype:?} {c}");
        }
    }
}

#[test]
fn attention_shows_a_nan_in_its_own_node_only() {
    for dtype in DTYPES {
        for envelope in [None, Some([0.3, 0.7, 0.0])] {
            for place in 0..3 {
                let mut logits = [1.0, 0.5, 2.0];
                logits[place] = f64::NAN;
                let got = weights(logits, envelope, dtype);
                assert!(got.iter().all(|w| w.is_nan()), "{dtype:?}: {got:?}");
            }
        }
        let got = weights([0.0; 3], Some([f64::NAN, 1.0, 1.0]), dtype);
        assert!(got.iter().all(|w| w.is_nan()), "{dtype:?}: {got:?}");
    }
}

#[test]
fn faded_edges_weigh_nothing_and_nodes_without_others_get_zero() {
    for dtype in DTYPES {
        let some = weights([0.0, 0.0, 5.0], Some([0.25, 0.75, 1e-21]), dtype);
        assert_eq!(some, [0.25, 0.75, 0.0], "{dtype:?}");
        let all = weights([0.0, 1.0, 5.0], Some([0.0, -1.0, 1e-21]), dtype);
        assert_eq!(all, [0.0; 3], "{dtype:?}");
        // An edge that is almost gone still has all the weight when it is alone.
        let last = weights([0.0, 1.0, 5.0], Some([0.0, 2e-20, 0.0]), dtype);
        assert_eq!(last, [0.0, 1.0, 0.0], "{dtype:?}");
    }
}

#[test]
fn constant_rows_normalise_to_beta_with_a_finite_gradient() {
    let device = Device::flex().autodiff();
    for dtype in DTYPES {
        let x = matrix(&[3.0; 2], [2, 1], &device, dtype).require_grad();
        let inputs = RadialLayerInputs {
            weight: Tensor::ones([1, 4], (&device, dtype)),
            bias: None,
            affine: Some(LayerNormAffine {
                gamma: Tensor::ones([4], (&device, dtype)),
                beta: Tensor::full([4], 0.5, (&device, dtype)),
            }),
        };
        let options = RadialLayerOptions {
            groups: 1,
            norm_width: 4,
            epsilon: 1e-5,
            activation: Activation::Relu,
        };
        let out = radial_layer(x.clone(), inputs, options);
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

/// Smallest norms whose square is no number of the type.
#[test]
fn a_zero_feature_takes_no_gradient_however_small_the_smallest_norm_is() {
    let device = Device::flex().autodiff();
    let irreps = "1x1".parse().expect("irreps");
    let plan = Arc::new(NormPlan::new(&irreps));
    for dtype in DTYPES {
        for smallest_norm in [1e-25, 1e-200] {
            let options = NormNonlinearityOptions {
                activation: Activation::Silu,
                smallest_norm,
                epsilon: 1e-5,
            };
            let x = matrix(&[0.0, 0.0, 0.0, 3.0, 0.0, 4.0], [2, 3], &device, dtype);
            let x = x.require_grad();
            let affine = NormAffine {
                gamma: None,
                beta: Tensor::full([1], 1.0, (&device, dtype)),
            };
            let out = norm_nonlinearity(x.clone(), affine, &plan, options);
            assert_eq!(numbers(&out)[..3], [0.0; 3], "{dtype:?}");
            let grads = out.sum().backward();
            let gradient = numbers(&x.grad(&grads).expect("x is tracked"));
            assert_eq!(gradient[..3], [0.0; 3], "{dtype:?}, {smallest_norm:e}");
            let is_a_number = |x: &f64| x.is_finite() && *x != 0.0;
            assert!(gradient[3..].iter().all(is_a_number), "{gradient:?}");
        }
    }
}

/// A NaN shows in its own channels, a feature that is zero stays zero with a gradient of zero, and one
/// below the smallest norm is scaled.
#[test]
fn norms_of_nothing_and_of_nan_are_what_they_should_be() {
    let device = Device::flex().autodiff();
    let irreps = "2x1".parse().expect("irreps");
    let plan = Arc::new(NormPlan::new(&irreps));
    let options = NormNonlinearityOptions {
        activation: Activation::Identity,
        smallest_norm: 0.5,
        epsilon: 1e-5,
    };
    for dtype in DTYPES {
        let rows = [
            [0.0, f64::NAN, 0.0, 1.0, 0.0, 1.0],
            [0.0, 0.25, 0.0, 0.0, 0.0, 0.0],
        ];
        let x = matrix(rows.as_flattened(), [2, 6], &device, dtype).require_grad();
        let affine = NormAffine {
            gamma: None,
            beta: Tensor::full([2], 1.0, (&device, dtype)),
        };
        let out = norm_nonlinearity(x.clone(), affine, &plan, options);
        let values = numbers(&out);
        for (i, value) in values[..6].iter().enumerate() {
            assert_eq!(value.is_nan(), i % 2 == 1, "{dtype:?}: {values:?}");
        }
        assert_eq!(values[6..], [0.0, 0.75, 0.0, 0.0, 0.0, 0.0], "{dtype:?}");
        let grads = out.slice([1..2, 0..6]).sum().backward();
        let gradient = numbers(&x.grad(&grads).expect("x is tracked"));
        assert_eq!(
            gradient[6..],
            [0.0, 3.0, 0.0, 3.0, 0.0, 3.0],
            "{dtype:?}: {gradient:?}"
        );
    }
}

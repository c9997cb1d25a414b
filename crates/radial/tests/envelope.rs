//! Envelopes: values, smoothness at the cutoff, and the cutoff itself.

mod support;

use std::f64::consts::PI;
use std::num::NonZeroU32;

use burn::tensor::{DType, Tensor};
use steerable_radial::{Cutoff, Envelope, RadialError, soft_unit_step};
use support::{
    DTYPES, column, device, differentiate, five_point_derivative, largest, relative_error,
    scattered, to_vec, tolerance,
};

/// Not a number that `f32` holds, nor one whose reciprocal rounds well.
const RADIUS: f64 = 4.9;

fn cutoff() -> Cutoff {
    Cutoff::new(RADIUS).expect("positive")
}

fn polynomial(p: u32) -> Envelope {
    let p = NonZeroU32::new(p).expect("positive");
    Envelope::Polynomial {
        cutoff: cutoff(),
        p,
    }
}

fn with_cutoff() -> Vec<Envelope> {
    vec![
        polynomial(1),
        polynomial(2),
        Envelope::polynomial(cutoff()),
        polynomial(12),
        Envelope::Cosine { cutoff: cutoff() },
        Envelope::Smooth { cutoff: cutoff() },
    ]
}

/// The envelopes as their papers write them.
fn oracle(envelope: &Envelope, r: f64) -> f64 {
    let x = r / RADIUS;
    if *envelope == Envelope::None {
        return 1.0;
    }
    if x >= 1.0 {
        return 0.0;
    }
    match *envelope {
        Envelope::Polynomial { p, .. } => {
            let q = f64::from(p.get());
            let power = |k: f64| x.powf(k);
            1.0 - (q + 1.0) * (q + 2.0) / 2.0 * power(q) + q * (q + 2.0) * power(q + 1.0)
                - q * (q + 1.0) / 2.0 * power(q + 2.0)
        }
        Envelope::Cosine { .. } => 0.5 * (1.0 + (PI * x).cos()),
        Envelope::Smooth { .. } => (-x * x / (1.0 - x * x)).exp(),
        ref other => panic!("no oracle for {other:?}"),
    }
}

#[test]
fn envelopes_equal_their_published_formulas() {
    let mut envelopes = with_cutoff();
    envelopes.push(Envelope::None);
    let r = scattered(0.0, 1.2 * RADIUS, 80);
    for envelope in envelopes {
        let expected: Vec<f64> = r.iter().map(|&r| oracle(&envelope, r)).collect();
        for dtype in DTYPES {
            let factor = envelope.forward(column(&r, dtype, &device()));
            assert_eq!(factor.dims(), [r.len(), 1]);
            assert_eq!(factor.dtype(), dtype);
            let error = relative_error(&to_vec(&factor), &expected);
            // The formulas have slopes of up to about p / cutoff.
            assert!(
                error < tolerance(dtype, 12.0),
                "{envelope:?} {dtype:?}: {error:e}"
            );
        }
    }
}

#[test]
fn envelope_gradients_equal_finite_differences() {
    const H: f64 = 1e-4;
    let mut r = scattered(0.0, 1.2 * RADIUS, 80);
    // The smallest class in here, the cosine, has a jump of its second derivative at the cutoff.
    r.retain(|r| (r - RADIUS).abs() > 3.0 * H);
    for envelope in with_cutoff() {
        let derivative = |&r: &f64| five_point_derivative(|r| oracle(&envelope, r), r, H);
        let expected: Vec<f64> = r.iter().map(derivative).collect();
        let ours = differentiate(|r| envelope.forward(r), &r, DType::F64, |_| 1.0);
        let error = relative_error(&ours.gradient, &expected);
        // Rounding of the oracle, 1e-16 times up to 100, divided by H.
        assert!(error < 1e-9, "{envelope:?}: {error:e}");
    }
}

#[test]
fn an_envelope_is_one_at_zero_and_falls_to_exactly_zero_at_the_cutoff() {
    for envelope in with_cutoff() {
        assert_eq!(envelope.cutoff(), Some(cutoff()));
        for dtype in DTYPES {
            let at_zero = to_vec(&envelope.forward(column(&[0.0], dtype, &device())));
            assert!(
                (at_zero[0] - 1.0).abs() < tolerance(dtype, 1.0),
                "{envelope:?} {at_zero:?}"
            );

            let beyond = [RADIUS, RADIUS * (1.0 + 1e-7), 6.0, 1e3, 1e15];
            let ours = differentiate(|r| envelope.forward(r), &beyond, dtype, |_| 1.0);
            assert_eq!(largest(&ours.values), 0.0, "{envelope:?} {dtype:?}");
            assert_eq!(largest(&ours.gradient), 0.0, "{envelope:?} {dtype:?}");

            let mut r: Vec<f64> = (0..=200).map(|i| RADIUS * f64::from(i) / 200.0).collect();
            r.extend([1e-30, RADIUS * (1.0 - 1e-7), RADIUS * (1.0 - 1e-5)]);
            let ours = differentiate(|r| envelope.forward(r), &r, dtype, |_| 1.0);
            assert!(ours.values.iter().all(|v| (0.0..=1.0 + 1e-6).contains(v)));
            // Falling, up to the rounding of a value near 1.
            assert!(
                ours.gradient.iter().all(|g| *g <= tolerance(dtype, 1.0)),
                "{envelope:?}"
            );
        }
    }
}

/// The order of the root at the cutoff, from the ratio of two values near it.
fn order_at_the_cutoff(envelope: &Envelope) -> f64 {
    let near = [2e-4, 1e-4].map(|step| RADIUS - step);
    let values = to_vec(&envelope.forward(column(&near, DType::F64, &device())));
    (values[0] / values[1]).log2()
}

#[test]
fn the_stated_derivatives_vanish_at_the_cutoff() {
    for p in [1, 6, 12] {
        let order = order_at_the_cutoff(&polynomial(p));
        assert!((order - 3.0).abs() < 0.01, "p = {p}: {order}");
    }
    let order = order_at_the_cutoff(&Envelope::Cosine { cutoff: cutoff() });
    assert!((order - 2.0).abs() < 0.01, "{order}");
    // exp(-1 / (1 - x^2)) is below every power there: in f64 it is zero.
    let smooth = Envelope::Smooth { cutoff: cutoff() };
    let near = smooth.forward(column(&[RADIUS - 1e-4], DType::F64, &device()));
    assert_eq!(to_vec(&near), [0.0]);
}

#[test]
fn a_polynomial_envelope_leaves_one_with_the_power_p() {
    for p in [1, 2, 6] {
        let r = [0.02 * RADIUS, 0.01 * RADIUS];
        let values = to_vec(&polynomial(p).forward(column(&r, DType::F64, &device())));
        let order = ((1.0 - values[0]) / (1.0 - values[1])).log2();
        assert!((order - f64::from(p)).abs() < 0.1, "p = {p}: {order}");
    }
}

#[test]
fn no_envelope_is_one_everywhere_without_a_cutoff() {
    assert_eq!(Envelope::None.cutoff(), None);
    let ones = Envelope::None.forward(column(&[0.0, 3.0, 1e9], DType::F64, &device()));
    assert_eq!(to_vec(&ones), [1.0, 1.0, 1.0]);
}

#[test]
fn the_soft_unit_step_has_finite_gradients_where_its_parts_overflow() {
    let x = [
        -1e30, -1.0, 0.0, 1e-38, 1e-20, 9e-4, 1.1e-3, 0.01, 1.0, 1e30,
    ];
    for dtype in DTYPES {
        let ours = differentiate(soft_unit_step, &x, dtype, |_| 1.0);
        assert!(
            ours.values
                .iter()
                .chain(&ours.gradient)
                .all(|v| v.is_finite())
        );
        // d/dx exp(-1/x) = exp(-1/x) / x^2, 1/e at 1.
        let slope = ours.gradient[8];
        assert!(
            (slope - (-1.0_f64).exp()).abs() < tolerance(dtype, 1.0),
            "{slope}"
        );
    }
}

#[test]
fn a_cutoff_is_positive_and_finite_also_when_read_from_a_file() {
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Cutoff::new(radius).expect_err("not a cutoff");
        assert!(matches!(error, RadialError::Cutoff { .. }), "{error}");
    }
    assert_eq!(cutoff().radius(), RADIUS);
    assert_eq!(f64::from(cutoff()), RADIUS);
    assert!(serde_json::from_str::<Cutoff>("-2.0").is_err());
    for envelope in with_cutoff() {
        let text = serde_json::to_string(&envelope).expect("serializes");
        let back: Envelope = serde_json::from_str(&text).expect("deserializes");
        assert_eq!(back, envelope);
    }
}

#[test]
fn no_edges_give_no_factors() {
    for envelope in with_cutoff() {
        let none = Tensor::<2>::zeros([0, 1], &device());
        assert_eq!(envelope.forward(none).dims(), [0, 1], "{envelope:?}");
    }
}

#[test]
#[should_panic(expected = "Envelope: expected distances of shape [edges, 1], got [2, 5]")]
fn a_wrong_shape_panics_with_the_layer_and_both_shapes() {
    Envelope::polynomial(cutoff()).forward(Tensor::zeros([2, 5], &device()));
}

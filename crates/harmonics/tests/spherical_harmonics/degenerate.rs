//! Zero, tiny, huge and not-finite vectors, and the poles.

use steerable_harmonics::{Domain, SphericalHarmonics};

use super::{DOMAINS, assert_close_per_degree, jacobian};

#[test]
fn the_zero_vector_has_degree_zero_only_and_no_gradient() {
    for l_max in [0, 1, 3, 6] {
        let harmonics = SphericalHarmonics::new(l_max);
        let (values, derivatives) = jacobian(&harmonics, &[0.0, -0.0, 0.0]);
        assert_eq!(values[0], 1.0);
        assert!(values[1..].iter().all(|&y| y == 0.0), "{values:?}");
        assert!(derivatives.iter().all(|&d| d == 0.0), "{derivatives:?}");
        let mut gradient = [f64::NAN; 3];
        harmonics.pullback(&[0.0; 3], &vec![1.0; harmonics.dim()], &mut gradient);
        assert_eq!(gradient, [0.0; 3]);
    }
}

#[test]
fn solid_derivatives_at_zero_are_those_of_the_polynomials() {
    let harmonics = SphericalHarmonics::new(3).with_domain(Domain::Solid);
    let (values, derivatives) = jacobian(&harmonics, &[0.0; 3]);
    assert_eq!(values[0], 1.0);
    assert!(values[1..].iter().all(|&y| y == 0.0), "{values:?}");
    for (axis, row) in derivatives.chunks(16).enumerate() {
        for (k, &d) in row.iter().enumerate() {
            let expected = if k == 1 + axis { 3f64.sqrt() } else { 0.0 };
            assert!(
                (d - expected).abs() < 1e-15,
                "axis {axis}, component {k}: {d}"
            );
        }
    }
}

#[test]
fn tiny_and_huge_vectors_have_directions() {
    let harmonics = SphericalHarmonics::new(6);
    let lengths_f32 = [1e-29, 1e-20, 1e-12, 1e-6, 1e6, 1e12, 1e15, 1e20, 1e38];
    let lengths_f64 = [1e-289, 1e-200, 1e-140, 1e-20, 1e15, 1e140, 1e200, 1e307];
    for direction in [
        [0.6, 0.0, -0.8],
        [0.0, 1.0, 0.0],
        [0.36, -0.48, 0.8],
        [1.0, 1e-9, 0.0],
    ] {
        let expected = harmonics.single(direction);
        let (_, expected_derivatives) = jacobian(&harmonics, &direction);
        for length in lengths_f64 {
            let vector = direction.map(|x| x * length);
            let of = format!("{direction:?} times {length:e}");
            let (values, derivatives) = jacobian(&harmonics, &vector);
            assert_close_per_degree(&values, &expected, |_| 1e-13, &of);
            for (&got, &expected) in derivatives.iter().zip(&expected_derivatives) {
                assert!(got.is_finite(), "{of}: {got}");
                // Lengths that scale the derivatives out of the normal numbers lose digits.
                if length < 1e300 {
                    assert!((got * length - expected).abs() < 1e-12, "{of}: {got}");
                }
            }
        }
        for length in lengths_f32 {
            let vector = direction.map(|x| (x * length) as f32);
            let of = format!("{direction:?} times {length:e} in f32");
            let mut values = vec![f32::NAN; harmonics.dim()];
            let mut derivatives = vec![f32::NAN; 3 * harmonics.dim()];
            harmonics.values_and_jacobian(&vector, &mut values, &mut derivatives);
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            assert_close_per_degree(&values, &expected, |_| 28.0 * f64::from(f32::EPSILON), &of);
            assert!(
                derivatives.iter().all(|d| d.is_finite()),
                "{of}: {derivatives:?}"
            );
        }
    }
}

#[test]
fn vectors_too_short_for_a_finite_gradient_count_as_zero() {
    let harmonics = SphericalHarmonics::new(2);
    let mut values = [f32::NAN; 9];
    let mut derivatives = [f32::NAN; 27];
    harmonics.values_and_jacobian(&[1e-31, 0.0, 2e-40], &mut values, &mut derivatives);
    assert_eq!(values, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(derivatives, [0.0; 27]);
}

#[test]
fn a_vector_that_is_not_finite_never_looks_like_a_direction() {
    for domain in DOMAINS {
        let harmonics = SphericalHarmonics::new(2).with_domain(domain);
        for vector in [
            [f64::NAN, 0.0, 0.0],
            [0.0, 0.0, f64::NAN],
            [1.0, f64::NAN, 2.0],
        ] {
            let y = harmonics.single(vector);
            for l in 1..=2 {
                assert!(
                    y[harmonics.degree(l)].iter().any(|y| y.is_nan()),
                    "{vector:?}: {y:?}"
                );
            }
        }
        let y = harmonics.single([f64::INFINITY, 1.0, 0.0]);
        assert!(y[1..].iter().any(|y| !y.is_finite()), "{domain:?}: {y:?}");
    }
}

#[test]
fn the_gradient_is_the_same_next_to_the_pole_and_on_it() {
    let harmonics = SphericalHarmonics::new(8);
    for pole in [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]] {
        let (_, on) = jacobian(&harmonics, &pole);
        let (_, near) = jacobian(&harmonics, &[1e-9, pole[1], -1e-9]);
        assert!(on.iter().any(|&d| d.abs() > 1.0));
        for (k, (a, b)) in on.iter().zip(&near).enumerate() {
            // Second derivatives are at most (l + 1)² |Y_l|, about 400.
            assert!(
                (a - b).abs() < 1e-6,
                "{pole:?}, entry {k}: {a} on it, {b} beside it"
            );
        }
    }
}

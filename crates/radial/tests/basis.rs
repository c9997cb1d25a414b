//! The radial bases against their definitions, and what they promise at the ends.

mod support;

use std::f64::consts::PI;

use burn::tensor::{DType, Tensor};
use steerable_radial::{
    Cutoff, Ends, RadialBasis, RadialBasisConfig, RadialBasisKind, RadialError, Range,
};
use support::{
    DTYPES, column, device, differentiate, five_point_derivative, largest, oracle, relative_error,
    scattered, to_vec, tolerance, uneven,
};

const KINDS: [RadialBasisKind; 8] = [
    RadialBasisKind::Distance,
    RadialBasisKind::Gaussian,
    RadialBasisKind::Cosine,
    RadialBasisKind::SmoothFinite,
    RadialBasisKind::BSpline,
    RadialBasisKind::Fourier,
    RadialBasisKind::Bessel,
    RadialBasisKind::Chebyshev,
];

const ENDS: [Ends; 2] = [Ends::Free, Ends::Vanishing];

/// Every kind, both ends, several counts and ranges.
fn all_configs() -> Vec<RadialBasisConfig> {
    let ranges = [(0.0, 5.0), (0.75, 3.5), (-1.0, 12.0)];
    let mut configs = vec![RadialBasisConfig::distance()];
    for kind in KINDS.into_iter().skip(1) {
        for ends in ENDS {
            for count in [4, 7, 16] {
                for (start, end) in ranges {
                    let range = Range { start, end };
                    configs.push(RadialBasisConfig::new(kind, count, range).with_ends(ends));
                }
            }
        }
    }
    configs
}

fn unit(kind: RadialBasisKind, count: usize, ends: Ends) -> RadialBasisConfig {
    let range = Range {
        start: 0.0,
        end: 5.0,
    };
    RadialBasisConfig::new(kind, count, range).with_ends(ends)
}

fn values(basis: &RadialBasis, r: &[f64]) -> Vec<Vec<f64>> {
    to_vec(&basis.forward(column(r, DType::F64, &device())))
        .chunks(basis.num_features())
        .map(<[f64]>::to_vec)
        .collect()
}

#[test]
fn every_basis_equals_its_definition() {
    for config in all_configs() {
        let basis = config.init(&device());
        assert_eq!(basis.num_features(), config.count);
        let Range { start, end } = config.range;
        let r = scattered(start - 0.5, end + 0.5, 60);
        let expected: Vec<f64> = r
            .iter()
            .flat_map(|&r| (0..config.count).map(move |i| (i, r)))
            .map(|(i, r)| oracle::feature(&config, i, r))
            .collect();
        for dtype in DTYPES {
            let features = basis.forward(column(&r, dtype, &device()));
            assert_eq!(features.dims(), [r.len(), config.count]);
            assert_eq!(features.dtype(), dtype);
            let error = relative_error(&to_vec(&features), &expected);
            let tolerance = tolerance(dtype, oracle::largest_phase(&config));
            assert!(error < tolerance, "{config} {dtype:?}: {error:e}");
        }
    }
}

#[test]
fn gradients_equal_finite_differences_of_the_definition() {
    const H: f64 = 1e-4;
    for config in all_configs() {
        let basis = config.init(&device());
        let Range { start, end } = config.range;
        let kinks = oracle::kinks(&config);
        let mut r = scattered(start - 0.5, end + 0.5, 60);
        r.retain(|r| kinks.iter().all(|kink| (kink - r).abs() > 3.0 * H));
        let weighted = |r: f64| -> f64 {
            (0..config.count)
                .map(|i| uneven(i) * oracle::feature(&config, i, r))
                .sum()
        };
        let expected: Vec<f64> = r
            .iter()
            .map(|&r| five_point_derivative(weighted, r, H))
            .collect();
        let ours = differentiate(|r| basis.forward(r), &r, DType::F64, uneven);
        let error = relative_error(&ours.gradient, &expected);
        // H^4 f^(5) / 30 relative to f' is below 1e-10 for phases of 16 pi / 2.75 per angstrom, and
        // so are 1e-16 / H and the rounding of the arc cosine in the oracle.
        assert!(error < 1e-9, "{config}: {error:e}");
    }
}

#[test]
fn values_and_gradients_are_finite_at_zero_at_the_ends_and_beyond() {
    for config in all_configs() {
        let basis = config.init(&device());
        let Range { start, end } = config.range;
        let step = oracle::spacing(&config);
        let mut special = vec![0.0, 1e-30, 1e-12, 1e-4, start, end, 2.0 * end, 1e6, 1e15];
        special.extend((0..config.count).map(|i| oracle::centre(&config, i)));
        special.extend((0..config.count).map(|i| oracle::centre(&config, i) + step));
        special.retain(|r| r.is_finite());
        special.extend([start, end].map(|r| r * (1.0 + f64::EPSILON)));
        special.extend([start, end].map(|r| r * (1.0 + 1e-5)));
        for dtype in DTYPES {
            let ours = differentiate(|r| basis.forward(r), &special, dtype, uneven);
            let all = ours.values.iter().chain(&ours.gradient);
            assert!(all.into_iter().all(|v| v.is_finite()), "{config} {dtype:?}");
        }
    }
}

#[test]
fn vanishing_ends_give_exact_zeros_from_the_ends_on() {
    for kind in KINDS {
        if matches!(kind, RadialBasisKind::Distance | RadialBasisKind::Gaussian) {
            continue;
        }
        let config = unit(kind, 6, Ends::Vanishing);
        let basis = config.init(&device());
        for dtype in DTYPES {
            let outside = [-3.0, -1e-3, 5.0, 5.01, 40.0];
            let ours = differentiate(|r| basis.forward(r), &outside, dtype, uneven);
            assert_eq!(largest(&ours.values), 0.0, "{kind:?} {dtype:?}");
            assert_eq!(largest(&ours.gradient), 0.0, "{kind:?} {dtype:?}");
            // Continuous at the end: a step of 1e-6 of the range changes little.
            let near = to_vec(&basis.forward(column(&[5.0 - 5e-6], dtype, &device())));
            assert!(largest(&near) < 1e-3, "{kind:?} {dtype:?}: {near:?}");
        }
    }
}

#[test]
fn b_splines_are_a_partition_of_unity() {
    for count in [4, 5, 9, 32] {
        let basis = unit(RadialBasisKind::BSpline, count, Ends::Free).init(&device());
        let mut r = scattered(0.0, 5.0, 50);
        r.extend([0.0, 5.0]);
        for row in values(&basis, &r) {
            assert!(row.iter().all(|v| *v >= -1e-15), "{row:?}");
            let sum: f64 = row.iter().sum();
            assert!((sum - 1.0).abs() < 1e-13, "count {count}: {sum}");
        }
    }
}

#[test]
fn vanishing_b_splines_are_twice_differentiable_at_the_end() {
    let basis = unit(RadialBasisKind::BSpline, 8, Ends::Vanishing).init(&device());
    // A triple root: halving the distance to the end divides the value by 8.
    let rows = values(&basis, &[5.0 - 1e-3, 5.0 - 5e-4]);
    let (far, near) = (rows[0][7], rows[1][7]);
    assert!((far / near - 8.0).abs() < 1e-6, "{far} {near}");
}

/// `∫ f g w dr` over the range for all pairs of features, by the midpoint rule.
fn gram(basis: &RadialBasis, points: usize, weight: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    let step = 5.0 / points as f64;
    let r: Vec<f64> = (0..points).map(|i| (i as f64 + 0.5) * step).collect();
    let rows = values(basis, &r);
    let n = basis.num_features();
    let entry = |i: usize, j: usize| -> f64 {
        let sum: f64 = r
            .iter()
            .zip(&rows)
            .map(|(&r, row)| row[i] * row[j] * weight(r))
            .sum();
        sum * step
    };
    (0..n)
        .map(|i| (0..n).map(|j| entry(i, j)).collect())
        .collect()
}

fn assert_diagonal(gram: &[Vec<f64>], diagonal: impl Fn(usize) -> f64, tolerance: f64) {
    for (i, row) in gram.iter().enumerate() {
        for (j, &entry) in row.iter().enumerate() {
            let expected = if i == j { diagonal(i) } else { 0.0 };
            assert!((entry - expected).abs() < tolerance, "({i}, {j}): {entry}");
        }
    }
}

// The midpoint rule is exact for products of these waves as long as there are more points than
// twice the highest frequency, so that rounding is all the error there is.

#[test]
fn bessel_functions_are_orthonormal_in_the_ball() {
    for ends in ENDS {
        let basis = unit(RadialBasisKind::Bessel, 12, ends).init(&device());
        assert_diagonal(&gram(&basis, 64, |r| r * r), |_| 1.0, 1e-12);
    }
}

#[test]
fn fourier_functions_are_orthogonal() {
    let norm = 0.25 + 12.0 / 2.0;
    let half = 5.0 / 2.0 / norm;
    let basis = unit(RadialBasisKind::Fourier, 12, Ends::Vanishing).init(&device());
    assert_diagonal(&gram(&basis, 64, |_| 1.0), |_| half, 1e-12);
    let basis = unit(RadialBasisKind::Fourier, 12, Ends::Free).init(&device());
    let diagonal = |i| if i == 0 { 2.0 * half } else { half };
    assert_diagonal(&gram(&basis, 64, |_| 1.0), diagonal, 1e-12);
}

#[test]
fn chebyshev_polynomials_are_orthogonal_on_their_nodes() {
    const N: usize = 12;
    let basis = unit(RadialBasisKind::Chebyshev, N, Ends::Free).init(&device());
    let nodes: Vec<f64> = (0..N)
        .map(|i| 2.5 * (1.0 + (PI * (i as f64 + 0.5) / N as f64).cos()))
        .collect();
    let rows = values(&basis, &nodes);
    for i in 0..N {
        for j in 0..N {
            let sum: f64 = rows.iter().map(|row| row[i] * row[j]).sum();
            let expected = match (i, j) {
                (0, 0) => N as f64,
                _ if i == j => N as f64 / 2.0,
                _ => 0.0,
            };
            assert!((sum - expected).abs() < 1e-12, "({i}, {j}): {sum}");
        }
    }
}

#[test]
fn e3nn_bases_have_squares_that_sum_to_about_one_inside() {
    for kind in [
        RadialBasisKind::Gaussian,
        RadialBasisKind::Cosine,
        RadialBasisKind::SmoothFinite,
        RadialBasisKind::Fourier,
    ] {
        let basis = unit(kind, 10, Ends::Vanishing).init(&device());
        let rows = values(&basis, &scattered(1.0, 4.0, 200));
        let mean = rows.iter().flatten().map(|v| v * v).sum::<f64>() / rows.len() as f64;
        assert!((mean - 1.0).abs() < 0.05, "{kind:?}: {mean}");
    }
}

#[test]
fn bessel_takes_its_limit_at_zero_and_keeps_its_gradient_near_it() {
    let config = unit(RadialBasisKind::Bessel, 16, Ends::Free);
    for ends in ENDS {
        let basis = config.clone().with_ends(ends).init(&device());
        for dtype in DTYPES {
            let at_zero = to_vec(&basis.forward(column(&[0.0], dtype, &device())));
            let limit: Vec<f64> = (1..=16)
                .map(|k| (2.0_f64 / 5.0).sqrt() * f64::from(k) * PI / 5.0)
                .collect();
            let error = relative_error(&at_zero, &limit);
            assert!(
                error < tolerance(dtype, 1.0),
                "{ends:?} {dtype:?}: {error:e}"
            );

            // d/dr sin(kr)/r = -k^3 r/3 + k^5 r^3/30 - k^7 r^5/840 + .., good to 1e-16 where
            // k r < 0.01: the naive quotient loses every digit of this in f32.
            let r = [0.0, 1e-12, 1e-7, 1e-5, 1e-3];
            let ours = differentiate(|r| basis.forward(r), &r, dtype, uneven);
            for (&r, got) in r.iter().zip(&ours.gradient) {
                let expected: f64 = (1..=16)
                    .map(|k| {
                        let w = f64::from(k) * PI / 5.0;
                        let slope = -w.powi(3) * r / 3.0 + w.powi(5) * r.powi(3) / 30.0
                            - w.powi(7) * r.powi(5) / 840.0;
                        uneven(k as usize - 1) * (2.0_f64 / 5.0).sqrt() * slope
                    })
                    .sum();
                let allowed = tolerance(dtype, 16.0 * PI) * expected.abs();
                assert!(
                    (got - expected).abs() <= allowed,
                    "{ends:?} {dtype:?} at {r}: {got} for {expected}"
                );
            }
        }
    }
}

#[test]
fn the_distance_basis_is_the_distance() {
    let basis = RadialBasisConfig::distance().init(&device());
    let r = [0.0, 0.3, 7.0];
    assert_eq!(values(&basis, &r).concat(), r);
    assert_eq!(basis.num_features(), 1);
}

#[test]
fn no_edges_give_no_features() {
    for config in all_configs() {
        let basis = config.init(&device());
        for dtype in DTYPES {
            let none = Tensor::<2>::zeros([0, 1], (&device(), dtype));
            assert_eq!(basis.forward(none).dims(), [0, config.count], "{config}");
        }
    }
}

#[test]
fn a_range_up_to_a_cutoff_starts_at_zero() {
    let cutoff = Cutoff::new(6.5).expect("positive");
    let range = Range::up_to(cutoff);
    assert_eq!((range.start, range.end, range.length()), (0.0, 6.5, 6.5));
}

#[test]
fn impossible_configs_are_refused_with_their_values() {
    let device = device();
    let range = |start, end| Range { start, end };
    for (start, end) in [
        (1.0, 1.0),
        (2.0, 1.0),
        (0.0, f64::NAN),
        (f64::NEG_INFINITY, 0.0),
    ] {
        let config = RadialBasisConfig::new(RadialBasisKind::Bessel, 4, range(start, end));
        let error = config.try_init(&device).map(drop).expect_err("a bad range");
        assert!(matches!(error, RadialError::Range { .. }), "{error}");
    }
    for (kind, ends, least) in [
        (RadialBasisKind::BSpline, Ends::Free, 4),
        (RadialBasisKind::BSpline, Ends::Vanishing, 1),
        (RadialBasisKind::Gaussian, Ends::Free, 2),
        (RadialBasisKind::Cosine, Ends::Vanishing, 1),
        (RadialBasisKind::Fourier, Ends::Free, 1),
        (RadialBasisKind::Chebyshev, Ends::Free, 1),
    ] {
        let fits = unit(kind, least, ends).init(&device);
        let features = fits.forward(column(&[1.0, 2.0], DType::F64, &device));
        assert_eq!(features.dims(), [2, least]);
        assert!(largest(&to_vec(&features)).is_finite());
        let count = least - 1;
        let error = unit(kind, count, ends).try_init(&device).map(drop);
        assert_eq!(
            error,
            Err(RadialError::TooFewFeatures {
                kind,
                ends,
                least,
                count
            })
        );
    }
    let mut config = RadialBasisConfig::distance();
    config.count = 3;
    let error = config.try_init(&device).map(drop);
    assert_eq!(error, Err(RadialError::DistanceCount { count: 3 }));
}

#[test]
#[should_panic(expected = "needs at least 4 features, got 2")]
fn init_panics_with_the_error_of_try_init() {
    unit(RadialBasisKind::BSpline, 2, Ends::Free).init(&device());
}

#[test]
#[should_panic(expected = "RadialBasis: expected distances of shape [edges, 1], got [4, 3]")]
fn a_wrong_shape_panics_with_the_layer_and_both_shapes() {
    let basis = unit(RadialBasisKind::Bessel, 4, Ends::Free).init(&device());
    basis.forward(Tensor::zeros([4, 3], &device()));
}

#[test]
fn configs_survive_serialization() {
    for config in all_configs() {
        let text = serde_json::to_string(&config).expect("serializes");
        let back: RadialBasisConfig = serde_json::from_str(&text).expect("deserializes");
        assert_eq!(back, config);
    }
}

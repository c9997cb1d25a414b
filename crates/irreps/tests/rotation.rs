//! Rotations: every way to write one leads back to it.

mod properties;

use std::f64::consts::{FRAC_PI_2, PI};

use approx::assert_relative_eq;
use nalgebra::Matrix3;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use steerable_irreps::{EulerAngles, Inversion, O3Element, Quaternion, Rotation, RotationError};

/// A few roundings of numbers of size 1.
const ROUNDING: f64 = 1e-14;

fn axis_rotation(axis: usize, angle: f64) -> Matrix3<f64> {
    let (s, c) = angle.sin_cos();
    let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut matrix = Matrix3::identity();
    matrix[(i, i)] = c;
    matrix[(j, j)] = c;
    matrix[(j, i)] = s;
    matrix[(i, j)] = -s;
    matrix
}

fn distance(a: &Rotation, b: &Rotation) -> f64 {
    (a.matrix() - b.matrix()).amax()
}

/// Any angle, often one of the special ones or close to them.
fn angle() -> impl Strategy<Value = f64> {
    let special = prop_oneof![
        Just(0.0),
        Just(FRAC_PI_2),
        Just(-FRAC_PI_2),
        Just(PI),
        Just(-PI)
    ];
    let offset = prop_oneof![
        Just(0.0),
        Just(1e-300),
        Just(1e-15),
        Just(-1e-15),
        Just(1e-8),
        Just(-1e-8)
    ];
    prop_oneof![
        -10.0..10.0,
        (special, offset).prop_map(|(special, offset)| special + offset)
    ]
}

fn euler_angles() -> impl Strategy<Value = EulerAngles> {
    (angle(), angle(), angle()).prop_map(|(alpha, beta, gamma)| EulerAngles { alpha, beta, gamma })
}

/// Any rotation, often with quaternion components that are zero or tiny.
fn rotation() -> impl Strategy<Value = Rotation> {
    let component = || prop_oneof![-1.0..1.0, Just(0.0), Just(1.0), Just(1e-9), Just(-1e-170)];
    (component(), component(), component(), component()).prop_filter_map("zero", |(w, x, y, z)| {
        Rotation::from_quaternion(Quaternion { w, x, y, z }).ok()
    })
}

proptest! {
    #![proptest_config(properties::config(2000))]

    #[test]
    fn euler_angles_are_turns_about_y_x_y(angles in euler_angles()) {
        let expected = axis_rotation(1, angles.alpha)
            * axis_rotation(0, angles.beta)
            * axis_rotation(1, angles.gamma);
        prop_assert!((Rotation::from_euler(angles).matrix() - expected).amax() < ROUNDING);
    }

    #[test]
    fn euler_angles_round_trip(start in euler_angles()) {
        let rotation = Rotation::from_euler(start);
        let angles = rotation.euler();
        prop_assert!((0.0..=PI).contains(&angles.beta), "{angles:?}");
        prop_assert!(angles.alpha.abs() <= PI && angles.gamma.abs() <= PI, "{angles:?}");
        prop_assert!(distance(&Rotation::from_euler(angles), &rotation) < ROUNDING, "{angles:?}");
    }

    #[test]
    fn every_rotation_has_euler_angles(rotation in rotation()) {
        prop_assert!(distance(&Rotation::from_euler(rotation.euler()), &rotation) < ROUNDING);
    }

    #[test]
    fn matrices_round_trip(rotation in rotation()) {
        let back = Rotation::from_matrix(&rotation.matrix()).unwrap();
        prop_assert!(distance(&back, &rotation) < ROUNDING);
    }

    #[test]
    fn axis_and_angle_round_trip(rotation in rotation()) {
        let (axis, angle) = rotation.axis_angle();
        prop_assert!((0.0..=PI).contains(&angle));
        prop_assert!((axis.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < ROUNDING);
        let back = Rotation::from_axis_angle(axis, angle).unwrap();
        prop_assert!(distance(&back, &rotation) < ROUNDING);
    }

    #[test]
    fn quaternions_round_trip(rotation in rotation()) {
        let q = rotation.quaternion();
        let back: [f64; 4] = Rotation::from_quaternion(q).unwrap().quaternion().into();
        for (a, b) in back.into_iter().zip(<[f64; 4]>::from(q)) {
            prop_assert!((a - b).abs() < ROUNDING);
        }
        let negative = Quaternion { w: -q.w, x: -q.x, y: -q.y, z: -q.z };
        prop_assert_eq!(
            Rotation::from_quaternion(negative).unwrap(),
            Rotation::from_quaternion(q).unwrap()
        );
    }

    #[test]
    fn matrices_are_rotations(rotation in rotation()) {
        let matrix = rotation.matrix();
        prop_assert!((matrix.transpose() * matrix - Matrix3::identity()).amax() < ROUNDING);
        prop_assert!((matrix.determinant() - 1.0).abs() < ROUNDING);
    }

    #[test]
    fn products_inverses_and_application_agree_with_matrices(
        a in rotation(),
        b in rotation(),
        v in [-5.0..5.0_f64, -5.0..5.0, -5.0..5.0],
    ) {
        prop_assert!(((a * b).matrix() - a.matrix() * b.matrix()).amax() < ROUNDING);
        prop_assert!((a.inverse().matrix() - a.matrix().transpose()).amax() < ROUNDING);
        prop_assert!(distance(&(a * a.inverse()), &Rotation::identity()) < ROUNDING);
        let applied = nalgebra::Vector3::from(a.apply(v)) - a.matrix() * nalgebra::Vector3::from(v);
        prop_assert!(applied.amax() < 10.0 * ROUNDING);
    }

    #[test]
    fn axis_angle_of_any_scale_keeps_its_axis(
        axis in [-1.0..1.0_f64, -1.0..1.0, -1.0..1.0],
        angle in angle(),
        exponent in -300_i32..300,
    ) {
        prop_assume!(axis.iter().any(|x| x.abs() > 1e-3));
        let scaled = axis.map(|x| x * 10_f64.powi(exponent));
        let rotation = Rotation::from_axis_angle(scaled, angle).unwrap();
        let kept = rotation.apply(axis);
        prop_assert!((0..3).all(|i| (kept[i] - axis[i]).abs() < ROUNDING));
        prop_assert!((rotation.matrix().trace() - (1.0 + 2.0 * angle.cos())).abs() < ROUNDING);
    }
}

#[test]
fn a_positive_turn_about_z_takes_x_to_y() {
    let rotation = Rotation::from_axis_angle([0.0, 0.0, 2.0], FRAC_PI_2).unwrap();
    let [x, y, z] = rotation.apply([1.0, 0.0, 0.0]);
    assert_relative_eq!(
        nalgebra::Vector3::new(x, y, z),
        nalgebra::Vector3::y(),
        epsilon = 1e-15
    );
}

#[test]
fn at_gimbal_lock_gamma_is_zero() {
    let straight = Rotation::from_euler(EulerAngles {
        alpha: 0.5,
        beta: 0.0,
        gamma: 0.25,
    })
    .euler();
    assert_relative_eq!(straight.alpha, 0.75, epsilon = 1e-15);
    assert_eq!((straight.beta, straight.gamma), (0.0, 0.0));

    // Half turns written without rounding: cos(π/2) is not 0 in floating point.
    let turned = Rotation::from_quaternion([0.0, 3.0, 0.0, -4.0].into())
        .unwrap()
        .euler();
    assert_eq!((turned.beta, turned.gamma), (PI, 0.0));
    assert_relative_eq!(turned.alpha, 2.0 * 4.0_f64.atan2(3.0), epsilon = 1e-15);
}

#[test]
fn half_turns_have_an_axis() {
    let (axis, angle) = Rotation::from_quaternion([0.0, 0.0, -3.0, 4.0].into())
        .unwrap()
        .axis_angle();
    assert_eq!(angle, PI);
    assert_relative_eq!(
        axis.as_slice(),
        [0.0, 0.6, -0.8].as_slice(),
        epsilon = 1e-15
    );
    assert_eq!(Rotation::identity().axis_angle(), ([0.0, 1.0, 0.0], 0.0));
}

#[test]
fn tiny_turns_keep_their_angle() {
    let (axis, angle) = Rotation::from_axis_angle([3.0, 0.0, 4.0], 1e-200)
        .unwrap()
        .axis_angle();
    assert_relative_eq!(angle, 1e-200, max_relative = 1e-14);
    assert_relative_eq!(axis.as_slice(), [0.6, 0.0, 0.8].as_slice(), epsilon = 1e-15);
}

/// Under the Haar measure every entry of R has mean 0 and mean square 1/3, and the angle has the
/// density (1 - cos φ) / π.
#[test]
fn random_rotations_are_haar_distributed() {
    const SEED: u64 = 5;
    const N: usize = 40_000;
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut mean, mut square) = (Matrix3::zeros(), Matrix3::zeros());
    let mut below_half_pi = 0;
    for _ in 0..N {
        let rotation = Rotation::random(&mut rng);
        let matrix = rotation.matrix();
        mean += matrix / N as f64;
        square += matrix.component_mul(&matrix) / N as f64;
        below_half_pi += usize::from(rotation.axis_angle().1 < FRAC_PI_2);
    }
    // Five standard deviations of a mean of N numbers of at most unit variance.
    let tolerance = 5.0 / (N as f64).sqrt();
    assert!(mean.amax() < tolerance, "seed {SEED}: {mean}");
    assert!(
        (square.add_scalar(-1.0 / 3.0)).amax() < tolerance,
        "seed {SEED}: {square}"
    );
    let fraction = below_half_pi as f64 / N as f64;
    assert!(
        (fraction - (0.5 - 1.0 / PI)).abs() < tolerance,
        "seed {SEED}: {fraction}"
    );
}

#[test]
fn the_same_seed_gives_the_same_rotations() {
    let draw = || Rotation::random(&mut StdRng::seed_from_u64(9));
    assert_eq!(draw(), draw());
}

#[test]
fn numbers_that_are_no_rotation_are_refused() {
    let quaternion = |q: [f64; 4]| Rotation::from_quaternion(q.into());
    assert_eq!(quaternion([0.0; 4]), Err(RotationError::ZeroQuaternion));
    assert_eq!(
        quaternion([0.0, -0.0, 0.0, -0.0]),
        Err(RotationError::ZeroQuaternion)
    );
    assert_eq!(
        quaternion([1.0, f64::INFINITY, 0.0, 0.0]),
        Err(RotationError::NotFinite(f64::INFINITY))
    );
    assert_eq!(
        Rotation::from_axis_angle([0.0; 3], 1.0),
        Err(RotationError::ZeroAxis)
    );
    assert_eq!(
        Rotation::from_axis_angle([0.0; 3], 0.0),
        Ok(Rotation::identity())
    );
    assert!(Rotation::from_axis_angle([1.0, 0.0, 0.0], f64::NAN).is_err());

    let reflection = Matrix3::from_diagonal(&[1.0, -1.0, 1.0].into());
    assert_eq!(
        Rotation::from_matrix(&reflection),
        Err(RotationError::Reflection)
    );
    for (matrix, deviation) in [
        (Matrix3::identity() * 1.1, 0.21),
        (Matrix3::zeros(), 1.0),
        (
            Matrix3::new(1.0, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
            0.1,
        ),
        (Matrix3::identity() * 1e200, f64::INFINITY),
    ] {
        match Rotation::from_matrix(&matrix) {
            Err(RotationError::NotOrthogonal {
                deviation: found, ..
            }) => {
                assert_relative_eq!(found, deviation, epsilon = 1e-12);
            }
            other => panic!("{matrix} gave {other:?}"),
        }
    }
    assert!(matches!(
        Rotation::from_matrix(&Matrix3::repeat(f64::NAN)),
        Err(RotationError::NotFinite(x)) if x.is_nan()
    ));
}

#[test]
#[should_panic(expected = "Rotation::from_euler: a rotation needs finite numbers, got NaN")]
fn euler_angles_must_be_finite() {
    let _ = Rotation::from_euler(EulerAngles {
        alpha: 0.0,
        beta: f64::NAN,
        gamma: 0.0,
    });
}

#[test]
fn quaternions_of_any_length_are_normalized() {
    for scale in [1e-320, 1e-200, 1.0, 1e200, f64::MAX] {
        let q = Quaternion {
            w: scale,
            x: scale,
            y: -scale,
            z: scale,
        };
        let q = Rotation::from_quaternion(q).unwrap().quaternion();
        assert_eq!(
            <[f64; 4]>::from(q),
            [0.5, 0.5, -0.5, 0.5],
            "scale {scale:e}"
        );
    }
}

#[test]
fn matrices_rounded_to_f32_are_accepted() {
    const SEED: u64 = 6;
    let mut rng = StdRng::seed_from_u64(SEED);
    for _ in 0..1000 {
        let rotation = Rotation::random(&mut rng);
        let rounded = rotation.matrix().map(|x| f64::from(x as f32));
        let back = Rotation::from_matrix(&rounded).unwrap_or_else(|e| panic!("seed {SEED}: {e}"));
        assert!(
            distance(&back, &rotation) < 4.0 * f64::from(f32::EPSILON),
            "seed {SEED}"
        );
    }
}

#[test]
fn elements_of_o3_compose_like_their_matrices() {
    const SEED: u64 = 7;
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut improper = 0;
    for _ in 0..200 {
        let (a, b) = (O3Element::random(&mut rng), O3Element::random(&mut rng));
        improper += usize::from(a.inversion == Inversion::Improper);
        assert!(
            ((a * b).matrix() - a.matrix() * b.matrix()).amax() < ROUNDING,
            "seed {SEED}"
        );
        assert!((a.inverse().matrix() * a.matrix() - Matrix3::identity()).amax() < ROUNDING);
        assert_relative_eq!(
            a.matrix().determinant(),
            a.inversion.sign(),
            epsilon = ROUNDING
        );
        let back = O3Element::from_matrix(&a.matrix()).unwrap();
        assert_eq!(back.inversion, a.inversion, "seed {SEED}");
        assert!(
            (back.matrix() - a.matrix()).amax() < ROUNDING,
            "seed {SEED}"
        );
        let v = [1.0, -2.0, 0.5];
        let applied = nalgebra::Vector3::from(a.apply(v)) - a.matrix() * nalgebra::Vector3::from(v);
        assert!(applied.amax() < ROUNDING, "seed {SEED}");
    }
    assert!(
        (50..150).contains(&improper),
        "seed {SEED}: {improper} of 200 are improper"
    );
}

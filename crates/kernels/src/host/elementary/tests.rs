//! Errors against the standard library's functions in f64, or slow series.

use std::f64::consts::PI;

use super::super::simd::{Loop, dispatch};
use super::*;

/// A function of one number for both types and all instructions.
trait Formula: Copy {
    fn at<T: Elementary, I: Instructions>(self, x: T) -> T;
}

macro_rules! formula {
    ($name:ident, $x:ident => $value:expr) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Formula for $name {
            #[inline(always)]
            fn at<T: Elementary, I: Instructions>(self, $x: T) -> T {
                $value
            }
        }
    };
}

formula!(Exp, x => exp::<T, I>(x));
formula!(ExpM1, x => exp_m1::<T, I>(x));
formula!(Ln1p, u => two_atanh::<T, I>(u / (T::of(2.0) + u)));
formula!(Tail, x => NormalTail::of::<I>(x).tail);

struct All<'a, F, T>(F, &'a mut [T]);

impl<F: Formula, T: Elementary> Loop for All<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        for x in self.1 {
            *x = self.0.at::<T, I>(*x);
        }
    }
}

/// With fused multiply-adds where the machine has them, and without.
fn both<F: Formula, T: Elementary>(formula: F, points: &[T]) -> [Vec<T>; 2] {
    let (mut fused, mut separate) = (points.to_vec(), points.to_vec());
    dispatch(All(formula, &mut fused));
    All(formula, &mut separate).run::<super::super::simd::Separate>();
    [fused, separate]
}

/// The largest error in units in the last place of the exact result.
fn error_f32(formula: impl Formula, points: &[f32], exact: impl Fn(f64) -> f64) -> f64 {
    both(formula, points)
        .iter()
        .flatten()
        .zip(points.iter().cycle())
        .fold(0.0, |worst, (&got, &x)| {
            let want = exact(f64::from(x));
            if want.abs() > f64::from(f32::MAX) {
                assert!(
                    got == want.signum() as f32 * f32::INFINITY || got.abs() == f32::MAX,
                    "{x}: {got}"
                );
                return worst;
            }
            let unit = f64::from((want as f32).abs().next_up()) - f64::from((want as f32).abs());
            let error = (f64::from(got) - want).abs() / unit;
            assert!(error.is_finite(), "at {x}: {got}, expected {want}");
            error.max(worst)
        })
}

fn error_f64(formula: impl Formula, points: &[f64], exact: impl Fn(f64) -> f64) -> f64 {
    both(formula, points)
        .iter()
        .flatten()
        .zip(points.iter().cycle())
        .fold(0.0, |worst, (&got, &x)| {
            let want = exact(x);
            if want.is_infinite() {
                assert_eq!(got, want, "{x}");
                return worst;
            }
            let error = (got - want).abs() / (want.abs().next_up() - want.abs());
            assert!(error.is_finite(), "at {x}: {got}, expected {want}");
            error.max(worst)
        })
}

/// Points of `low..high`, and of decades around zero where both signs are in it.
fn points(low: f64, high: f64, count: usize) -> Vec<f64> {
    let even = (0..=count).map(|i| low + (high - low) * i as f64 / count as f64);
    let small = (0..2000).map(|i| 10.0_f64.powf(-f64::from(i) / 100.0));
    let small = small
        .flat_map(|x| [x, -x])
        .filter(|x| (low..=high).contains(x));
    even.chain(small).collect()
}

fn rounded(points: &[f64]) -> Vec<f32> {
    points.iter().map(|&x| x as f32).collect()
}

#[test]
fn exp_is_right_to_one_and_a_half_units_over_the_whole_range() {
    let worst = error_f32(Exp, &rounded(&points(-110.0, 95.0, 200_000)), f64::exp);
    println!("exp f32: {worst:.3}");
    assert!(worst <= 1.5, "f32: {worst}");
    let worst = error_f64(Exp, &points(-760.0, 715.0, 200_000), f64::exp);
    println!("exp f64: {worst:.3}");
    // The library's own half unit and more is in it.
    assert!(worst <= 1.5, "f64: {worst}");
}

#[test]
fn exp_of_what_is_not_a_number_or_has_no_end() {
    let special = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        0.0,
        -0.0,
    ];
    for got in both(Exp, &special) {
        assert!(got[0].is_nan());
        assert_eq!(got[1..], [f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0]);
    }
    for got in both(Exp, &special.map(f64::from)) {
        assert!(got[0].is_nan());
        assert_eq!(got[1..], [f64::INFINITY, 0.0, f64::INFINITY, 0.0, 1.0, 1.0]);
    }
}

#[test]
fn exp_m1_is_right_to_three_units() {
    let points = points(-60.0, 0.0, 200_000);
    let worst = error_f32(ExpM1, &rounded(&points), f64::exp_m1);
    println!("exp_m1 f32: {worst:.3}");
    assert!(worst <= 3.0, "f32: {worst}");
    let worst = error_f64(ExpM1, &points, f64::exp_m1);
    println!("exp_m1 f64: {worst:.3}");
    assert!(worst <= 3.0, "f64: {worst}");
    for got in both(ExpM1, &[f64::NAN, f64::NEG_INFINITY, 0.0]) {
        assert!(got[0].is_nan());
        assert_eq!(got[1..], [-1.0, 0.0]);
    }
}

#[test]
fn the_logarithm_is_right_to_three_units() {
    let points = points(-0.5, 1.0, 200_000);
    let worst = error_f32(Ln1p, &rounded(&points), f64::ln_1p);
    println!("ln_1p f32: {worst:.3}");
    assert!(worst <= 3.0, "f32: {worst}");
    let worst = error_f64(Ln1p, &points, f64::ln_1p);
    println!("ln_1p f64: {worst:.3}");
    assert!(worst <= 3.0, "f64: {worst}");
}

/// `Q(|x|)`: a series next to zero, Laplace's continued fraction further out.
fn upper_tail(x: f64) -> f64 {
    let a = x.abs();
    let density = (-0.5 * a * a).exp() / (2.0 * PI).sqrt();
    if a < 1.0 {
        let (mut term, mut sum) = (a, 0.0);
        for n in 0..40 {
            sum += term;
            term *= a * a / f64::from(2 * n + 3);
        }
        return 0.5 - sum * density;
    }
    let fraction = (1..=2000).rev().fold(a, |rest, n| a + f64::from(n) / rest);
    density / fraction
}

#[test]
fn the_normal_tail_is_right_to_a_few_units_and_the_rounding_of_its_exponent() {
    let points = points(-9.0, 9.0, 3_000);
    let weighed = |unit: f64| move |x: f64| 8.0 + unit * x * x;
    let relative = |got: f64, x: f64, epsilon: f64, units: f64| {
        let error = (got / upper_tail(x) - 1.0).abs() / epsilon;
        assert!(error <= units, "at {x}: {error} units");
        error
    };
    let singles = rounded(&points);
    for got in both(Tail, &singles) {
        for (&got, &x) in got.iter().zip(&singles) {
            let x = f64::from(x);
            relative(f64::from(got), x, f64::from(f32::EPSILON), weighed(0.5)(x));
        }
    }
    for got in both(Tail, &points) {
        for (&got, &x) in got.iter().zip(&points) {
            relative(got, x, f64::EPSILON, weighed(1.0)(x));
        }
    }
}

#[test]
fn the_normal_tail_ends_in_zero_and_shows_a_nan() {
    for got in both(Tail, &[f64::NAN, f64::INFINITY, 1e30, -1e300, 0.0]) {
        assert!(got[0].is_nan());
        assert_eq!(got[1..4], [0.0; 3]);
        assert!((got[4] - 0.5).abs() <= f64::EPSILON);
    }
}

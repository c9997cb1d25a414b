//! The gradient check accepts right gradients, refuses wrong ones, and says when it cannot tell.

use steerable_testkit::{GradientCheck, GradientClaim, GradientReport, Stencil};

const STENCILS: [Stencil; 2] = [Stencil::Second, Stencil::Fourth];

/// `f = exp(x0 / 2) sin(x1) + x2^3 x0 + 1e-3 cos(3 x3)` and its gradient.
fn function(x: &[f64]) -> f64 {
    (x[0] / 2.0).exp() * x[1].sin() + x[2].powi(3) * x[0] + 1e-3 * (3.0 * x[3]).cos()
}

fn gradient(x: &[f64]) -> Vec<f64> {
    let exp = (x[0] / 2.0).exp();
    vec![
        exp * x[1].sin() / 2.0 + x[2].powi(3),
        exp * x[1].cos(),
        3.0 * x[2].powi(2) * x[0],
        -3e-3 * (3.0 * x[3]).sin(),
    ]
}

const POINTS: [[f64; 4]; 3] = [
    [0.3, -1.1, 0.8, 0.4],
    [-2.0, 0.1, 1.7, -1.3],
    [4.0, 9.0, -2.5, 100.3],
];

fn check(stencil: Stencil, at: &[f64], claimed: &[f64]) -> GradientReport {
    let claim = GradientClaim {
        at,
        gradient: claimed,
    };
    GradientCheck::with_stencil(stencil).run(claim, function)
}

#[test]
fn a_right_gradient_passes_at_both_orders() {
    for (stencil, bound) in STENCILS.into_iter().zip([1e-8, 1e-10]) {
        for at in POINTS {
            let report = check(stencil, &at, &gradient(&at));
            report.assert_ok();
            assert!(report.error < bound, "{stencil:?} at {at:?}: {report}");
        }
    }
}

#[test]
fn an_error_of_one_in_a_million_is_refused_in_every_coordinate() {
    for stencil in STENCILS {
        for at in POINTS {
            let right = gradient(&at);
            let largest = right
                .iter()
                .fold(0.0, |largest: f64, x| x.abs().max(largest));
            for index in 0..right.len() {
                let mut wrong = right.clone();
                wrong[index] += 1e-6 * largest;
                let report = check(stencil, &at, &wrong);
                let failures: Vec<usize> = report.failures.iter().map(|c| c.index).collect();
                assert_eq!(failures, [index], "{stencil:?} at {at:?}: {report}");
            }
        }
    }
}

#[test]
fn a_gradient_with_a_part_cut_off_is_refused() {
    // The small term alone, as if its input had been detached from the graph.
    let at = POINTS[0];
    let mut detached = gradient(&at);
    detached[3] = 0.0;
    assert!(!check(Stencil::Fourth, &at, &detached).passed());
}

#[test]
fn a_kink_is_unresolved_and_fails() {
    for stencil in STENCILS {
        let claim = GradientClaim {
            at: &[0.0, 1.0],
            gradient: &[0.0, 1.0],
        };
        // Off centre by less than the step, so that symmetry does not hide the kink.
        let kink = |x: &[f64]| (x[0] + 1e-6).abs() + x[1];
        let report = GradientCheck::with_stencil(stencil).run(claim, kink);
        assert!(!report.failures[0].resolved(), "{report}");
        assert!(report.to_string().contains("cannot tell"));
    }
}

#[test]
fn a_function_computed_in_f32_is_unresolved_and_fails() {
    let at = POINTS[0];
    let claimed = gradient(&at);
    let claim = GradientClaim {
        at: &at,
        gradient: &claimed,
    };
    let report = GradientCheck::new().run(claim, |x| f64::from(function(x) as f32));
    assert!(report.failures.iter().any(|c| !c.resolved()), "{report}");
}

#[test]
fn a_gradient_that_is_not_finite_is_refused() {
    let at = POINTS[0];
    let mut claimed = gradient(&at);
    claimed[1] = f64::NAN;
    let report = check(Stencil::Fourth, &at, &claimed);
    assert!(!report.passed() && report.error.is_nan());
    let claim = GradientClaim {
        at: &[0.0],
        gradient: &[1.0],
    };
    assert!(
        !GradientCheck::new()
            .run(claim, |x| 1.0 / x[0].min(0.0))
            .passed()
    );
}

#[test]
fn a_function_that_does_not_change_passes_with_a_note() {
    let claim = GradientClaim {
        at: &[1.0, 2.0],
        gradient: &[0.0, 0.0],
    };
    let report = GradientCheck::new().run(claim, |_| 3.0);
    report.assert_ok();
    assert!(report.to_string().contains("does not change at all"));
    let claim = GradientClaim {
        at: &[1.0, 2.0],
        gradient: &[0.0, 1e-9],
    };
    assert!(!GradientCheck::new().run(claim, |_| 0.0).passed());
}

#[test]
fn a_floor_gives_a_stationary_point_its_scale() {
    // The minimum of |x - c|^2, expanded, so that rounding moves the differences off zero.
    let centre = [0.1, -0.7, 1.3];
    let bowl = |x: &[f64]| {
        let terms = x.iter().zip(centre);
        terms.map(|(x, c)| x * x - 2.0 * x * c + c * c).sum::<f64>()
    };
    let claim = GradientClaim {
        at: &centre,
        gradient: &[0.0; 3],
    };
    assert!(!GradientCheck::new().run(claim, bowl).passed());
    GradientCheck::new().floor(1.0).run(claim, bowl).assert_ok();
    let wrong = GradientClaim {
        gradient: &[0.0, 1e-6, 0.0],
        ..claim
    };
    assert!(!GradientCheck::new().floor(1.0).run(wrong, bowl).passed());
}

#[test]
fn a_step_can_follow_the_length_scale_of_the_function() {
    let fast = |x: &[f64]| (1e4 * x[0]).sin();
    let claimed = [1e4 * 3e3_f64.cos()];
    let claim = GradientClaim {
        at: &[0.3],
        gradient: &claimed,
    };
    assert!(!GradientCheck::new().run(claim, fast).passed());
    GradientCheck::new().step(1e-7).run(claim, fast).assert_ok();
}

#[test]
#[should_panic(expected = "1 of 4 coordinates failed")]
fn assert_ok_panics_with_the_report() {
    let at = POINTS[1];
    let mut wrong = gradient(&at);
    wrong[2] *= 1.01;
    check(Stencil::Fourth, &at, &wrong).assert_ok();
}

#[test]
#[should_panic(expected = "another length")]
fn a_gradient_of_another_length_panics() {
    check(Stencil::Second, &POINTS[0], &[1.0]);
}

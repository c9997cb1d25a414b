//! The bases by their definitions, one feature of one distance at a time.

use std::f64::consts::PI;

use steerable_radial::{Ends, RadialBasisConfig, RadialBasisKind};

/// Feature `i` of the basis at distance `r`.
pub(crate) fn feature(config: &RadialBasisConfig, i: usize, r: f64) -> f64 {
    let RadialBasisConfig {
        kind,
        count,
        range,
        ends,
    } = config.clone();
    let length = range.end - range.start;
    let x = (r - range.start) / length;
    let inside = x > 0.0 && x < 1.0;
    let wave = (0.25 + count as f64 / 2.0).sqrt();
    let k = i as f64;
    match (kind, ends) {
        (RadialBasisKind::Distance, _) => r,
        (RadialBasisKind::Gaussian, _) => {
            let d = (r - centre(config, i)) / spacing(config);
            (-d * d).exp() / 1.12
        }
        (RadialBasisKind::Cosine, _) => {
            let d = (r - centre(config, i)) / spacing(config);
            if d.abs() < 1.0 {
                (PI / 2.0 * d).cos()
            } else {
                0.0
            }
        }
        (RadialBasisKind::SmoothFinite, _) => {
            let d = (r - centre(config, i)) / spacing(config);
            1.14136 * 2.0_f64.exp() * soft_unit_step(d + 1.0) * soft_unit_step(1.0 - d)
        }
        (RadialBasisKind::BSpline, _) => {
            let h = spacing(config);
            let knots: Vec<f64> = (-2..=2)
                .map(|j| centre(config, i) + f64::from(j) * h)
                .collect();
            cox_de_boor(&knots, r)
        }
        (RadialBasisKind::Fourier, Ends::Free) => (PI * k * x).cos() / wave,
        (RadialBasisKind::Fourier, Ends::Vanishing) if inside => (PI * (k + 1.0) * x).sin() / wave,
        (RadialBasisKind::Fourier, Ends::Vanishing) => 0.0,
        (RadialBasisKind::Bessel, Ends::Vanishing) if !(0.0..1.0).contains(&x) => 0.0,
        (RadialBasisKind::Bessel, _) => {
            let frequency = (k + 1.0) * PI / length;
            (2.0 / length).sqrt() * frequency * sinc(frequency * (r - range.start))
        }
        (RadialBasisKind::Chebyshev, Ends::Free) => chebyshev(i, (2.0 * x - 1.0).clamp(-1.0, 1.0)),
        (RadialBasisKind::Chebyshev, Ends::Vanishing) if inside => {
            let t = 2.0 * x - 1.0;
            chebyshev(i + 2, t) - chebyshev(i % 2, t)
        }
        (RadialBasisKind::Chebyshev, Ends::Vanishing) => 0.0,
        (kind, _) => panic!("no oracle for {kind:?}"),
    }
}

pub(crate) fn soft_unit_step(x: f64) -> f64 {
    if x > 0.0 { (-1.0 / x).exp() } else { 0.0 }
}

/// The spacing of the grid of a local basis.
pub(crate) fn spacing(config: &RadialBasisConfig) -> f64 {
    let intervals = match (config.kind, config.ends) {
        (RadialBasisKind::BSpline, Ends::Free) => config.count - 3,
        (RadialBasisKind::BSpline, Ends::Vanishing) => config.count + 3,
        (_, Ends::Free) => config.count - 1,
        (_, Ends::Vanishing) => config.count + 1,
    };
    (config.range.end - config.range.start) / intervals as f64
}

/// Centre `i` of the grid of a local basis.
pub(crate) fn centre(config: &RadialBasisConfig, i: usize) -> f64 {
    let first = match (config.kind, config.ends) {
        (RadialBasisKind::BSpline, Ends::Free) => -1.0,
        (RadialBasisKind::BSpline, Ends::Vanishing) => 2.0,
        (_, Ends::Free) => 0.0,
        (_, Ends::Vanishing) => 1.0,
    };
    config.range.start + (first + i as f64) * spacing(config)
}

/// Where the slope of some feature jumps (B-spline: its third derivative).
pub(crate) fn kinks(config: &RadialBasisConfig) -> Vec<f64> {
    let ends = vec![config.range.start, config.range.end];
    match (config.kind, config.ends) {
        (RadialBasisKind::Cosine, _) => (0..config.count)
            .flat_map(|i| {
                let (c, h) = (centre(config, i), spacing(config));
                [c - h, c + h]
            })
            .collect(),
        (RadialBasisKind::BSpline, _) => (0..config.count + 4)
            .map(|i| centre(config, 0) + (i as f64 - 2.0) * spacing(config))
            .collect(),
        (RadialBasisKind::Fourier | RadialBasisKind::Bessel, Ends::Vanishing) => ends,
        (RadialBasisKind::Chebyshev, _) => ends,
        _ => Vec::new(),
    }
}

/// The largest phase of a feature in or near the range, for `tolerance`.
pub(crate) fn largest_phase(config: &RadialBasisConfig) -> f64 {
    let n = config.count as f64;
    let offset = config.range.start.abs().max(config.range.end.abs())
        / (config.range.end - config.range.start);
    match config.kind {
        RadialBasisKind::Distance => 1.0,
        // Chebyshev polynomials have slopes of k^2 at the ends, others a phase of pi k x.
        RadialBasisKind::Chebyshev => (n + 2.0).powi(2) * offset,
        _ => PI * (n + 3.0) * offset,
    }
}

fn sinc(z: f64) -> f64 {
    if z.abs() < 1e-4 {
        1.0 - z * z / 6.0
    } else {
        z.sin() / z
    }
}

fn chebyshev(k: usize, t: f64) -> f64 {
    (k as f64 * t.acos()).cos()
}

/// The B-spline on these knots, by the recursion of Cox and de Boor.
fn cox_de_boor(knots: &[f64], r: f64) -> f64 {
    if let [left, right] = *knots {
        return if left <= r && r < right { 1.0 } else { 0.0 };
    }
    let last = knots.len() - 1;
    let rising = (r - knots[0]) / (knots[last - 1] - knots[0]);
    let falling = (knots[last] - r) / (knots[last] - knots[1]);
    rising * cox_de_boor(&knots[..last], r) + falling * cox_de_boor(&knots[1..], r)
}

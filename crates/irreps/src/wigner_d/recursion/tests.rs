use rand::{SeedableRng, rngs::StdRng};

use super::*;

const L_MAX: usize = 16;
const SEED: u64 = 3;

fn rotations() -> Vec<Rotation> {
    let mut rng = StdRng::seed_from_u64(SEED);
    // One more than fills registers of any width.
    (0..17).map(|_| Rotation::random(&mut rng)).collect()
}

fn assert_equals_plain_arithmetic(name: &str, dispatch: impl FnOnce(Fill<'_>)) {
    let rotations = rotations();
    let steps: Vec<Degree> = (2..=L_MAX).map(Degree::new).collect();
    let n = rotations.len() * offset(L_MAX + 1);
    let (mut plain, mut wide) = (vec![f64::NAN; n], vec![f64::NAN; n]);
    let fill = |out| Fill {
        l_max: L_MAX,
        steps: &steps,
        rotations: &rotations,
        out,
    };
    fill(&mut plain).with_simd(pulp::Scalar);
    dispatch(Fill {
        out: &mut wide,
        ..fill(&mut [])
    });
    for (entry, (a, b)) in plain.iter().zip(&wide).enumerate() {
        // Fused multiply-add rounds once where plain arithmetic rounds twice: a few roundings of
        // numbers up to 1 for each degree.
        let tolerance = 4.0 * L_MAX as f64 * f64::EPSILON;
        assert!(
            (a - b).abs() <= tolerance,
            "seed {SEED}, {name}, entry {entry}: {a} and {b}"
        );
    }
}

#[test]
fn the_widest_registers_agree_with_plain_arithmetic() {
    assert_equals_plain_arithmetic("Arch", |fill| pulp::Arch::new().dispatch(fill));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn every_x86_width_agrees_with_plain_arithmetic() {
    if let Some(v3) = pulp::x86::V3::try_new() {
        assert_equals_plain_arithmetic("AVX2", |fill| Simd::vectorize(v3, fill));
    }
    if let Some(v4) = pulp::x86::V4::try_new() {
        assert_equals_plain_arithmetic("AVX-512", |fill| Simd::vectorize(v4, fill));
    }
}

//! Layouts and the action on feature rows.

mod properties;

use nalgebra::DVector;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use steerable_irreps::{Irreps, Layout, O3Element, Parity, Rotation, wigner_d};

const SEED: u64 = 11;

fn irreps(text: &str) -> Irreps {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn features(irreps: &Irreps, rows: usize) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(SEED);
    (0..rows * irreps.dim())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect()
}

fn error(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

#[test]
fn layouts_place_channels_and_components() {
    let list = irreps("2x1 + 1x0 + 0x3 + 3x0");
    let mul_ir: Vec<u32> = (0..20).collect();
    let ir_mul = list.convert_layout(Layout::MulIr, Layout::IrMul, &mul_ir);
    assert_eq!(ir_mul[..10], [0, 3, 1, 4, 2, 5, 6, 7, 8, 9]);
    assert_eq!(ir_mul[10..], [10, 13, 11, 14, 12, 15, 16, 17, 18, 19]);
}

proptest! {
    #![proptest_config(properties::config(200))]

    #[test]
    fn layouts_round_trip(muls in [0_usize..5, 0_usize..5, 0_usize..5], rows in 0_usize..4) {
        let list = irreps(&format!("{}x2 + {}x0 + {}x1", muls[0], muls[1], muls[2]));
        let start: Vec<usize> = (0..rows * list.dim()).collect();
        for (from, to) in [
            (Layout::MulIr, Layout::IrMul),
            (Layout::IrMul, Layout::MulIr),
            (Layout::MulIr, Layout::MulIr),
        ] {
            let there = list.convert_layout(from, to, &start);
            prop_assert_eq!(&list.convert_layout(to, from, &there), &start);
        }
    }
}

/// The slow, obvious way: channel by channel with a matrix product.
#[test]
fn the_action_multiplies_every_channel_by_wigner_d() {
    let list = irreps("3x1o + 2x0e + 0x4e + 4x2e + 1x0o + 2x3o + 2x1e");
    let rows = 3;
    let x = features(&list, rows);
    let mut rng = StdRng::seed_from_u64(SEED);
    for _ in 0..6 {
        let element = O3Element::random(&mut rng);
        let y = list.act(&element, Layout::MulIr, &x);
        let mut at = 0;
        for _ in 0..rows {
            for block in &list {
                let parity = block.irrep.parity() == Some(Parity::Odd);
                let sign = if parity {
                    element.inversion.sign()
                } else {
                    1.0
                };
                let d = wigner_d(block.irrep.l(), &element.rotation);
                for _ in 0..block.mul {
                    let channel = at..at + block.irrep.dim();
                    let expected = sign * &d * DVector::from_column_slice(&x[channel.clone()]);
                    assert!(
                        error(&y[channel], expected.as_slice()) < 1e-14,
                        "seed {SEED}"
                    );
                    at += block.irrep.dim();
                }
            }
        }
        assert_eq!(at, x.len());
    }
}

#[test]
fn the_action_does_not_depend_on_the_layout() {
    let list = irreps("3x1o + 2x0e + 4x2e + 2x3o");
    let element = O3Element::random(&mut StdRng::seed_from_u64(SEED));
    let x = features(&list, 4);
    let there = list.convert_layout(Layout::MulIr, Layout::IrMul, &x);
    let acted = list.act(&element, Layout::IrMul, &there);
    let back = list.convert_layout(Layout::IrMul, Layout::MulIr, &acted);
    assert_eq!(back, list.act(&element, Layout::MulIr, &x), "seed {SEED}");
}

#[test]
fn the_action_is_a_homomorphism() {
    let list = irreps("3x1o + 2x0e + 4x2e + 2x3o + 1x6e");
    let mut rng = StdRng::seed_from_u64(SEED);
    let x = features(&list, 2);
    for layout in [Layout::MulIr, Layout::IrMul] {
        for _ in 0..10 {
            let (a, b) = (O3Element::random(&mut rng), O3Element::random(&mut rng));
            let one = list.act(&(a * b), layout, &x);
            let two = list.act(&a, layout, &list.act(&b, layout, &x));
            assert!(error(&one, &two) < 1e-13, "seed {SEED}");
        }
    }
}

#[test]
fn an_odd_vector_is_a_point_and_an_even_one_an_axis() {
    let element = O3Element::random(&mut StdRng::seed_from_u64(SEED)) * O3Element::INVERSION;
    let v = [0.3, -1.0, 2.0];
    let odd = irreps("1o").act(&element, Layout::IrMul, &v);
    let even = irreps("1e").act(&element, Layout::IrMul, &v);
    assert!(error(&odd, &element.apply(v)) < 1e-15, "seed {SEED}");
    assert!(
        error(&even, &element.rotation.apply(v)) < 1e-15,
        "seed {SEED}"
    );
}

#[test]
fn no_rows_and_no_irreps_are_fine() {
    for text in ["", "0x2", "2x1"] {
        let empty = irreps(text).act(&Rotation::identity().into(), Layout::IrMul, &[]);
        assert!(empty.is_empty());
        let none: [f32; 0] = [];
        assert!(
            irreps(text)
                .convert_layout(Layout::MulIr, Layout::IrMul, &none)
                .is_empty()
        );
    }
}

#[test]
#[should_panic(expected = "Irreps::act: expected rows of 6 numbers (2x1), got 7 numbers")]
fn broken_rows_are_refused() {
    irreps("2x1").act(&Rotation::identity().into(), Layout::IrMul, &[0.0; 7]);
}

#[test]
#[should_panic(expected = "Irreps::convert_layout: expected rows of 0 numbers (), got 1 numbers")]
fn features_without_irreps_are_refused() {
    irreps("").convert_layout(Layout::MulIr, Layout::IrMul, &[1.0]);
}

#[test]
#[should_panic(expected = "expected irreps of O(3) for an improper element, got 1x0 + 1x1")]
fn irreps_of_so3_refuse_improper_elements() {
    irreps("0 + 1").act(&O3Element::INVERSION, Layout::IrMul, &[0.0; 4]);
}

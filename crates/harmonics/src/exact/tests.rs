use super::*;

fn ratio(numerator: u128, denominator: u128) -> Ratio {
    Ratio {
        numerator: numerator.into(),
        denominator: denominator.into(),
    }
}

fn reduced_symbol(degrees: [usize; 3], orders: [isize; 3]) -> (Ordering, Ratio) {
    let SignedRoot { sign, square } = Racah::new(degrees).symbol(orders);
    (sign, square.reduced())
}

#[test]
fn symbols_equal_known_exact_values() {
    use Ordering::{Equal, Greater, Less};
    // The small ones follow from ladder operators by hand; the last three are sympy's.
    for (degrees, orders, sign, square) in [
        ([0, 0, 0], [0, 0, 0], Greater, ratio(1, 1)),
        ([0, 1, 1], [0, 0, 0], Less, ratio(1, 3)),
        ([1, 1, 1], [0, 0, 0], Equal, ratio(0, 1)),
        ([1, 1, 1], [1, -1, 0], Greater, ratio(1, 6)),
        ([1, 1, 2], [0, 0, 0], Greater, ratio(2, 15)),
        ([2, 6, 4], [0, 0, 0], Greater, ratio(5, 143)),
        ([5, 3, 2], [-3, 3, 0], Greater, ratio(2, 165)),
        ([5, 3, 2], [-2, 3, -1], Less, ratio(1, 330)),
    ] {
        assert_eq!(
            reduced_symbol(degrees, orders),
            (sign, square),
            "{degrees:?} {orders:?}"
        );
    }
}

#[test]
fn a_symbol_survives_cancellation_beyond_floating_point() {
    // The terms of the sum reach 6e54.
    let symbol = Racah::new([64, 64, 64]).symbol([0, 0, 0]);
    // (l l l; 0 0 0)² = (l!)^3 ((3l/2)!)^2 / ((3l+1)! ((l/2)!)^6) for even l.
    let f = factorials(193);
    let square = Ratio {
        numerator: f[64].pow(3) * f[96].pow(2),
        denominator: &f[193] * f[32].pow(6),
    };
    assert_eq!(symbol.square.reduced(), square.reduced());
}

#[test]
fn ratios_round_to_the_nearest_float_with_ties_to_even() {
    const ONE: u128 = 1 << 53;
    for (value, expected) in [
        (ratio(0, 7), 0.0),
        (ratio(1, 3), 1.0 / 3.0),
        (ratio(355, 113), 355.0 / 113.0),
        (ratio(ONE + 1, 1), ONE as f64),
        (ratio(ONE + 3, 1), (ONE + 4) as f64),
        (ratio((ONE + 1) << 60 | 1, 1 << 60), (ONE + 2) as f64),
        (ratio(((ONE + 1) << 60) - 1, 1 << 60), ONE as f64),
    ] {
        assert_eq!(value.to_f64(), expected, "{value:?}");
    }
    // Both parts exact in f64, so the division of floats rounds correctly too.
    for n in 1..2000u32 {
        let (p, q) = (n * n, 7 * n + 3);
        assert_eq!(
            ratio(p.into(), q.into()).to_f64(),
            f64::from(p) / f64::from(q)
        );
    }
}

#[test]
fn binomials_are_pascals_triangle() {
    for n in 1..40 {
        let (above, row) = (binomials(n - 1), binomials(n));
        for k in 1..n {
            assert_eq!(row[k], &above[k - 1] + &above[k]);
        }
    }
}

/// Compares `x²` with the ratio, exactly; `x` must be positive and normal.
fn compare_square(x: f64, ratio: &Ratio) -> Ordering {
    let mantissa = BigUint::from(x.to_bits() & ((1 << 52) - 1) | 1 << 52);
    let exponent = 2 * ((x.to_bits() >> 52) as i64 - 1075);
    let square = mantissa.pow(2) * &ratio.denominator;
    if exponent >= 0 {
        (square << exponent).cmp(&ratio.numerator)
    } else {
        square.cmp(&(&ratio.numerator << -exponent))
    }
}

#[test]
fn roots_lie_within_one_unit_in_the_last_place() {
    let mut compared = 0;
    for degrees in [
        [2, 3, 4],
        [8, 8, 8],
        [16, 16, 15],
        [16, 9, 12],
        [40, 37, 20],
    ] {
        let [l1, l2, l3] = degrees.map(usize::cast_signed);
        let racah = Racah::new(degrees);
        for m1 in -l1..=l1 {
            for m2 in (-l2).max(-l3 - m1)..=l2.min(l3 - m1) {
                let symbol = racah.symbol([m1, m2, -m1 - m2]);
                if symbol.sign.is_eq() {
                    continue;
                }
                let root = symbol.square.to_f64().sqrt();
                assert!(compare_square(root.next_down(), &symbol.square).is_lt());
                assert!(compare_square(root.next_up(), &symbol.square).is_gt());
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

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
fn symbols_equal_the_closed_forms_of_textbooks() {
    use Ordering::{Equal, Greater, Less};
    // Varshalovich, Moskalev, Khersonskii, tables of section 8.5, and sympy's wigner_3j.
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

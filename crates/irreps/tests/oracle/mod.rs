//! Wigner-D in exact integer arithmetic, by another road than the library's recursion.
//!
//! A quaternion of integers is a rotation. With a = w - iz, b = y - ix (Gaussian integers) and
//! N = w² + x² + y² + z², the rotation takes the monomial ξ^(l+m) η^(l-m) to
//! (aξ + bη)^(l+m) (-b*ξ + a*η)^(l-m) / N^l. Its coefficients are sums with heavy cancellation,
//! exact in `i128`; only the last step (a division, a root of binomials, the change to the real
//! basis) rounds.

use nalgebra::DMatrix;

type Gaussian = [i128; 2];

/// Real D_l of the rotation of the integer quaternion (w, x, y, z), in the order and signs of the
/// library. Panics if a number leaves `i128`.
pub(crate) fn exact_wigner_d(l: usize, [w, x, y, z]: [i128; 4]) -> DMatrix<f64> {
    // The textbook's polar axis z is our y: (X, Y, Z) = (z, x, y).
    let complex = complex_wigner_d(l, [w, z, x, y]);
    let dim = 2 * l + 1;
    // Y(R v) = conj(D) Y(v) in the complex basis, and Y_real = A Y.
    let a = real_from_complex(l);
    DMatrix::from_fn(dim, dim, |m, n| {
        let mut sum = 0.0;
        for &(j, left) in &a[m] {
            for &(k, right) in &a[n] {
                let [re, im] = complex[k][j];
                let value = times(times(left, [re, -im]), [right[0], -right[1]]);
                sum += value[0];
            }
        }
        sum
    })
}

/// `[m][m']`, column after column: the matrix element <l m'| U |l m>, with Condon-Shortley signs.
fn complex_wigner_d(l: usize, [w, x, y, z]: [i128; 4]) -> Vec<Vec<[f64; 2]>> {
    let norm: i128 = [w, x, y, z].iter().map(|c| c * c).sum();
    let scale = (norm as f64).powi(i32::try_from(l).unwrap());
    let (a, b) = ([w, -z], [y, -x]);
    let column = |m: usize| {
        // Coefficients by power of ξ of (b + aξ)^(l+m) (a* - b*ξ)^(l-m), counting m from -l.
        let mut polynomial: Vec<Gaussian> = vec![[1, 0]];
        for _ in 0..m {
            polynomial = times_linear(&polynomial, b, a);
        }
        for _ in m..2 * l {
            polynomial = times_linear(&polynomial, [a[0], -a[1]], [-b[0], b[1]]);
        }
        let entry = |(row, coefficient): (usize, Gaussian)| {
            let ratio = (binomial(2 * l, m) / binomial(2 * l, row)).sqrt();
            coefficient.map(|c| c as f64 / scale * ratio)
        };
        polynomial.into_iter().enumerate().map(entry).collect()
    };
    (0..=2 * l).map(column).collect()
}

/// The polynomial times (constant + linear ξ).
fn times_linear(polynomial: &[Gaussian], constant: Gaussian, linear: Gaussian) -> Vec<Gaussian> {
    let mut out = vec![[0, 0]; polynomial.len() + 1];
    for (power, &c) in polynomial.iter().enumerate() {
        add_product(&mut out[power], c, constant);
        add_product(&mut out[power + 1], c, linear);
    }
    out
}

fn add_product(sum: &mut Gaussian, p: Gaussian, q: Gaussian) {
    let mul = |a: i128, b: i128| a.checked_mul(b).expect("an exact number left i128");
    sum[0] += mul(p[0], q[0]) - mul(p[1], q[1]);
    sum[1] += mul(p[0], q[1]) + mul(p[1], q[0]);
}

fn times(p: [f64; 2], q: [f64; 2]) -> [f64; 2] {
    [p[0] * q[0] - p[1] * q[1], p[0] * q[1] + p[1] * q[0]]
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |value, i| value * (n - i) as f64 / (i + 1) as f64)
}

/// The nonzero entries (column, value) of each row of A in Y_real = A Y_complex. The sign (-1)^m
/// takes the Condon-Shortley sign away.
fn real_from_complex(l: usize) -> Vec<Vec<(usize, [f64; 2])>> {
    let s = std::f64::consts::FRAC_1_SQRT_2;
    let sign = |m: usize| if m.is_multiple_of(2) { s } else { -s };
    let negative = (1..=l)
        .rev()
        .map(|m| vec![(l - m, [0.0, s]), (l + m, [0.0, -sign(m)])]);
    let positive = (1..=l).map(|m| vec![(l - m, [s, 0.0]), (l + m, [sign(m), 0.0])]);
    negative
        .chain([vec![(l, [1.0, 0.0])]])
        .chain(positive)
        .collect()
}

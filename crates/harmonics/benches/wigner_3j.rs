//! Cold time of 3j symbols: every call computes its table from nothing, since nothing is cached.
//! The yardstick is the `wigners` crate: complex symbols without the change of basis, its cache
//! cleared before each run but shared, within a run, by tables that are permutations of each other.

use divan::black_box;
use steerable_harmonics::Wigner3j;

fn main() {
    divan::main();
}

/// All degrees up to `l_max` that satisfy the triangle rule.
fn triples(l_max: usize) -> Vec<[usize; 3]> {
    let mut triples = Vec::new();
    for l1 in 0..=l_max {
        for l2 in 0..=l_max {
            for l3 in l1.abs_diff(l2)..=(l1 + l2).min(l_max) {
                triples.push([l1, l2, l3]);
            }
        }
    }
    triples
}

/// All tables up to the degree: 175 for 6, 369 for 8.
#[divan::bench(args = [4, 6, 8])]
fn all_tables_up_to(bencher: divan::Bencher<'_, '_>, l_max: usize) {
    let triples = triples(l_max);
    bencher
        .counter(divan::counter::ItemsCount::new(triples.len()))
        .bench(|| {
            for &[l1, l2, l3] in &triples {
                black_box(Wigner3j::new(l1, l2, l3));
            }
        });
}

#[divan::bench(args = [4, 6, 8])]
fn all_tables_up_to_by_wigners(bencher: divan::Bencher<'_, '_>, l_max: usize) {
    let triples = triples(l_max);
    bencher
        .counter(divan::counter::ItemsCount::new(triples.len()))
        .bench(|| {
            wigners::clear_wigner_3j_cache();
            for &[l1, l2, l3] in &triples {
                let mut table = Vec::with_capacity((2 * l1 + 1) * (2 * l2 + 1));
                let [s1, s2, s3] = [l1, l2, l3].map(|l| l as i32);
                for m1 in -s1..=s1 {
                    for m2 in (-s2).max(-s3 - m1)..=s2.min(s3 - m1) {
                        let [l1, l2, l3] = [l1, l2, l3].map(|l| l as u32);
                        table.push(wigners::wigner_3j(l1, l2, l3, m1, m2, -m1 - m2));
                    }
                }
                black_box(table);
            }
        });
}

/// One table of three equal degrees.
#[divan::bench(args = [1, 2, 4, 8, 16, 32])]
fn one_table(l: usize) -> Wigner3j {
    Wigner3j::new(black_box(l), black_box(l), black_box(l))
}

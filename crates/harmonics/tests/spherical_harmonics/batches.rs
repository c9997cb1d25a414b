//! Batch sizes, threads and shapes.

use steerable_harmonics::{SphericalHarmonics, Threads};

use super::{flat, jacobian, random_vectors, to_f32};

#[test]
fn a_vector_gives_the_same_numbers_in_every_batch() {
    for l_max in 0..=6 {
        let harmonics = SphericalHarmonics::new(l_max);
        let dim = harmonics.dim();
        let all = random_vectors(13, 35);
        for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35] {
            let vectors = flat(&all[..count]);
            let (values, derivatives) = jacobian(&harmonics, &vectors);
            let mut values_f32 = vec![f32::NAN; count * dim];
            harmonics.values(&to_f32(&vectors), &mut values_f32);
            for (i, vector) in all[..count].iter().enumerate() {
                let of = format!("seed 13, l_max {l_max}, vector {i} of {count}");
                let (alone, derivatives_alone) = jacobian(&harmonics, vector);
                assert_eq!(values[i * dim..][..dim], alone, "{of}");
                assert_eq!(
                    derivatives[3 * i * dim..][..3 * dim],
                    derivatives_alone,
                    "{of}"
                );
                let mut alone_f32 = vec![f32::NAN; dim];
                harmonics.values(&to_f32(vector), &mut alone_f32);
                assert_eq!(values_f32[i * dim..][..dim], alone_f32, "{of}");
            }
        }
    }
}

#[test]
fn threads_change_no_number() {
    let count = 9001;
    let vectors = flat(&random_vectors(14, count));
    let threaded = SphericalHarmonics::new(5);
    let single = threaded.clone().with_threads(Threads::Single);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .expect("a pool");
    let (values, derivatives) = pool.install(|| jacobian(&threaded, &vectors));
    let (expected, expected_derivatives) = jacobian(&single, &vectors);
    assert_eq!(values, expected);
    assert_eq!(derivatives, expected_derivatives);
    let mut only_values = vec![f64::NAN; values.len()];
    pool.install(|| threaded.values(&vectors, &mut only_values));
    assert_eq!(only_values, expected);
    let [mut gradient, mut expected] = [vec![f64::NAN; 3 * count], vec![f64::NAN; 3 * count]];
    pool.install(|| threaded.pullback(&vectors, &values, &mut gradient));
    single.pullback(&vectors, &values, &mut expected);
    assert_eq!(gradient, expected);
}

#[test]
#[should_panic(expected = "expected values of shape [2, 9] (l_max = 2), got 17 numbers")]
fn an_output_of_the_wrong_shape_is_refused() {
    SphericalHarmonics::new(2).values(&[0f32; 6], &mut [0f32; 17]);
}

#[test]
#[should_panic(expected = "expected vectors of shape [n, 3], got 7 numbers")]
fn vectors_that_are_not_triples_are_refused() {
    SphericalHarmonics::new(2).values(&[0f32; 7], &mut [0f32; 18]);
}

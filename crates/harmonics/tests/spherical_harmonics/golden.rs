//! Values and gradients against e3nn: the folder named by `STEERABLE_GOLDEN`, else our own copy.

use std::path::PathBuf;

use serde_json::Value;
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};

use super::{assert_close_per_degree, norm};

fn golden() -> Value {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = std::env::var_os("STEERABLE_GOLDEN").map_or(own, PathBuf::from);
    let path = folder.join("spherical_harmonics.json");
    println!("reading {}", path.display());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value
        .as_array()
        .expect("a list of rows")
        .iter()
        .map(numbers)
        .collect()
}

/// The harmonics that a key such as `component,normalize=True` names.
fn harmonics_of_key(golden: &Value, key: &str) -> SphericalHarmonics {
    let degrees = numbers(&golden["l"]);
    let l_max = degrees.len() - 1;
    assert!(
        degrees
            .iter()
            .enumerate()
            .all(|(l, &degree)| degree == l as f64),
        "{degrees:?}"
    );
    let (normalization, normalize) = key.split_once(',').expect("normalization,normalize=...");
    let normalization = match normalization {
        "component" => Normalization::Component,
        "norm" => Normalization::Norm,
        "integral" => Normalization::Integral,
        other => panic!("unknown normalization {other}"),
    };
    let domain = match normalize {
        "normalize=True" => Domain::Sphere,
        "normalize=False" => Domain::Solid,
        other => panic!("unknown domain {other}"),
    };
    SphericalHarmonics::new(l_max)
        .with_normalization(normalization)
        .with_domain(domain)
}

/// e3nn divides by at least 1e-12, so that its harmonics of shorter vectors are no functions of the
/// direction. Ours are; only the zero vector's values agree.
fn is_comparable_on_sphere(vector: &[f64]) -> bool {
    norm(vector) >= 1e-12
}

#[test]
fn golden_values_equal_e3nn() {
    let golden = golden();
    let vectors = rows(&golden["vectors"]);
    let mut compared = 0;
    for (key, expected) in golden["values"].as_object().expect("values by key") {
        let harmonics = harmonics_of_key(&golden, key);
        let mut got = vec![f64::NAN; vectors.len() * harmonics.dim()];
        harmonics.values(&vectors.concat(), &mut got);
        for ((vector, got), expected) in vectors
            .iter()
            .zip(got.chunks(harmonics.dim()))
            .zip(rows(expected))
        {
            let is_zero = norm(vector) == 0.0;
            if harmonics.domain() == Domain::Sphere && !is_zero && !is_comparable_on_sphere(vector)
            {
                continue;
            }
            // 15 digits of input and output, to the power l at most 8 or so.
            assert_close_per_degree(got, &expected, |_| 5e-14, &format!("{key}, {vector:?}"));
            compared += got.len();
        }
    }
    println!("compared {compared} values");
    assert!(compared > 0);
}

#[test]
fn golden_gradients_equal_e3nn() {
    let golden = golden();
    let vectors = rows(&golden["vectors"]);
    let cotangent = numbers(&golden["cotangent"]);
    let mut compared = 0;
    for (key, expected) in golden["gradient"].as_object().expect("gradients by key") {
        let harmonics = harmonics_of_key(&golden, key);
        let cotangents = cotangent.repeat(vectors.len());
        let mut got = vec![f64::NAN; 3 * vectors.len()];
        harmonics.pullback(&vectors.concat(), &cotangents, &mut got);
        for ((vector, got), expected) in vectors.iter().zip(got.chunks(3)).zip(rows(expected)) {
            if harmonics.domain() == Domain::Sphere && !is_comparable_on_sphere(vector) {
                continue;
            }
            // |∇R_l| <= l |R_l| / r per axis up to a factor sqrt 3; the sum over degrees may cancel.
            let r = norm(vector);
            let scale: f64 = (1..=harmonics.l_max())
                .map(|l| {
                    let power = match harmonics.domain() {
                        Domain::Sphere => 1.0 / r,
                        Domain::Solid => r.powi(l as i32 - 1),
                    };
                    let length = harmonics.normalization().length(l);
                    norm(&cotangent[harmonics.degree(l)]) * (l + 1) as f64 * length * power
                })
                .sum();
            let error = norm(&[
                got[0] - expected[0],
                got[1] - expected[1],
                got[2] - expected[2],
            ]);
            assert!(
                error <= 5e-14 * scale,
                "{key}, {vector:?}: {got:?}, expected {expected:?}, off by {error:e} of {scale:e}"
            );
            compared += 3;
        }
    }
    println!("compared {compared} values");
    assert!(compared > 0);
}

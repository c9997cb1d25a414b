//! Labelled clouds in HDF5, and what damaged files get.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::ReadError;
use steerable_data::shapes::{self, LabelledClouds};

/// Six clouds of eight points, compressed in chunks, as `h5py` writes it.
fn fixture() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/shapes");
    folder.join("clouds_6x8.h5")
}

#[test]
fn clouds_labels_and_normals_are_what_was_written() {
    let file = shapes::read_labelled_hdf5(fixture(), true).unwrap();
    assert_eq!((file.classes.len(), file.clouds.len()), (3, 6));
    for (index, cloud) in file.clouds.iter().enumerate() {
        assert_eq!((cloud.label, cloud.is_test), (index % 3, true));
        let normals = cloud.normals.as_ref().unwrap();
        for (place, (point, normal)) in cloud.points.iter().zip(normals).enumerate() {
            // Element e of `data` is e / 4, of `normal` -e.
            let first = (3 * (8 * index + place)) as f64;
            let elements = [first, first + 1.0, first + 2.0];
            assert_eq!(*point, elements.map(|x| x / 4.0));
            assert_eq!(*normal, elements.map(|x| -x));
        }
        assert_eq!(cloud.points.len(), 8);
    }
}

#[test]
fn what_is_no_such_file_is_refused() {
    let missing = shapes::read_labelled_hdf5(fixture().with_extension("none"), true);
    assert!(matches!(missing, Err(ReadError::Io { .. })));
    let other = fixture().with_file_name("shapes_cc0_tiny_128.npz");
    let other = shapes::read_labelled_hdf5(other, true);
    assert!(matches!(other, Err(ReadError::Format { .. })), "{other:?}");
}

#[test]
fn damaged_files_are_refused_or_read_soundly_and_never_panic() {
    let whole = std::fs::read(fixture()).unwrap();
    let path = std::env::temp_dir().join(format!("steerable-{}.h5", std::process::id()));
    let mut rng = StdRng::seed_from_u64(27);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..=3) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..8) {
                0 => bytes.truncate(at.max(1)),
                1 | 2 => bytes[at] = 0xff,
                _ => bytes[at] = rng.random(),
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        match shapes::read_labelled_hdf5(&path, false) {
            Ok(LabelledClouds { clouds, classes }) => {
                for cloud in clouds {
                    assert!(cloud.label < classes.len());
                    assert!(cloud.points.iter().flatten().all(|x| x.is_finite()));
                    let normals = cloud.normals.map(|normals| normals.len());
                    assert!(normals.is_none_or(|normals| normals == cloud.points.len()));
                }
                read += 1;
            }
            Err(_) => refused += 1,
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        read > 200 && refused > 200,
        "{read} read, {refused} refused"
    );
}

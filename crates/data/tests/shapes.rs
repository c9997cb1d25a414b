//! Shapes: clouds of an archive, meshes of OFF files, and what damaged ones get.

use std::io::Cursor;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::ReadError;
use steerable_data::shapes::{self, Mesh};

fn off(text: &[u8]) -> Result<Mesh, ReadError> {
    shapes::read_off_source(Cursor::new(text.to_vec()), "mesh.off")
}

const PYRAMID: &str = "OFF\n# a pyramid\n5 5 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n0.5 0.5 1e0\n\n\
    4 0 1 2 3\n3 0 1 4\n3 1 2 4 255 0 0\n3 2 3 4\n3 3 0 4\n";

#[test]
fn a_mesh_is_what_its_file_says_and_faces_become_triangles() {
    let mesh = off(PYRAMID.as_bytes()).unwrap();
    assert_eq!((mesh.vertices.len(), mesh.triangles.len()), (5, 6));
    assert_eq!(mesh.vertices[4], [0.5, 0.5, 1.0]);
    assert_eq!(mesh.triangles[..2], [[0, 1, 2], [0, 2, 3]]);
    let glued = PYRAMID.replace("OFF\n# a pyramid\n", "OFF");
    assert_eq!(off(glued.as_bytes()).unwrap(), mesh);
}

#[test]
fn faults_are_told_with_their_line() {
    let cases = [
        ("OFF", "PLY", "line 1: \"PLY\" is no OFF file"),
        (
            "1 1 0\n",
            "1 1\n",
            "line 6: 2 values where there should be 3",
        ),
        (
            "3 0 1 4",
            "3 0 1 5",
            "line 11: \"5\" is no index of a vertex",
        ),
        (
            "3 0 1 4",
            "3 0 1",
            "line 11: 2 values where there should be 3",
        ),
        ("3 0 1 4", "2 0 1", "line 11: \"2\" is no number of corners"),
        (
            "5 5 0",
            "5 4 0",
            "line 14: \"3 3 0 4\" is no end of the file",
        ),
        ("5 5 0", "5 6 0", "the file ends where a face should follow"),
        (
            "5 5 0",
            "-5 5 0",
            "line 3: \"-5\" is no number of vertices or faces",
        ),
    ];
    for (from, to, expected) in cases {
        let text = PYRAMID.replacen(from, to, 1);
        let message = off(text.as_bytes()).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
}

#[test]
fn damaged_meshes_are_refused_or_read_and_never_panic() {
    let mut rng = StdRng::seed_from_u64(24);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = PYRAMID.as_bytes().to_vec();
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..4) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] = rng.random_range(b'0'..=b'9'),
            2 => drop(bytes.drain(at..(at + 6).min(bytes.len()))),
            _ => bytes.truncate(at),
        }
        match off(&bytes) {
            Ok(mesh) => {
                let known = |vertex: &u32| (*vertex as usize) < mesh.vertices.len();
                assert!(mesh.triangles.iter().flatten().all(known));
                assert!(mesh.vertices.iter().flatten().all(|x| x.is_finite()));
                read += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        read > 2000 && refused > 2000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn labelled_clouds_have_their_classes_and_both_parts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/shapes");
    let file = shapes::read_clouds(folder.join("shapes_cc0_tiny_128.npz")).unwrap();
    assert_eq!((file.classes.len(), file.clouds.len()), (10, 67));
    assert_eq!(file.classes[0], "bed");
    assert!(file.clouds.iter().all(|cloud| cloud.points.len() == 128));
    let tests = file.clouds.iter().filter(|cloud| cloud.is_test).count();
    assert!(0 < tests && tests < 67);
    let mut present: Vec<_> = file.clouds.iter().map(|cloud| cloud.label).collect();
    present.sort_unstable();
    present.dedup();
    assert_eq!(present.len(), 8);
}

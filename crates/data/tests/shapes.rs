//! Shapes: clouds of an archive, meshes of OFF files, and what damaged ones get.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use burn_dataset::Dataset;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::npy::{Array, Elements, write_archive};
use steerable_data::shapes::{self, Mesh, MeshFormat, ModelFolder};
use steerable_data::{EdgeRule, LoaderConfig, ReadError, Turns};

fn off(text: &[u8]) -> Result<Mesh, ReadError> {
    MeshFormat::Off.read_source(Cursor::new(text.to_vec()), "mesh.off")
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

/// A source of the bytes of a file.
type Reader = fn(Vec<u8>) -> Result<Mesh, ReadError>;

fn ply(bytes: Vec<u8>) -> Result<Mesh, ReadError> {
    MeshFormat::Ply.read_source(Cursor::new(bytes), "mesh.ply")
}

fn obj(bytes: Vec<u8>) -> Result<Mesh, ReadError> {
    MeshFormat::Obj.read_source(Cursor::new(bytes), "mesh.obj")
}

fn points(bytes: Vec<u8>) -> Result<Mesh, ReadError> {
    MeshFormat::Points.read_source(Cursor::new(bytes), "cloud.xyz")
}

const PLY: &str = "ply\nformat ascii 1.0\ncomment a square\nelement vertex 4\nproperty float x\n\
    property double y\nproperty float z\nproperty uchar red\nelement face 1\n\
    property list uchar int vertex_indices\nelement edge 1\nproperty int a\nend_header\n\
    0 0 0 1\n1 0 0 2\n1 1.25 0 3\n0 1 0 4\n4 0 1 2 3\n7\n";

/// The same in binary.
fn binary_ply(is_big: bool) -> Vec<u8> {
    let (header, _) = PLY.split_once("0 0 0 1").unwrap();
    let name = if is_big {
        "binary_big_endian"
    } else {
        "binary_little_endian"
    };
    let mut bytes = header.replace("ascii", name).into_bytes();
    let mut put = |little: &[u8]| {
        let mut value = little.to_vec();
        if is_big {
            value.reverse();
        }
        bytes.write_all(&value).unwrap();
    };
    let vertices = [
        ([0.0, 0.0], 1),
        ([1.0, 0.0], 2),
        ([1.0, 1.25], 3),
        ([0.0, 1.0], 4),
    ];
    for ([x, y], red) in vertices {
        let (x, y, red): (f32, f64, u8) = (x as f32, y, red);
        put(&x.to_le_bytes());
        put(&y.to_le_bytes());
        put(&0f32.to_le_bytes());
        put(&[red]);
    }
    put(&[4]);
    for corner in [0i32, 1, 2, 3, 7] {
        put(&corner.to_le_bytes());
    }
    bytes
}

#[test]
fn a_ply_file_is_read_alike_in_text_and_in_both_binary_orders() {
    let mesh = ply(PLY.into()).unwrap();
    assert_eq!(
        mesh.vertices,
        [[0.0; 3], [1.0, 0.0, 0.0], [1.0, 1.25, 0.0], [0.0, 1.0, 0.0]]
    );
    assert_eq!(mesh.triangles, [[0, 1, 2], [0, 2, 3]]);
    assert_eq!(mesh.normals, None);
    assert_eq!(ply(binary_ply(false)).unwrap(), mesh);
    assert_eq!(ply(binary_ply(true)).unwrap(), mesh);
    let cloud = "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n\
        property float z\nproperty float nx\nproperty float ny\nproperty float nz\nend_header\n1 2 3 0 0 1\n";
    let cloud = ply(cloud.into()).unwrap();
    assert_eq!(cloud.normals, Some(vec![[0.0, 0.0, 1.0]]));
    assert!(cloud.triangles.is_empty());
}

#[test]
fn faults_of_ply_files_are_told() {
    let message = |from: &str, to: &str| {
        assert!(PLY.contains(from));
        ply(PLY.replacen(from, to, 1).into())
            .unwrap_err()
            .to_string()
    };
    let cases = [
        ("1 1.25 0 3", "1 nan 0 3", "Line 16"),
        (
            "property double y\n",
            "property double w\n",
            "vertex 0: 0 NaN 0 is no position",
        ),
        (
            "4 0 1 2 3",
            "4 0 1 2 9",
            "face 0: [0, 1, 2, 9] are no corners",
        ),
        ("4 0 1 2 3", "2 0 1", "are no corners"),
        (
            "vertex_indices",
            "corners",
            "face 0 has no list of vertices",
        ),
        ("1 1.25 0 3", "1 x 0 3", "Line 16"),
    ];
    for (from, to, expected) in cases {
        let message = message(from, to);
        assert!(message.contains(expected), "{message}");
    }
    let long = "ply\nformat binary_little_endian 1.0\nelement vertex 0\nproperty float x\n\
        element face 1\nproperty list uint int vertex_indices\nend_header\n";
    // Four thousand million corners are promised, and none is there.
    let bytes = [long.as_bytes(), &[0xff; 4]].concat();
    assert!(ply(bytes).is_err());
    let hollow = "ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nend_header\n";
    let error = ply(hollow.into()).unwrap_err().to_string();
    assert!(error.ends_with("element vertex has no property"), "{error}");
}

const OBJ: &str = "# a pyramid\nmtllib x.mtl\nv 0 0 0\nv 1 0 0 1.0\nv 1 1 0 0.1 0.2 0.3\nv 0 1 0\nvn 0 0 1\n\
    v 0.5 0.5 1\nf 1 2 3 4\nusemtl wood\nf 1/1 2/2 5/3\nf -4//1 3//1 \\\n 5//1\n";

#[test]
fn an_obj_file_gives_its_vertices_and_faces_and_its_faults_their_lines() {
    let mesh = obj(OBJ.into()).unwrap();
    assert_eq!(
        (mesh.vertices.len(), mesh.vertices[4]),
        (5, [0.5, 0.5, 1.0])
    );
    assert_eq!(mesh.triangles, [[0, 1, 2], [0, 2, 3], [0, 1, 4], [1, 2, 4]]);
    let message = |from: &str, to: &str| {
        assert!(OBJ.contains(from));
        obj(OBJ.replacen(from, to, 1).into())
            .unwrap_err()
            .to_string()
    };
    assert!(message("v 0 1 0", "v 0 inf 0").ends_with("line 6: \"inf\" is no coordinate"));
    assert!(message("v 0 1 0", "v 0 1").ends_with("line 6: 2 values where there should be 3"));
    let unknown = message("5/3", "6/3");
    assert!(
        unknown.ends_with("line 11: \"6/3\" is no index of a vertex before it"),
        "{unknown}"
    );
    assert!(message("f 1/1 2/2", "f 0 2/2").contains("\"0\" is no index"));
    assert!(message("-4//1", "-6//1").contains("line 13: \"-6//1\" is no index"));
    assert!(message(" 5//1\n", "").contains("the file ends where the line"));
}

#[test]
fn points_in_text_have_normals_where_all_lines_do() {
    let cloud = points(b"1 2 3\n\n# comment\n4,5,6 # comment\n".to_vec()).unwrap();
    assert_eq!(cloud.vertices, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(cloud.normals, None);
    let cloud = points(b"1,2,3,0,0,1\n4,5,6,0,1,0\n".to_vec()).unwrap();
    assert_eq!(cloud.normals, Some(vec![[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]));
    let error = points(b"1 2 3 0 0 1\n4 5 6\n".to_vec())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("line 2: 3 values where there should be 6"));
    assert!(points(b"1 2\n".to_vec()).is_err());
}

#[test]
fn damaged_meshes_are_refused_or_read_soundly_and_never_panic() {
    let off: Reader = |bytes| off(&bytes);
    let files: [(Vec<u8>, Reader); 6] = [
        (PYRAMID.into(), off),
        (PLY.into(), ply),
        (binary_ply(false), ply),
        (binary_ply(true), ply),
        (OBJ.into(), obj),
        (b"1,2,3,0,0,1\n4,5,6,0,1,0\n".to_vec(), points),
    ];
    let mut rng = StdRng::seed_from_u64(24);
    for (file, (whole, reader)) in files.iter().enumerate() {
        let (mut read, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..5) {
                0 => bytes[at] = rng.random(),
                1 => bytes[at] = rng.random_range(b'0'..=b'9'),
                2 => drop(bytes.drain(at..(at + 6).min(whole.len()))),
                3 => drop(bytes.splice(at..at, b"99999".iter().copied())),
                _ => bytes.truncate(at),
            }
            match reader(bytes) {
                Ok(mesh) => {
                    let known = |vertex: &u32| (*vertex as usize) < mesh.vertices.len();
                    assert!(mesh.triangles.iter().flatten().all(known));
                    assert!(mesh.vertices.iter().flatten().all(|x| x.is_finite()));
                    let normals = mesh.normals.iter();
                    assert!(normals.flatten().flatten().all(|x| x.is_finite()));
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            read > 500 && refused > 500,
            "file {file}: {read} read, {refused} refused"
        );
    }
}

/// A folder of the test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("steerable-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_of_models_gives_clouds_on_their_surfaces() {
    let scratch = Scratch::new("models");
    for (path, text) in [
        ("table/train/b.off", PYRAMID),
        ("table/train/.hidden", "x"),
        ("table/test/a.obj", OBJ),
        ("bed/train/a.ply", PLY),
        ("bed/test/a.xyz", "0 0 0\n1 0 0\n0 1 0\n"),
    ] {
        let path = scratch.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let folder = ModelFolder::open(&scratch.0, 50, 7).unwrap();
    assert_eq!(folder.classes, ["bed", "table"]);
    let listed: Vec<_> = folder.models.iter().map(|m| (m.label, m.is_test)).collect();
    assert_eq!(listed, [(0, false), (0, true), (1, false), (1, true)]);
    for index in [0, 2, 3] {
        let cloud = folder.cloud(index).unwrap();
        let normals = cloud.normals.as_ref().unwrap();
        assert_eq!((cloud.points.len(), normals.len()), (50, 50));
        let radii = cloud
            .points
            .iter()
            .map(|p| (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt());
        assert!((radii.fold(0.0, f64::max) - 1.0_f64).abs() < 1e-12);
        assert_eq!(folder.get(index).unwrap(), cloud);
    }
    // Three points are no fifty.
    let error = folder.get(1).unwrap_err().to_string();
    assert!(
        error.ends_with("a.xyz: 50 points wanted, 3 are there"),
        "{error}"
    );
    let few = ModelFolder {
        points: 2,
        ..folder
    };
    assert_eq!(few.cloud(1).unwrap().points.len(), 2);
    std::fs::write(scratch.0.join("bed/test/z.stl"), "").unwrap();
    let folder = ModelFolder::open(&scratch.0, 2, 7).unwrap();
    assert!(
        folder
            .cloud(2)
            .unwrap_err()
            .to_string()
            .contains("extension \"stl\"")
    );
    assert!(ModelFolder::open(scratch.0.join("bed/train"), 2, 7).is_err());
}

#[test]
fn labelled_arrays_are_clouds_with_their_classes() {
    let scratch = Scratch::new("arrays");
    let save = |name: &str, shape: &[usize], elements| {
        // An archive keeps the bytes of a file for each array.
        let (archive, file) = (scratch.0.join("a.npz"), scratch.0.join(name));
        let shape = shape.to_vec();
        write_archive(&archive, &[("x", Array { shape, elements })]).unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&archive).unwrap()).unwrap();
        let mut bytes = Vec::new();
        std::io::copy(&mut archive.by_index(0).unwrap(), &mut bytes).unwrap();
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let numbers: Vec<f64> = (0..36).map(f64::from).collect();
    let points = save("points.npy", &[2, 3, 6], Elements::Real(numbers.clone()));
    let labels = save("labels.npy", &[2, 1], Elements::Integer(vec![3, 0]));
    let file = shapes::read_labelled_arrays(&points, &labels, true).unwrap();
    assert_eq!((file.classes.len(), file.clouds.len()), (4, 2));
    let second = &file.clouds[1];
    assert_eq!((second.label, second.is_test), (0, true));
    assert_eq!(second.points[1], [24.0, 25.0, 26.0]);
    assert_eq!(second.normals.as_ref().unwrap()[2], [33.0, 34.0, 35.0]);
    let without = save("points.npy", &[2, 6, 3], Elements::Real(numbers));
    let file = shapes::read_labelled_arrays(&without, &labels, false).unwrap();
    assert_eq!(
        (file.clouds[0].points.len(), &file.clouds[0].normals),
        (6, &None)
    );
    let labels = save("labels.npy", &[3], Elements::Integer(vec![3, 0, 1]));
    let error = shapes::read_labelled_arrays(&points, &labels, true).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("shape [3], expected [2] or [2, 1]"),
        "{error}"
    );
    let labels = save("labels.npy", &[2], Elements::Real(vec![0.5, 0.0]));
    let error = shapes::read_labelled_arrays(&points, &labels, true).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("element 0 is 0.5, which is no label of a class")
    );
}

#[test]
fn estimated_normals_turn_with_the_cloud() {
    let file = shapes::read_clouds(fixture()).unwrap();
    let mut rng = StdRng::seed_from_u64(26);
    let rotation = steerable_irreps::Rotation::random(&mut rng);
    let mut equal = 0;
    for cloud in &file.clouds[..10] {
        let turned: Vec<_> = cloud
            .points
            .iter()
            .map(|&point| rotation.apply(point))
            .collect();
        let normals = shapes::estimated_normals(&cloud.points, 8).unwrap();
        let of_turned = shapes::estimated_normals(&turned, 8).unwrap();
        for (normal, other) in normals.iter().zip(of_turned) {
            let expected = rotation.apply(*normal);
            let cosine: f64 = (0..3).map(|k| expected[k] * other[k]).sum();
            equal += usize::from(cosine > 1.0 - 1e-9);
        }
    }
    // Where the choice is arbitrary, it may change.
    assert!(equal >= 1275, "{equal} of 1280");
}

#[test]
fn clouds_become_batches_with_classes_and_normals() {
    let mut file = shapes::read_clouds(fixture()).unwrap();
    for cloud in &mut file.clouds {
        let chosen = shapes::farthest_points(&cloud.points, 32).unwrap();
        cloud.normals = Some(shapes::estimated_normals(&cloud.points, 8).unwrap());
        *cloud = cloud.chosen(&chosen);
    }
    let samples = file.clouds.iter().map(shapes::Cloud::sample).collect();
    let config = LoaderConfig {
        edges: EdgeRule::Nearest(8),
        budget: steerable_data::BatchBudget {
            nodes: 320,
            edges: 10_000,
        },
        workers: std::num::NonZero::<usize>::MIN,
        turns: Turns::All,
    };
    let loader = steerable_data::Loader::in_memory(samples, config).unwrap();
    let order: Vec<_> = (0..file.clouds.len()).collect();
    let mut classes = Vec::new();
    for batch in loader.batches(&order, 1).unwrap() {
        let batch = batch.unwrap();
        assert_eq!(batch.graph.num_edges(), 8 * batch.species.len());
        assert_eq!(batch.inputs.node_vectors.len(), batch.species.len());
        classes.extend(batch.classes);
    }
    let labels: Vec<_> = file.clouds.iter().map(|cloud| cloud.label as u32).collect();
    assert_eq!(classes, labels);
}

fn fixture() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/shapes");
    folder.join("shapes_cc0_tiny_128.npz")
}

/// The larger file of `../shared/data`; none, and a word about it, where the data are not there.
#[test]
fn the_shared_clouds_are_read() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/shapes");
    let path = shared.join("sweethome3d_10class_1024.npz");
    if !path.exists() {
        println!("SKIPPED: no file {}", path.display());
        return;
    }
    let file = shapes::read_clouds(path).unwrap();
    assert_eq!((file.classes.len(), file.clouds.len()), (10, 328));
    assert!(file.clouds.iter().all(|cloud| cloud.points.len() == 1024));
}

#[test]
fn labelled_clouds_have_their_classes_and_both_parts() {
    let file = shapes::read_clouds(fixture()).unwrap();
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

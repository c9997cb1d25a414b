//! Shapes of every kind of file, from the configuration to a trained model's answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::{TempDir, tempdir};

fn steerable(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_steerable"))
        .args(arguments)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the program runs");
    let bytes = if status.success() { stdout } else { stderr };
    let told = String::from_utf8_lossy(&bytes).into_owned();
    if status.success() {
        Ok(told)
    } else {
        Err(told)
    }
}

/// A folder of a test with a configuration of shapes, whose `[data]` is given.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        fs::write(&path, bytes).expect("it is written");
        path
    }

    /// Trains for an epoch.
    fn train(&self, data: &str) -> Result<String, String> {
        let config = self.write(
            "shapes.toml",
            format!(
                "task = \"shapes\"\n[data]\n{data}\nvalidation = 0.2\n[graph]\nedges = \"nearest\"\nneighbours = 4\n\
                 [model]\nhidden = \"4x0e + 2x1o\"\nlayers = 1\ncutoff = 3.0\nradial_functions = 4\n\
                 radial_hidden = [8]\nwidth = 8\n[training]\nepochs = 1\n"
            ),
        );
        fs::remove_dir_all(self.path("run")).ok();
        let (config, run) = (text(&config).to_owned(), self.path("run"));
        steerable(&["train", &config, "--threads", "1", "--out", text(&run)])
    }

    /// Asks the trained model about a file; the lines of the answers, without the head.
    fn answers(&self, file: &Path) -> Result<Vec<String>, String> {
        let (run, out) = (self.path("run"), self.path("answers.csv"));
        steerable(&["predict", text(&run), text(file), "--out", text(&out)])?;
        let answers = fs::read_to_string(out).expect("a table");
        Ok(answers.lines().skip(1).map(str::to_owned).collect())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A pyramid over a rectangle, as OFF.
fn pyramid(width: f64, height: f64) -> String {
    format!(
        "OFF\n5 5 0\n0 0 0\n{width} 0 0\n{width} 1 0\n0 1 0\n0.5 0.5 {height}\n\
         4 0 1 2 3\n3 0 1 4\n3 1 2 4\n3 2 3 4\n3 3 0 4\n"
    )
}

/// An array as NumPy saves it, of 32-bit numbers.
fn npy(shape: &str, values: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.flat_map(f32::to_le_bytes));
    bytes
}

#[test]
fn a_folder_of_modelnet_is_trained_tested_and_asked_about() {
    let scratch = Scratch::new();
    for (class, height) in [("flat", 0.1), ("tall", 3.0)] {
        for index in 0..6 {
            let part = if index < 4 { "train" } else { "test" };
            let mesh = pyramid(1.0 + 0.1 * f64::from(index), height);
            scratch.write(&format!("models/{class}/{part}/{index}.off"), mesh);
        }
    }
    let told = scratch.train("file = 'models'\npoints = 24").unwrap();
    assert!(
        told.contains("6 items to train on, 2 to validate, 4 to test"),
        "{told}"
    );
    assert!(told.contains("accuracy"), "{told}");
    // What was trained on normalized clouds normalizes those that it is asked about.
    let told = steerable(&["info", text(&scratch.path("run"))]).unwrap();
    assert!(told.contains("\"normalize\": true"), "{told}");
    // The run's own configuration finds the folder from anywhere, though its path stood in single quotes.
    let run = scratch.path("run");
    let told = steerable(&["evaluate", text(&run)]).unwrap();
    assert!(told.starts_with("4 items"), "{told}");
    // One mesh, and all of a folder.
    let one = scratch
        .answers(&scratch.path("models/tall/test/5.off"))
        .unwrap();
    assert!(
        one.len() == 1 && (one[0] == "0,\"flat\"" || one[0] == "0,\"tall\""),
        "{one:?}"
    );
    assert_eq!(scratch.answers(&scratch.path("models")).unwrap().len(), 12);

    let error = scratch
        .train("file = \"models\"\ntest_file = \"x.h5\"")
        .unwrap_err();
    assert!(
        error.contains("data.test_file") && error.contains("tells it itself"),
        "{error}"
    );
    let error = scratch
        .train("file = \"models\"\nclasses = [\"a\", \"b\"]")
        .unwrap_err();
    assert!(
        error.contains("data.classes") && error.contains("flat, tall"),
        "{error}"
    );
    scratch.write("models/tall/test/6.off", "OFF\n1 0 0\n0 0 x\n");
    let error = scratch.train("file = \"models\"\npoints = 24").unwrap_err();
    assert!(
        error.contains("6.off, line 3: \"x\" is no coordinate"),
        "{error}"
    );
}

#[test]
fn arrays_of_clouds_and_labels_are_trained_tested_and_asked_about() {
    let scratch = Scratch::new();
    let wave = |count: usize| (0..count).map(|i| 5.0 + (1.7 * i as f32).sin());
    scratch.write("a.npy", npy("(6, 20, 3)", wave(360)));
    scratch.write(
        "a_labels.npy",
        npy("(6, 1)", (0..6).map(|i| (i % 2) as f32)),
    );
    scratch.write("b.npy", npy("(4, 30, 3)", wave(360)));
    scratch.write(
        "b_labels.npy",
        npy("(4,)", [0.0, 1.0, 2.0, 2.0].into_iter()),
    );
    scratch.write("t.npy", npy("(3, 20, 6)", wave(360)));
    scratch.write("t_labels.npy", npy("(3,)", [0.0, 1.0, 2.0].into_iter()));
    let data = "file = [\"a.npy\", 'b.npy']\nlabels = [\"a_labels.npy\", \"b_labels.npy\"]\n\
                test_file = \"t.npy\"\ntest_labels = \"t_labels.npy\"\npoints = 16\nnormalize = true\n\
                classes = [\"cup\", \"pot\", \"pan\", \"never seen\"]";
    let told = scratch.train(data).unwrap();
    assert!(
        told.contains("8 items to train on, 2 to validate, 3 to test"),
        "{told}"
    );
    let told = steerable(&["evaluate", text(&scratch.path("run"))]).unwrap();
    assert!(told.starts_with("3 items"), "{told}");
    let answers = scratch.answers(&scratch.path("t.npy")).unwrap();
    let known = ["\"cup\"", "\"pot\"", "\"pan\"", "\"never seen\""];
    assert!(answers.len() == 3 && answers.iter().all(|a| known.iter().any(|k| a.ends_with(k))));

    scratch.write("t.ply", "");
    let without = data.replace(
        "test_file = \"t.npy\"\ntest_labels = \"t_labels.npy\"\n",
        "",
    );
    let told = scratch.train(&without).unwrap();
    assert!(told.contains("no items to test"), "{told}");
    for (from, to, expected) in [
        (
            "[\"a_labels.npy\", \"b_labels.npy\"]",
            "\"a_labels.npy\"",
            "2 files, one for each",
        ),
        (
            ", \"pan\", \"never seen\"",
            "",
            "the names of 3 classes or more",
        ),
        (
            "points = 16",
            "points = 25",
            "a.npy: cloud 0: 25 points wanted, 20 are there",
        ),
        (
            "\"t.npy\"",
            "\"t.ply\"",
            "t.ply: labelled clouds are read from .npz",
        ),
        (
            "\"t.npy\"",
            "\"none.npy\"",
            "data.test_file = \"none.npy\": not there",
        ),
        ("\"t.npy\"", "7", "a path or a list of paths"),
    ] {
        let error = scratch.train(&data.replace(from, to)).unwrap_err();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn hdf5_files_are_trained_tested_and_asked_about() {
    let scratch = Scratch::new();
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/shapes/clouds_6x8.h5");
    fs::copy(fixture, scratch.path("clouds.h5")).expect("it is copied");
    let data =
        "file = [\"clouds.h5\", \"clouds.h5\"]\ntest_file = \"clouds.h5\"\nnormalize = true\n";
    let told = scratch.train(data).unwrap();
    assert!(
        told.contains("9 items to train on, 3 to validate, 6 to test"),
        "{told}"
    );
    let answers = scratch.answers(&scratch.path("clouds.h5")).unwrap();
    assert!(answers.len() == 6, "{answers:?}");
}

//! A training by the program itself: killed at random moments and resumed, it ends with the bits of one that
//! ran through; interrupted, it saves; and its model is evaluated, checked, asked and exported.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use steerable_cli::run_folder::{EpochRecord, RunFolder};
use steerable_train::checkpoint::{Checkpoint, CheckpointFolder, Group};
use tempfile::{TempDir, tempdir};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steerable"));
    command.args(arguments);
    command
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command(arguments).output().expect("the program runs");
    let told = String::from_utf8_lossy(&stdout).into_owned();
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{arguments:?}: {told}{errors}");
    told
}

#[track_caller]
fn fails(arguments: &[&str]) -> String {
    let output = command(arguments).output().expect("the program runs");
    assert!(!output.status.success(), "{arguments:?} should fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Water in 24 shapes with springs for bonds, as extended XYZ with energies and forces.
fn springs() -> String {
    let mut text = String::new();
    for frame in 0..24 {
        let wave = |k: f64| 0.08 * (k * f64::from(frame) + k).sin();
        let positions = [
            [wave(1.1), wave(0.7), wave(2.3)],
            [0.96 + wave(1.9), wave(0.3), wave(1.3)],
            [-0.24 + wave(2.9), 0.93 + wave(1.7), wave(0.9)],
        ];
        let mut energy = -300.0;
        let mut forces = [[0.0; 3]; 3];
        for (i, j, rest) in [(0_usize, 1_usize, 0.96), (0, 2, 0.96), (1, 2, 1.5)] {
            let arm: [f64; 3] = std::array::from_fn(|a| positions[j][a] - positions[i][a]);
            let length = arm.iter().map(|x| x * x).sum::<f64>().sqrt();
            let stretch = length - rest;
            energy += 0.5 * 20.0 * stretch * stretch;
            for a in 0..3 {
                let force = 20.0 * stretch * arm[a] / length;
                forces[i][a] += force;
                forces[j][a] -= force;
            }
        }
        text.push_str(&format!(
            "3\nProperties=species:S:1:pos:R:3:forces:R:3 energy={energy}\n"
        ));
        for ((name, x), f) in ["O", "H", "H"].iter().zip(positions).zip(forces) {
            text.push_str(&format!(
                "{name} {} {} {} {} {} {}\n",
                x[0], x[1], x[2], f[0], f[1], f[2]
            ));
        }
    }
    text
}

const CONFIG: &str = r#"
task = "potential"
[data]
file = "water.extxyz"
train = 16
validation = 4
test = 4
[graph]
radius = 3.0
batch_nodes = 6
batch_edges = 40
[model]
hidden = "4x0e + 2x1o"
layers = 1
cutoff = 3.0
radial_functions = 4
radial_hidden = [8]
width = 8
[training]
epochs = EPOCHS
learning_rate = 5e-3
warm_up_steps = 4
ema_decay = 0.9
checkpoint_minutes = 1e-4
"#;

/// A folder of a test with the data and their configuration.
struct Scratch {
    folder: TempDir,
    config: PathBuf,
}

impl Scratch {
    fn new(epochs: usize) -> Self {
        let folder = tempdir().expect("a temporary folder");
        write(&folder.path().join("water.extxyz"), springs());
        let config = folder.path().join("water.toml");
        write(&config, CONFIG.replace("EPOCHS", &epochs.to_string()));
        Self { folder, config }
    }

    /// A path in the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments that train into a folder on one thread, and more.
    fn train<'a>(&'a self, run: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![
            "train",
            path(&self.config),
            "--threads",
            "1",
            "--out",
            path(run),
        ];
        arguments.extend(more);
        arguments
    }

    /// A run that went through without a stop.
    fn trained(&self, name: &str) -> PathBuf {
        let run = self.path(name);
        succeeds(&self.train(&run, &[]));
        run
    }
}

fn write(file: &Path, text: impl AsRef<[u8]>) {
    fs::write(file, text).expect("it is written");
}

fn text_of(file: &Path) -> String {
    fs::read_to_string(file).expect("it is read")
}

/// All tensors of the last checkpoint of a run, and of its best model, by name.
fn bits(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = CheckpointFolder::create(run.join("checkpoints"), 1).expect("a folder");
    let last = folder
        .last_complete()
        .expect("a list")
        .expect("a checkpoint");
    let best = Checkpoint::load(&run.join("model.safetensors")).expect("a model");
    let mut bits = BTreeMap::new();
    for (name, checkpoint) in [("last", &last.checkpoint), ("best", &best)] {
        for group in [Group::Model, Group::Ema, Group::Optimizer, Group::State] {
            for (tensor, data) in checkpoint.group(group) {
                let key = format!(
                    "{name} {} {}{tensor}",
                    checkpoint.header.step,
                    group.prefix()
                );
                bits.insert(key, data.as_bytes().to_vec());
            }
        }
    }
    bits
}

/// Epochs that a run has logged.
fn logged(run: &Path) -> usize {
    fs::read_to_string(run.join("log.jsonl")).map_or(0, |log| log.lines().count())
}

/// Waits until so many epochs are logged, and then so long; whether the training ended before.
fn ends_before(child: &mut Child, run: &Path, epochs: usize, then: Duration) -> bool {
    let mut reached: Option<Instant> = None;
    loop {
        if child.try_wait().expect("it is ours").is_some() {
            return true;
        }
        if reached.is_none() && logged(run) >= epochs {
            reached = Some(Instant::now());
        }
        if reached.is_some_and(|at| at.elapsed() >= then) {
            return false;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// The positions of the atoms of a structure of three in extended XYZ.
fn positions_of(text: &str, structure: usize) -> Vec<[f64; 3]> {
    let lines = text.lines().skip(5 * structure + 2).take(3);
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            std::array::from_fn(|axis| words[1 + axis].parse().expect("a number"))
        })
        .collect()
}

#[test]
fn a_training_killed_at_random_moments_ends_with_the_bits_of_one_that_ran_through() {
    let scratch = Scratch::new(40);
    let through = scratch.trained("through");

    // Each sitting is killed some epochs on, and some milliseconds after: while it reads data, steps, writes or
    // renames.
    let killed = scratch.path("killed");
    let mut state = 0x9e37_79b9_u64 ^ u64::from(std::process::id());
    // A test that fails shows it.
    println!("seed of the moments: {state}");
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let mut kills = 0;
    for _ in 0..200 {
        let before = logged(&killed);
        let mut child = command(&scratch.train(&killed, &["--resume"]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let epochs = before + random(7) as usize;
        let then = Duration::from_micros(random(60_000));
        if ends_before(&mut child, &killed, epochs, then) {
            break;
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it is ours");
        kills += 1;
    }
    assert!(kills >= 3, "killed only {kills} times");
    succeeds(&scratch.train(&killed, &["--resume"]));
    let (expected, found) = (bits(&through), bits(&killed));
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>()
    );
    for (name, expected) in &expected {
        assert!(
            expected == &found[name],
            "{name} differs after {kills} kills"
        );
    }
    // The log tells every epoch, and none twice.
    let log = text_of(&killed.join("log.jsonl"));
    let epochs: Vec<u64> = log
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            record["epoch"].as_u64().expect("a number")
        })
        .collect();
    assert_eq!(
        epochs,
        (1..=40).collect::<Vec<u64>>(),
        "after {kills} kills"
    );
    println!("killed {kills} times");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_resumed_training_ends_with_the_same_bits() {
    let scratch = Scratch::new(40);
    let through = scratch.trained("through");

    let stopped = scratch.path("stopped");
    let child = command(&scratch.train(&stopped, &["--minutes", "30"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let begun = Instant::now();
    while !stopped.join("log.jsonl").exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let asked = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(asked.success());
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    let hint = format!("--resume --out {} --minutes 30 --threads 1", path(&stopped));
    assert!(
        told.contains("stopped and saved") && told.contains(&hint),
        "{told}"
    );
    assert!(!stopped.join("model.safetensors").exists());

    // Without --resume nothing is overwritten.
    let error = fails(&scratch.train(&stopped, &[]));
    assert!(error.contains("--resume"), "{error}");
    succeeds(&scratch.train(&stopped, &["--resume"]));
    assert!(bits(&through) == bits(&stopped));
}

#[test]
fn a_trained_model_is_evaluated_checked_asked_and_exported() {
    let scratch = Scratch::new(10);
    let run = scratch.path("run");
    let told = succeeds(&scratch.train(&run, &[]));
    assert!(told.contains("forces") && told.contains("energy"), "{told}");
    let html = text_of(&run.join("report.html"));
    assert!(html.contains("<svg") && !html.contains("src="));

    let told = succeeds(&["evaluate", path(&run)]);
    assert!(
        told.contains("turned at random") && told.contains("meV"),
        "{told}"
    );
    let told = succeeds(&["check", path(&run), "--trials", "3"]);
    assert!(
        told.contains("passed") && !told.contains("FAILED"),
        "{told}"
    );
    let told = succeeds(&["info", path(&run.join("model.safetensors"))]);
    assert!(
        told.contains("potential") && told.contains("4x0e + 2x1o"),
        "{told}"
    );

    let (data, out) = (scratch.path("water.extxyz"), scratch.path("out.extxyz"));
    succeeds(&["predict", path(&run), path(&data), "--out", path(&out)]);
    let told = succeeds(&["data", "inspect", path(&out)]);
    assert!(
        told.contains("24 structures") && told.contains("forces"),
        "{told}"
    );
    let json = scratch.path("out.json");
    succeeds(&["predict", path(&run), path(&data), "--out", path(&json)]);
    let answers: serde_json::Value = serde_json::from_str(&text_of(&json)).expect("JSON");
    let forces: Vec<[f64; 3]> =
        serde_json::from_value(answers[3]["forces"]["value"].clone()).expect("vectors");
    // Internal forces: none on the whole, and none that turns it. In meV/A, of tens to hundreds; arms of an angstrom.
    let positions = positions_of(&text_of(&data), 3);
    let size: f64 = forces
        .as_flattened()
        .iter()
        .map(|x| x.abs())
        .fold(0.0, f64::max);
    for axis in 0..3 {
        let net: f64 = forces.iter().map(|force| force[axis]).sum();
        assert!(net.abs() < 1e-4 * size, "{net} of {size}");
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        let pairs = positions.iter().zip(&forces);
        let torque: f64 = pairs.map(|(x, f)| x[a] * f[b] - x[b] * f[a]).sum();
        assert!(torque.abs() < 1e-4 * size, "{torque} of {size}");
    }
    let csv = scratch.path("out.csv");
    let told = succeeds(&["predict", path(&run), path(&data), "--out", path(&csv)]);
    assert!(told.contains("forces are left out of a table"), "{told}");
    assert_eq!(text_of(&csv).lines().count(), 25);
    assert_eq!(text_of(&csv).lines().next(), Some("item,energy (meV)"));

    let other = scratch.path("other.xyz");
    write(&other, "1\n\nH 0 0 0\n2\n\nH 0 0 0\nBr 1.4 0 0\n");
    let error = fails(&["predict", path(&run), path(&other), "--out", path(&csv)]);
    let expected = "other.xyz: item 1 holds Br, the model knows H, O only";
    assert!(error.contains(expected), "{error}");

    let exported = scratch.path("exported.safetensors");
    let model = run.join("model.safetensors");
    succeeds(&[
        "export",
        path(&run),
        "--out",
        path(&exported),
        "--dtype",
        "f64",
    ]);
    let (exported, model) = (
        Checkpoint::load(&exported).expect("it is read"),
        Checkpoint::load(&model).expect("it is read"),
    );
    // Of the epoch whose weights these are.
    let epochs = RunFolder::at(&run).epochs().expect("a log");
    let errors = |epoch: &EpochRecord| epoch.validation["forces, meV/A"];
    let best = epochs.iter().min_by(|a, b| errors(a).total_cmp(&errors(b)));
    let best = best.expect("epochs");
    assert_eq!(model.header.step, best.step);
    let score = model.header.score.expect("a score");
    assert!((score - errors(best)).abs() <= 1e-12 * score);
    assert!(epochs.iter().all(|epoch| epoch.rotation_error < Some(1e-3)));
    for (name, data) in model.group(Group::Model) {
        let other = exported.get(Group::Model, name).expect("the same tensor");
        assert_eq!(
            other.clone().convert::<f32>().as_bytes(),
            data.as_bytes(),
            "{name}"
        );
    }
}

#[test]
fn other_targets_and_other_models_are_refused_and_the_run_stays_as_it_was() {
    let scratch = Scratch::new(1);
    let run = scratch.trained("run");
    let text = text_of(&scratch.config);

    let forces = scratch.path("forces.toml");
    let direct = text
        .replace("\"potential\"", "\"vectors\"")
        .replace("width = 8\n", "")
        .replace("[data]", "[data]\nvectors = \"forces\"");
    write(&forces, direct);
    let told = fails(&["evaluate", path(&run), "--config", path(&forces)]);
    let expected = "foretells energy meV, forces meV/A, the data hold forces meV/A";
    assert!(told.contains(expected), "{told}");

    let kept = text_of(&run.join("config.toml"));
    let wider = text.replace("4x0e + 2x1o", "6x0e + 2x1o");
    write(&scratch.config, wider);
    let told = fails(&scratch.train(&run, &["--resume"]));
    assert!(told.contains("hidden was"), "{told}");
    assert_eq!(text_of(&run.join("config.toml")), kept);
}

/// Reads a trained model with the package `safetensors` of Python, where both are there.
#[test]
fn python_reads_what_is_exported() {
    const SCRIPT: &str = "
import json, sys, zlib
from safetensors import safe_open
with safe_open(sys.argv[1], framework='numpy') as f:
    header = json.loads(f.metadata()['steerable'])
    names = sorted(f.keys())
    total = sum(f.get_tensor(name).size for name in names)
    first = f.get_tensor(names[0]).ravel()[0]
print(header['model']['kind'], len(names), total, header['parameters'], repr(float(first)))
";
    let works = Command::new("python3")
        .args(["-c", "import safetensors, numpy"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: there is no python3 with the packages safetensors and numpy");
        return;
    }
    let scratch = Scratch::new(1);
    let run = scratch.trained("run");
    let model = run.join("model.safetensors");
    let output = Command::new("python3")
        .args(["-c", SCRIPT, path(&model)])
        .output()
        .expect("python runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let checkpoint = Checkpoint::load(&model).expect("it is read");
    let (_, first) = checkpoint.group(Group::Model).next().expect("a tensor");
    let first = f64::from(first.as_slice::<f32>().expect("f32")[0]);
    let words: Vec<&str> = told.split_whitespace().collect();
    let count = checkpoint.group(Group::Model).count().to_string();
    let numbers = checkpoint.header.parameters.to_string();
    assert_eq!(
        words[..4],
        ["potential", &count, &numbers, &numbers],
        "{told}"
    );
    assert_eq!(words[4].parse::<f64>().expect("a number"), first);
}

#[test]
fn wrong_configurations_are_told_with_key_value_and_what_is_allowed() {
    let scratch = Scratch::new(1);
    let text = text_of(&scratch.config);
    write(&scratch.path("water.npz"), "");
    let cases = [
        (
            "layers = 1",
            "layer = 1",
            "model.layer = 1: unknown key",
            "did you mean layers?",
        ),
        (
            "layers = 1",
            "kind = \"transformr\"",
            "model.kind = \"transformr\"",
            "did you mean transformer?",
        ),
        (
            "ema_decay = 0.9",
            "ema_decay = 7.0",
            "ema_decay = 7",
            "from 0 to 1",
        ),
        (
            "learning_rate",
            "learning_rte",
            "training.learning_rte",
            "did you mean learning_rate?",
        ),
        ("train = 16", "train = 160", "water.extxyz", "24 items"),
        (
            "learning_rate = 5e-3",
            "learning_rate = nan",
            "training.learning_rate = nan",
            "finite",
        ),
        (
            "learning_rate = 5e-3",
            "learning_rate = -1.0",
            "water.toml: training.learning_rate = -1",
            "positive",
        ),
        (
            "epochs = 1",
            "epochs = 1\nforce_step = 0.0",
            "water.toml: training.force_step = 0",
            "positive",
        ),
        (
            "validation = 4",
            "validation = 4\nelements = [\"O\"]",
            "holds H, which data.elements",
            "item",
        ),
        (
            "water.extxyz",
            "wine.extxyz",
            "wine.extxyz",
            "not there, neither beside",
        ),
        (
            "hidden = \"4x0e + 2x1o\"",
            "hidden = \"4x0e + 2y1o\"",
            "model.hidden",
            "2y1o",
        ),
        (
            "hidden = \"4x0e + 2x1o\"",
            "hidden = \"4x0e + 2x0e\"",
            "water.toml: model.hidden = 4x0e + 2x0e",
            "each irrep once",
        ),
        (
            "hidden = \"4x0e + 2x1o\"",
            "hidden = \"4x0e + 0x1o\"",
            "water.toml: model.hidden = ",
            "multiplicity to be at least 1",
        ),
        (
            "\"water.extxyz\"",
            "\"water.npz\"\nenergy_unit = \"hartree\"",
            "water.toml: data.energy_unit = \"hartree\": nothing for",
            "water.npz: rMD17's archives are in kcal/mol",
        ),
        (
            "radius = 3.0",
            "edges = \"bonds\"",
            "graph.edges = \"bonds\"",
            "an energy jumps",
        ),
        (
            "width = 8",
            "width = 8\nbonds = true",
            "water.toml: model.bonds = true: not for",
            "water.extxyz, whose item 0 has no bonds",
        ),
        (
            "hidden = \"4x0e + 2x1o\"",
            "hidden = \"4x2e\"",
            "water.toml: [model]: ",
            "4x2e",
        ),
        (
            "batch_nodes = 6",
            "batch_nodes = 2",
            "water.toml: graph.batch_nodes = 2: at least 3",
            "has 3 nodes and 6 edges",
        ),
        (
            "batch_edges = 40",
            "batch_edges = 5",
            "water.toml: graph.batch_edges = 5: at least 6",
            "item 0 of those to",
        ),
    ];
    for (from, to, first, second) in cases {
        write(&scratch.config, text.replace(from, to));
        let run = scratch.path("run");
        let error = fails(&scratch.train(&run, &[]));
        assert!(
            error.contains(first) && error.contains(second),
            "{to}: {error}"
        );
        assert!(!run.exists(), "{to} leaves a folder");
    }
}

/// A molecule that is larger than the batches is found before the training if it is among those to test; in a file
/// that a trained model is asked about, it gets a batch of its own.
#[test]
fn large_items_are_told_before_a_training_and_answered_after_it() {
    let scratch = Scratch::new(1);
    let run = scratch.trained("run");
    let chain = |atoms: usize| {
        let mut text = format!("{atoms}\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-300\n");
        for x in 0..atoms {
            text.push_str(&format!("H {x} 0.1 0 0 0 0\n"));
        }
        text
    };
    let file = scratch.path("large.extxyz");
    write(&file, chain(4).repeat(2));
    let text =
        text_of(&scratch.config).replace("test = 4", "test = 2\ntest_file = \"large.extxyz\"");
    let small = text.replace("batch_nodes = 6", "batch_nodes = 3");
    write(&scratch.config, small);
    let other = scratch.path("other");
    let error = fails(&scratch.train(&other, &[]));
    assert!(
        error.contains("graph.batch_nodes = 3: at least 4: item 0 of those to test has 4 nodes"),
        "{error}"
    );
    assert!(!other.exists());

    // The trained model's batches hold six atoms.
    write(&file, chain(8));
    let out = scratch.path("out.json");
    succeeds(&["predict", path(&run), path(&file), "--out", path(&out)]);
}

#[test]
fn formats_that_cannot_hold_the_answers_are_refused_before_they_are_computed() {
    let scratch = Scratch::new(1);
    let text = text_of(&scratch.config)
        .replace("\"potential\"", "\"vectors\"")
        .replace("[data]", "[data]\nvectors = \"forces\"")
        .replace("width = 8\n", "");
    write(&scratch.config, text);
    let run = scratch.trained("run");
    // Nothing is there to be read: the format is looked at first.
    let none = scratch.path("none.xyz");
    let csv = scratch.path("out.csv");
    let error = fails(&["predict", path(&run), path(&none), "--out", path(&csv)]);
    assert!(
        error.contains("out.csv: a table has a row for each item") && error.contains(".extxyz"),
        "{error}"
    );
    assert!(!csv.exists());
}

//! Damaged files are refused or read; they never panic.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::{AtomValues, Structure, Value, extxyz, npy};

const SEED: u64 = 21;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/molecules");
    folder.join(name)
}

/// Pieces that parsers of numbers, lists and headers stumble over.
const PIECES: [&[u8]; 18] = [
    b"\n",
    b"\xff",
    b"\xc3\xa9",
    b"'",
    b"\"",
    b"{",
    b"[[[",
    b"]",
    b"=",
    b"\\",
    b":",
    b"nan",
    b"-inf",
    b"1e999",
    b"99999999999999999999",
    b"Lattice=\"0 0 0 0 0 0 0 0 0\" ",
    b"(((((",
    b"\0",
];

/// One to three edits: bytes set, ranges removed, doubled or overwritten, or the end cut off.
fn damaged(text: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..rng.random_range(1..=3) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(0..30)).min(bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] = rng.random(),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let doubled = bytes[at..end].to_vec();
                bytes.splice(at..at, doubled);
            }
            4 => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                let end = (at + piece.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&piece[..end - at]);
            }
        }
    }
    bytes
}

/// The text of the first two frames.
fn first_frames(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let mut end = 0;
    for _ in 0..2 {
        end += 2 + lines[end].parse::<usize>().unwrap();
    }
    lines[..end].join("\n")
}

/// Whether lists fit together and all numbers are finite.
fn is_sound(structure: &Structure) -> bool {
    let atoms = structure.len();
    let numbers = structure
        .properties
        .iter()
        .all(|property| match &property.value {
            Value::Numbers(numbers) => numbers.iter().all(|x| x.is_finite()),
            Value::Text(_) => true,
        });
    let columns = structure.atom_properties.iter().all(|property| {
        let count = match &property.values {
            AtomValues::Real(values) if values.iter().any(|x| !x.is_finite()) => return false,
            AtomValues::Real(values) => values.len(),
            AtomValues::Integer(values) => values.len(),
            AtomValues::Logical(values) => values.len(),
            AtomValues::Text(values) => values.len(),
        };
        count == atoms * property.width
    });
    let positions = structure.positions.iter().flatten().all(|x| x.is_finite());
    numbers && columns && positions && structure.positions.len() == atoms
}

#[test]
fn damaged_extended_xyz_is_refused_or_read_soundly() {
    let mut xtb = String::new();
    let compressed = std::fs::File::open(fixture("xtb_30.extxyz.gz")).unwrap();
    GzDecoder::new(compressed).read_to_string(&mut xtb).unwrap();
    let qm9 = std::fs::read_to_string(fixture("qm9_100.extxyz")).unwrap();
    let (xtb, qm9) = (first_frames(&xtb), first_frames(&qm9));
    let crystal = "2\nProperties=species:S:1:pos:R:3:tag:I:1:move:L:1 a=[[1,2],[3,4]] b='c\\'d' \
                   Lattice=\"3 0 0 0 3 0 0 0 3\" pbc=\"T T F\"\nNa 0 0 0 1 T\nCl 1.5 0 0 2 F\n";
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut read, mut refused) = (0, 0);
    for text in [xtb.as_str(), &qm9, crystal] {
        for _ in 0..10_000 {
            let bytes = damaged(text.as_bytes(), &mut rng);
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let outcome = std::panic::catch_unwind(|| {
                let frames = extxyz::Options::default().open_source(Cursor::new(bytes), "damaged");
                frames.and_then(Iterator::collect::<Result<Vec<_>, _>>)
            });
            match outcome {
                Ok(Ok(frames)) => {
                    assert!(frames.iter().all(is_sound), "{shown}");
                    read += 1;
                }
                Ok(Err(_)) => refused += 1,
                Err(_) => panic!("seed {SEED}: {shown}"),
            }
        }
    }
    // Both ways must have been taken often for the test to say something.
    assert!(
        read > 1000 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn damaged_compressed_files_are_refused_and_never_panic() {
    let compressed = std::fs::read(fixture("xtb_30.extxyz.gz")).unwrap();
    let whole = extxyz::read(fixture("xtb_30.extxyz.gz")).unwrap();
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut refused = 0;
    for _ in 0..500 {
        let bytes = damaged(&compressed, &mut rng);
        let frames = extxyz::Options::default().open_source(Cursor::new(bytes), "damaged");
        match frames.and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            // Damage to the header's time or name goes unnoticed, and does no harm; a file cut to
            // nothing has no frame.
            Ok(frames) => assert!(frames.is_empty() || frames == whole),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 400, "{refused} refused");
}

#[test]
fn damaged_arrays_are_refused_or_read() {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }\n";
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.as_bytes());
    array.extend((0..12).flat_map(|x| f64::from(x).to_le_bytes()));
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        match npy::read_source(Cursor::new(damaged(&array, &mut rng)), "damaged") {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        read > 500 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

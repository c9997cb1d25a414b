//! Damaged files are refused or read; they never panic.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_protein::file::{self, ReadOptions};

const CASES_FOR_EACH_TEXT: usize = 10_000;
const SEED: u64 = 20;

/// The first lines of a fixture as PDB, and the chain's first residues as mmCIF.
fn texts() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins");
    let path = fixtures.join("1A8O_A.pdb.gz");
    let mut pdb = String::new();
    let compressed = std::fs::File::open(&path).unwrap();
    GzDecoder::new(compressed).read_to_string(&mut pdb).unwrap();
    let lines: Vec<_> = pdb.lines().take(60).collect();

    let mut chains = file::read(&path).unwrap().chains;
    chains[0].residues.truncate(6);
    let name = format!("steerable-fuzz-{}.cif", std::process::id());
    let written = std::env::temp_dir().join(name);
    file::write(&written, &chains).unwrap();
    let mmcif = std::fs::read(&written).unwrap();
    std::fs::remove_file(&written).unwrap();

    let models = format!(
        "MODEL 1\n{0}\nENDMDL\nMODEL 2\n{0}\nENDMDL\n",
        lines.join("\n")
    );
    vec![lines.join("\n").into_bytes(), models.into_bytes(), mmcif]
}

/// Pieces that parsers of numbers, names and tables stumble over.
const PIECES: [&[u8]; 16] = [
    b"\n",
    b"\xff",
    b"\xc3\xa9",
    b"'",
    b"\"",
    b";",
    b"?",
    b".",
    b"loop_\n",
    b"data_",
    b"nan",
    b"-inf",
    b"1e999",
    b"99999999999999999999",
    b"_atom_site.id\n",
    b"\0",
];

/// One to six edits: bytes set, ranges removed, doubled or overwritten, or the end cut off.
fn damaged(text: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..rng.random_range(1..=6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(0..90)).min(bytes.len());
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

#[test]
fn damaged_files_are_refused_or_read_and_never_panic() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut read, mut refused) = (0, 0);
    for text in texts() {
        for _ in 0..CASES_FOR_EACH_TEXT {
            let bytes = damaged(&text, &mut rng);
            let result =
                std::panic::catch_unwind(|| ReadOptions::default().read_bytes(&bytes, "damaged"));
            match result {
                Ok(Ok(contents)) => {
                    let finite = contents.chains.iter().flat_map(|c| &c.residues).all(|r| {
                        r.atoms
                            .iter()
                            .all(|a| a.position.iter().all(|x| x.is_finite()))
                    });
                    assert!(finite, "{}", String::from_utf8_lossy(&bytes));
                    read += 1;
                }
                Ok(Err(_)) => refused += 1,
                Err(_) => panic!("seed {SEED}: {}", String::from_utf8_lossy(&bytes)),
            }
        }
    }
    println!("{read} read, {refused} refused");
    // Both ways must have been taken often for the test to say something.
    assert!(
        read > 1000 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn damaged_compressed_files_are_refused_or_read_and_never_panic() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins");
    let compressed = std::fs::read(fixtures.join("1LCD_A.pdb.gz")).unwrap();
    let mut rng = StdRng::seed_from_u64(SEED);
    let refused = (0..500).filter(|_| {
        let bytes = damaged(&compressed, &mut rng);
        ReadOptions::default()
            .read_bytes(&bytes, "damaged")
            .is_err()
    });
    assert!(refused.count() > 100);
}

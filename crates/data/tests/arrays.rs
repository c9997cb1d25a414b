//! Arrays of NumPy, and the archives of rMD17 made of them.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use steerable_data::npy::{self, Array, Elements, Npz};
use steerable_data::{ArrayFault, EnergyUnit, ReadError, rmd17};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The bytes of an array as NumPy writes them.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn doubles(shape: &str, values: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy("<f8", shape, &data)
}

/// A file of the test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("steerable-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn elements(name: &str, bytes: &[u8]) -> Result<Elements, ReadError> {
    npy::read(&Scratch::new(name, bytes).0).map(|array| array.elements)
}

fn archive(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default();
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn every_type_is_read_in_both_byte_orders() {
    let read = |descr, data: &[u8]| elements("types.npy", &npy(descr, "(1,)", data)).unwrap();
    let half = 0.5f64;
    assert_eq!(read("<f8", &half.to_le_bytes()), Elements::Real(vec![half]));
    assert_eq!(read(">f8", &half.to_be_bytes()), Elements::Real(vec![half]));
    let single = 0.5f32;
    assert_eq!(
        read(">f4", &single.to_be_bytes()),
        Elements::Real(vec![half])
    );
    assert_eq!(
        read("<i2", &(-3i16).to_le_bytes()),
        Elements::Integer(vec![-3])
    );
    assert_eq!(
        read(">i8", &(-3i64).to_be_bytes()),
        Elements::Integer(vec![-3])
    );
    assert_eq!(read("|u1", &[200]), Elements::Integer(vec![200]));
    assert_eq!(read("|b1", &[1]), Elements::Logical(vec![true]));
    let text = Elements::Text(vec!["ab".into()]);
    assert_eq!(read("|S3", b"ab\0"), text);
    assert_eq!(read("<U3", b"a\0\0\0b\0\0\0\0\0\0\0"), text);
}

#[test]
fn what_is_no_such_array_is_refused_with_the_reason() {
    let fault = |bytes: &[u8]| match elements("faults.npy", bytes) {
        Err(ReadError::Array { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let message = |bytes: &[u8]| fault(bytes).to_string();
    let good = doubles("(2,)", &[1.0, 2.0]);
    assert!(message(&good[..good.len() - 1]).contains("fill whole buffer"));
    let longer = [good.as_slice(), b"x"].concat();
    assert_eq!(message(&longer), "bytes behind the last element");
    let huge = npy(
        "<f8",
        "(18446744073709551615, 18446744073709551615, 9)",
        b"",
    );
    assert!(matches!(fault(&huge), ArrayFault::TooLarge { .. }));
    // Text without width would take memory and no bytes.
    let hollow = npy("<U0", "(1000000000000000000,)", b"");
    assert!(matches!(fault(&hollow), ArrayFault::Type { .. }));
    let texts = npy("<U1", "(100000000,)", b"");
    assert!(matches!(fault(&texts), ArrayFault::TooLarge { .. }));
    let promised = npy("<f8", "(100000000,)", b"");
    assert!(message(&promised).contains("fill whole buffer"));
    assert!(matches!(
        fault(&npy("|O", "(1,)", b"")),
        ArrayFault::Type { .. }
    ));
    let text = String::from_utf8_lossy(&good).into_owned();
    assert!(text.contains("False"));
    let at = good.windows(5).position(|part| part == b"False").unwrap();
    let mut turned = good.clone();
    turned[at..at + 5].copy_from_slice(b"True ");
    assert!(elements("vector.npy", &turned).is_ok());
}

#[test]
fn an_rmd17_archive_gives_frames_in_its_own_unit() {
    let numbers: Vec<f64> = (0..12).map(f64::from).collect();
    let bytes = archive(&[
        ("nuclear_charges", npy("|u1", "(2,)", &[8, 1])),
        ("coords", doubles("(2, 2, 3)", &numbers)),
        ("energies", doubles("(2,)", &[-1.0, -2.0])),
        ("forces", doubles("(2, 2, 3)", &numbers)),
    ]);
    let file = Scratch::new("rmd17.npz", &bytes);
    let trajectory = rmd17::read(&file.0).unwrap();
    assert_eq!((trajectory.len(), trajectory.species()), (2, &[8u8, 1][..]));
    let second = trajectory.frame(1).unwrap();
    assert_eq!(second.positions, [[6.0, 7.0, 8.0], [9.0, 10.0, 11.0]]);
    let unit = EnergyUnit::KilocaloriePerMole;
    assert_eq!(second.energy(rmd17::ENERGY, unit), Ok(-2.0));
    assert_eq!(
        second.forces(rmd17::FORCES, unit).unwrap(),
        second.positions
    );
    let in_ev = second.energy(rmd17::ENERGY, EnergyUnit::ElectronVolt);
    assert!((in_ev.unwrap() + 0.086_728_2).abs() < 1e-7);
    assert!(trajectory.frame(2).is_none());
}

#[test]
fn an_md17_archive_is_read_by_its_own_names() {
    let numbers: Vec<f64> = (0..12).map(f64::from).collect();
    let bytes = archive(&[
        ("z", npy("|u1", "(2,)", &[8, 1])),
        ("R", doubles("(2, 2, 3)", &numbers)),
        ("E", doubles("(2, 1)", &[-1.0, -2.0])),
        ("F", doubles("(2, 2, 3)", &numbers)),
    ]);
    let trajectory = rmd17::read(&Scratch::new("md17.npz", &bytes).0).unwrap();
    let second = trajectory.frame(1).unwrap();
    assert_eq!(second.number(rmd17::ENERGY), Ok(-2.0));
    assert_eq!(second.vectors(rmd17::FORCES).unwrap(), second.positions);
}

#[test]
fn an_rmd17_archive_whose_arrays_do_not_fit_is_refused() {
    let numbers = [0.0; 12];
    let message = |name: &str, array: Vec<u8>| {
        let mut arrays = vec![
            ("nuclear_charges", npy("|u1", "(2,)", &[8, 1])),
            ("coords", doubles("(2, 2, 3)", &numbers)),
            ("energies", doubles("(2,)", &[-1.0, -2.0])),
            ("forces", doubles("(2, 2, 3)", &numbers)),
        ];
        arrays.retain(|(known, _)| *known != name);
        arrays.push((if array.is_empty() { "other" } else { name }, array));
        let file = Scratch::new(&format!("{name}-misfit.npz"), &archive(&arrays));
        rmd17::read(&file.0).unwrap_err().to_string()
    };
    let shape = message("forces", doubles("(4, 3)", &numbers));
    assert!(
        shape.ends_with("shape [4, 3], expected [2, 2, 3]"),
        "{shape}"
    );
    let charge = message("nuclear_charges", npy("|u1", "(2,)", &[8, 0]));
    assert!(charge.ends_with("element 1 is 0, which is no atomic number"));
    let nan = message("energies", doubles("(2,)", &[1.0, f64::NAN]));
    assert!(nan.ends_with("element 1 is NaN, which is no finite number"));
    assert!(message("coords", Vec::new()).contains("not there, only"));
}

#[test]
fn what_is_written_is_read_back_and_its_types_are_the_smallest() {
    let arrays = [
        (
            "reals",
            vec![2, 2],
            Elements::Real(vec![0.1, -0.0, f64::INFINITY, 1e-300]),
        ),
        ("bytes", vec![2], Elements::Integer(vec![0, 255])),
        ("words", vec![2, 1], Elements::Integer(vec![-1, 256])),
        ("longs", vec![1], Elements::Integer(vec![i64::MIN])),
        ("bits", vec![2], Elements::Logical(vec![true, false])),
        (
            "texts",
            vec![3],
            Elements::Text(vec!["a".into(), String::new(), "é\u{10348}".into()]),
        ),
        ("one", vec![], Elements::Real(vec![3.0])),
        ("none", vec![0, 3], Elements::Real(vec![])),
    ];
    let arrays = arrays.map(|(name, shape, elements)| (name, Array { shape, elements }));
    let path = Scratch::new("written.npz", b"");
    npy::write_archive(&path.0, &arrays).unwrap();
    let mut archive = Npz::open(&path.0).unwrap();
    assert_eq!(
        archive.names(),
        arrays.clone().map(|(name, _)| name.to_owned())
    );
    for (name, array) in &arrays {
        assert_eq!(archive.array(name).unwrap(), *array, "{name}");
    }
    let bytes = std::fs::read(&path.0).unwrap();
    for descr in ["'|u1'", "'<i4'", "'<i8'", "'|b1'", "'<f8'"] {
        assert!(
            bytes.windows(5).any(|part| part == descr.as_bytes()),
            "{descr}"
        );
    }
    npy::write_archive(&path.0, &arrays).unwrap();
    assert_eq!(std::fs::read(&path.0).unwrap(), bytes);
    let misfit = Array {
        shape: vec![3],
        elements: Elements::Real(vec![0.0]),
    };
    assert!(npy::write_archive(&path.0, &[("x", misfit)]).is_err());
    // A write that fails leaves the file that was there.
    assert_eq!(std::fs::read(&path.0).unwrap(), bytes);
    assert!(npy::write_archive("/nowhere/x.npz", &arrays).is_err());
}

#[test]
fn a_split_names_each_frame_once() {
    let read = |text: &str| rmd17::read_split(&Scratch::new("split.csv", text.as_bytes()).0, 5);
    assert_eq!(read("3\n0\n4\n").unwrap(), [3, 0, 4]);
    assert!(read("3\n3\n").unwrap_err().to_string().contains("line 2"));
    assert!(read("5\n").is_err());
}

/// All archives of `../shared/data`; none, and a word about it, where the data are not there.
#[test]
fn forces_of_the_shared_rmd17_archives_sum_to_zero() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/forces/rmd17");
    let Ok(entries) = std::fs::read_dir(&shared) else {
        println!("SKIPPED: no folder {}", shared.display());
        return;
    };
    let mut archives = 0;
    for entry in entries {
        let trajectory = rmd17::read(entry.unwrap().path()).unwrap();
        assert_eq!(trajectory.len(), 1000);
        for frame in trajectory.frames() {
            let forces = frame
                .forces(rmd17::FORCES, EnergyUnit::ElectronVolt)
                .unwrap();
            let largest = forces
                .iter()
                .flatten()
                .fold(0.0, |m: f64, f| m.max(f.abs()));
            for axis in 0..3 {
                let sum: f64 = forces.iter().map(|force| force[axis]).sum();
                // They were computed in single precision; 1e-7 is the most that is found.
                assert!(sum.abs() < 1e-6 * largest, "{sum} of {largest}");
            }
        }
        archives += 1;
    }
    assert!(archives > 0);
}

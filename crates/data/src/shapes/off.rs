//! OFF files, the format of ModelNet.

use super::Mesh;
use super::mesh::add_fan;
use crate::lines::{Lines, finite, invalid};
use crate::{LineFault, ReadError};

/// See [`super::MeshFormat`].
pub(super) fn read(lines: &mut Lines) -> Result<Mesh, ReadError> {
    let header = next(lines, "OFF")?;
    let Some(counts) = header.strip_prefix("OFF").map(str::to_owned) else {
        let fault = invalid(&header, "OFF file");
        return Err(lines.fault(fault));
    };
    let counts = match counts.trim() {
        "" => next(lines, "the numbers of vertices and faces")?,
        counts => counts.to_owned(),
    };
    let [vertices, faces] = parse_counts(&counts).map_err(|fault| lines.fault(fault))?;
    let mut mesh = Mesh::default();
    for _ in 0..vertices {
        let line = next(lines, "a vertex")?;
        let vertex = vertex(&line).map_err(|fault| lines.fault(fault))?;
        mesh.vertices.push(vertex);
    }
    for _ in 0..faces {
        let line = next(lines, "a face")?;
        face(&line, &mut mesh).map_err(|fault| lines.fault(fault))?;
    }
    if lines.at_end()? {
        return Ok(mesh);
    }
    let line = next(lines, "the end")?;
    let fault = invalid(&line, "end of the file");
    Err(lines.fault(fault))
}

/// The next line that is neither blank nor a comment.
fn next(lines: &mut Lines, expected: &'static str) -> Result<String, ReadError> {
    loop {
        let line = lines.expect_line(expected)?;
        let text = line.split('#').next().unwrap_or_default().trim();
        if !text.is_empty() {
            return Ok(text.to_owned());
        }
    }
}

fn parse_counts(line: &str) -> Result<[usize; 2], LineFault> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    // The number of edges is not used, and missing from some files.
    if !(2..=3).contains(&words.len()) {
        return Err(LineFault::ValueCount {
            found: words.len(),
            expected: 3,
        });
    }
    let count = |text: &str| {
        // Vertices are numbered in 32 bits.
        let count = text.parse::<u32>();
        count
            .map(|count| count as usize)
            .map_err(|_| invalid(text, "number of vertices or faces"))
    };
    Ok([count(words[0])?, count(words[1])?])
}

fn vertex(line: &str) -> Result<[f64; 3], LineFault> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    match words[..] {
        [x, y, z] => {
            let coordinate = |text| finite(text, "coordinate");
            Ok([coordinate(x)?, coordinate(y)?, coordinate(z)?])
        }
        _ => Err(LineFault::ValueCount {
            found: words.len(),
            expected: 3,
        }),
    }
}

fn face(line: &str, mesh: &mut Mesh) -> Result<(), LineFault> {
    let mut words = line.split_ascii_whitespace();
    let count = words.next().unwrap_or_default();
    let corners: usize = match count.parse() {
        Ok(corners @ 3..) => corners,
        _ => return Err(invalid(count, "number of corners")),
    };
    let indices = words.by_ref().take(corners).map(|text| {
        let index = text.parse::<u32>().ok();
        let known = index.filter(|&index| (index as usize) < mesh.vertices.len());
        known.ok_or_else(|| invalid(text, "index of a vertex"))
    });
    let indices: Vec<u32> = indices.collect::<Result<_, _>>()?;
    if indices.len() < corners {
        return Err(LineFault::ValueCount {
            found: indices.len(),
            expected: corners,
        });
    }
    add_fan(&indices, &mut mesh.triangles);
    Ok(())
}

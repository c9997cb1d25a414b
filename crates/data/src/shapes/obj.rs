//! OBJ files.

use super::Mesh;
use super::mesh::add_fan;
use crate::lines::{Lines, finite, invalid};
use crate::{LineFault, ReadError};

/// See [`super::MeshFormat`].
pub(super) fn read(lines: &mut Lines) -> Result<Mesh, ReadError> {
    let mut mesh = Mesh::default();
    let mut joined = String::new();
    while let Some(line) = lines.next_line()? {
        let text = line.split('#').next().unwrap_or_default();
        // A backslash joins a line with the next.
        if let Some(start) = text.trim_end().strip_suffix('\\') {
            joined.push_str(start);
            joined.push(' ');
            continue;
        }
        joined.push_str(text);
        let read = statement(&joined, &mut mesh);
        joined.clear();
        read.map_err(|fault| lines.fault(fault))?;
    }
    if joined.is_empty() {
        return Ok(mesh);
    }
    let expected = "the line that a backslash joins";
    Err(lines.fault(LineFault::Ends { expected }))
}

fn statement(text: &str, mesh: &mut Mesh) -> Result<(), LineFault> {
    let mut words = text.split_ascii_whitespace();
    match words.next() {
        Some("v") => {
            let numbers: Result<Vec<_>, _> = words.map(|word| finite(word, "coordinate")).collect();
            let numbers = numbers?;
            // A weight may follow, or a colour.
            match (numbers.first_chunk(), numbers.len()) {
                (Some(vertex), 3 | 4 | 6 | 7) => mesh.vertices.push(*vertex),
                (_, found) => return Err(LineFault::ValueCount { found, expected: 3 }),
            }
        }
        Some("f") => {
            let corners = words.map(|word| corner(word, mesh.vertices.len()));
            let corners: Vec<u32> = corners.collect::<Result<_, _>>()?;
            if corners.len() < 3 {
                let found = corners.len();
                return Err(LineFault::ValueCount { found, expected: 3 });
            }
            add_fan(&corners, &mut mesh.triangles);
        }
        _ => {}
    }
    Ok(())
}

/// The vertex of `v`, `v/t`, `v//n` or `v/t/n`: counted from 1, or back from the last one there is.
fn corner(word: &str, vertices: usize) -> Result<u32, LineFault> {
    let index = word.split('/').next().unwrap_or_default();
    let place = match index.parse::<i64>() {
        Ok(index @ 1..) => u64::try_from(index - 1).ok(),
        Ok(index @ ..=-1) => (vertices as u64).checked_sub(index.unsigned_abs()),
        _ => None,
    };
    let place = place.filter(|&place| place < vertices as u64);
    let place = place.and_then(|place| u32::try_from(place).ok());
    place.ok_or_else(|| invalid(word, "index of a vertex before it"))
}

//! Point clouds in plain text.

use super::Mesh;
use crate::lines::{Lines, finite};
use crate::{LineFault, ReadError};

/// See [`super::MeshFormat`].
pub(super) fn read(lines: &mut Lines) -> Result<Mesh, ReadError> {
    let mut mesh = Mesh::default();
    let mut normals = Vec::new();
    let mut width = None;
    while let Some(line) = lines.next_line()? {
        let text = line.split('#').next().unwrap_or_default();
        let read = numbers(text, width);
        let numbers = read.map_err(|fault| lines.fault(fault))?;
        let Some(point) = numbers.first_chunk() else {
            continue;
        };
        width = Some(numbers.len());
        mesh.vertices.push(*point);
        normals.extend(numbers[3..].first_chunk::<3>());
    }
    mesh.normals = (!normals.is_empty()).then_some(normals);
    Ok(mesh)
}

/// Three or six numbers, as many as in the lines before; none of a blank line.
fn numbers(text: &str, width: Option<usize>) -> Result<Vec<f64>, LineFault> {
    let words = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let numbers: Result<Vec<_>, _> = words.map(|word| finite(word, "coordinate")).collect();
    let numbers = numbers?;
    match (numbers.len(), width) {
        (0, _) | (3 | 6, None) => Ok(numbers),
        (found, Some(width)) if found == width => Ok(numbers),
        (found, width) => Err(LineFault::ValueCount {
            found,
            expected: width.unwrap_or(3),
        }),
    }
}

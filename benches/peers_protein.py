"""Times other packages on the protein geometry that the program `proteins` times, and prints Markdown.

    pip install numpy scipy biotite mdtraj tmtools PeptideBuilder
    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python benches/peers_protein.py target/release/proteins

Same chains, one thread, least of the samples of at least 0.1 s each; the program and the packages run by
turns, length by length. What a package's figure includes beyond ours, or the other way round, is in NOTES.
"""

import json
import subprocess
import sys
import time

import biotite.structure as struc
import mdtraj
import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import scipy.spatial
import tmtools

NOTES = {
    "torsions": "phi, psi, omega",
    "NeRF": "serial, f64; the peer is a loop over NumPy rows",
    "frames": "NumPy on all rows at once",
    "distance matrix": "CA, f64",
    "MDS": "three axes; SciPy's eigsh on the Gram matrix",
    "Kabsch": "f64; biotite in f32",
    "TM-score": "tm_align also aligns; ours tries every fragment of six lengths",
}


def atom_array(atoms):
    array = struc.AtomArray(atoms.shape[0] * 3)
    array.coord = atoms.reshape(-1, 3).astype(np.float32)
    array.atom_name = np.tile(["N", "CA", "C"], atoms.shape[0])
    array.element = np.tile(["N", "C", "C"], atoms.shape[0])
    array.res_name[:] = "ALA"
    array.chain_id[:] = "A"
    array.res_id = np.repeat(np.arange(1, atoms.shape[0] + 1), 3)
    return array


def trajectory(atoms):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in atoms:
        residue = topology.add_residue("ALA", chain)
        for name, element in (("N", "N"), ("CA", "C"), ("C", "C")):
            topology.add_atom(name, mdtraj.element.get_by_symbol(element), residue)
    return mdtraj.Trajectory(atoms.reshape(1, -1, 3) / 10, topology)


def nerf(steps):
    """Parsons et al. 2005, one atom after another; steps are (length, angle, torsion)."""
    local = np.stack(
        [
            -np.cos(steps[:, 1]),
            np.sin(steps[:, 1]) * np.cos(steps[:, 2]),
            np.sin(steps[:, 1]) * np.sin(steps[:, 2]),
        ],
        axis=1,
    ) * steps[:, :1]
    out = np.empty((len(steps) + 3, 3))
    out[:3] = [[-0.5, 1.4, 0], [0, 0, 0], [1.5, 0, 0]]
    for i, step in enumerate(local, 3):
        a, b, c = out[i - 3], out[i - 2], out[i - 1]
        x = c - b
        x /= (x @ x) ** 0.5
        z = np.array(
            [
                (b[1] - a[1]) * x[2] - (b[2] - a[2]) * x[1],
                (b[2] - a[2]) * x[0] - (b[0] - a[0]) * x[2],
                (b[0] - a[0]) * x[1] - (b[1] - a[1]) * x[0],
            ]
        )
        z /= (z @ z) ** 0.5
        y = np.array([z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]])
        out[i] = c + step[0] * x + step[1] * y + step[2] * z
    return out


def frames(atoms):
    n, ca, c = atoms[:, 0], atoms[:, 1], atoms[:, 2]
    x = c - ca
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = n - ca
    y -= x * np.sum(x * y, axis=1, keepdims=True)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], axis=2)


def gram(distances):
    squares = distances * distances
    rows = squares.mean(axis=0)
    return -0.5 * (squares - rows - rows[:, None] + rows.mean())


def mds_sparse(distances):
    values, vectors = scipy.sparse.linalg.eigsh(gram(distances), k=3)
    return vectors * np.sqrt(np.maximum(values, 0))


def mds_dense(distances):
    length = len(distances)
    values, vectors = scipy.linalg.eigh(gram(distances), subset_by_index=[length - 3, length - 1])
    return vectors * np.sqrt(np.maximum(values, 0))


def peers(reference, model):
    """(operation, package, step) for all."""
    array, moved = atom_array(reference), atom_array(model)
    one = trajectory(reference)
    both = mdtraj.join([one, trajectory(model)]).atom_slice(one.topology.select("name CA"))
    both.center_coordinates()
    ca, other = (np.ascontiguousarray(x[:, 1]) for x in (reference, model))
    ca_array, other_array = (a[a.atom_name == "CA"] for a in (array, moved))
    distances = scipy.spatial.distance.cdist(ca, ca)
    sequence = "A" * len(ca)
    steps = np.tile([[1.33, 2.03, -0.7], [1.46, 2.12, 3.1], [1.52, 1.94, -1.1]], (len(ca) - 1, 1))
    # The search for the atoms is done once: the kernel alone is timed.
    found = (mdtraj.compute_phi, mdtraj.compute_psi, mdtraj.compute_omega)
    quadruples = np.concatenate([compute(one)[0] for compute in found])

    timed = [
        ("torsions", "biotite", lambda: struc.dihedral_backbone(array)),
        ("torsions", "mdtraj", lambda: mdtraj.compute_dihedrals(one, quadruples)),
        ("NeRF", "NumPy", lambda: nerf(steps)),
        ("frames", "NumPy", lambda: frames(reference)),
        ("distance matrix", "SciPy", lambda: scipy.spatial.distance.cdist(ca, ca)),
        ("MDS", "SciPy eigsh", lambda: mds_sparse(distances)),
        ("MDS", "SciPy eigh", lambda: mds_dense(distances)),
        ("Kabsch", "biotite", lambda: struc.superimpose(ca_array, other_array)),
        ("Kabsch", "mdtraj (RMSD only)", lambda: mdtraj.rmsd(both, both, 0, precentered=True)),
    ]
    # tm_align takes minutes on long chains.
    if len(ca) <= 1000:
        timed.append(("TM-score", "tmtools", lambda: tmtools.tm_align(other, ca, sequence, sequence)))
    return timed


def least(step):
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    if first > 3:
        return first
    start = time.perf_counter()
    step()
    typical = time.perf_counter() - start
    inner = max(1, int(0.1 / max(typical, 1e-7)))
    samples = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(inner):
            step()
        samples.append((time.perf_counter() - start) / inner)
    return min(samples)


def run(program, *arguments):
    text = subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def main():
    program = sys.argv[1]
    lengths = sys.argv[2].split(",") if len(sys.argv) > 2 else ["128", "512", "2180"]
    print("| operation | residues | ours, s | best other, s | times | which | others, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for length in lengths:
        chain = run(program, "chain", "--residues", length)[0]
        reference, model = (np.array(chain[key]) for key in ("reference", "model"))
        ours = run(program, "geometry", "--residues", length)
        theirs = [(name, peer, least(step)) for name, peer, step in peers(reference, model)]
        for row in ours:
            name = row["operation"]
            noisy = " (noisy)" if row["noisy"] else ""
            found = sorted((s, peer) for of, peer, s in theirs if of == name)
            if not found:
                print(f"| {name}{noisy} | {length} | {row['min_s']:.2e} |  |  |  |  |")
                continue
            seconds, peer = found[0]
            rest = ", ".join(f"{peer} {s:.2e}" for s, peer in found[1:])
            print(
                f"| {name}{noisy} | {length} | {row['min_s']:.2e} | {seconds:.2e} "
                f"| {seconds / row['min_s']:.1f} | {peer} | {rest} |"
            )
    print()
    for name, note in NOTES.items():
        print(f"- {name}: {note}")


if __name__ == "__main__":
    main()

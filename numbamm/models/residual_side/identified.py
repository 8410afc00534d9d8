"""`warn_of_undetermined`: whether the data determine all parameters of a residual structure.

An unstructured residual matrix holds a random intercept of the same subject: what one takes, the
other gives up, and V stays the same. Where a combination of the derivatives of V by all parameters
vanishes, so does that of the average information, which is their Gram matrix.
"""

from __future__ import annotations

import numpy as np

from numbamm.errors import warn

#: An eigenvalue of the information, with a diagonal of ones, that counts as zero.
DEPENDENT = 1e-9
#: A diagonal entry whose root is below this, of a parameter of ordinary size, counts as zero.
NOTHING = 1e-6
#: Share of an eigenvector from which a parameter counts as a part of the direction.
INVOLVED = 0.05


def undetermined(space, names: list[str]) -> list[str]:
    """Names of the parameters that no response would determine.

    Parameters
    ----------
    space : ResidualSpace
    names : list of str
        Of the coordinates, φ first.
    """
    z = _some_point(space)
    _, H = space.information(z, exact_part=False)
    if not np.isfinite(H).all() or not len(z):
        return []
    size = np.sqrt(np.maximum(np.diag(H), 0.0))
    nothing = size < NOTHING * space.sizes
    size[nothing] = 1.0
    scaled = H / np.outer(size, size)
    scaled[nothing], scaled[:, nothing] = 0.0, 0.0
    values, vectors = np.linalg.eigh(scaled + np.diag(1.0 * nothing))
    involved = nothing | (np.abs(vectors[:, values < DEPENDENT]) > INVOLVED).any(axis=1)
    return [name for name, one in zip(names, involved, strict=True) if one]


def _some_point(space) -> np.ndarray:
    """Coordinates at which no derivative vanishes by chance."""
    side, joint = space.side, space.scaled.structure
    phi = side.start + np.linspace(0.1, 0.2, side.size) / side.sizes
    theta = [s.some_theta() for s in joint.structures]
    return np.concatenate([phi, *theta])


def warn_of_undetermined(model) -> None:
    """Warn before a fit of parameters that the data do not determine.

    Warns
    -----
    NumbammWarning
    """
    side = model.residual_side
    found = undetermined(model.space, model.optsum.names)
    if not found:
        return
    terms = [f"({', '.join(t.cnames)} | {t.group})" for t in model.reterms if _has(t, found)]
    own = [name for name in found if name in side.names]
    terms += [side.text] * bool(own)
    listed = ", ".join(name.removeprefix("residual.") for name in found[:6])
    warn(
        f"the likelihood does not determine {listed}{' ...' if len(found) > 6 else ''} of "
        f"{' and '.join(terms)}: several values fit equally well; leave a term out, or take a "
        "structure with fewer parameters"
    )


def _has(term, names: list[str]) -> bool:
    labels = {f"{term.group}.{label}" for label in term.structure.labels(term.cnames)}
    return bool(labels & set(names))

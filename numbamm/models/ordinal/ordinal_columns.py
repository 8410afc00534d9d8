"""`OrdinalColumns`: the columns and coefficients of all parts of a cumulative link model.

Thresholds take the place of the intercept. Columns are fitted in an orthogonal basis, in which the
constant and the nominal effects come first, so that a change of the basis is a linear map of the
coefficients: what the location's centred columns take from the constant moves all thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.errors import DataError, FormulaError, OptionError
from numbamm.glm.cumulative.row_parts import Parts
from numbamm.glm.cumulative.thresholds import shift, threshold_matrix, threshold_names

#: Names of the parts, in the order of the coefficients.
PARTS = ("threshold", "nominal", "location", "scale")
#: How the design calls the constant column.
INTERCEPT = "Intercept"


@dataclass
class KeptColumns:
    """The columns of a part's matrix that have coefficients.

    Attributes
    ----------
    positions : list of int
    """

    positions: list[int]

    @classmethod
    def among(cls, frame, part: str, kept: list[str]) -> KeptColumns:
        """Those of these names."""
        return cls([frame.parts[part][1].index(name) for name in kept])

    def of(self, matrix, n: int) -> np.ndarray:
        """The columns of a matrix of n rows; (n, 0) where there is no such part."""
        return np.zeros((n, 0)) if matrix is None else matrix[:, self.positions]


@dataclass
class OrdinalColumns:
    """Columns of the parts, and names of their coefficients.

    Attributes
    ----------
    feterm : FeMat
        The location's columns with the constant, whose coefficient is minus the mean threshold.
    parts : Parts
        The columns as they are fitted.
    names : list of str
        Of all coefficients: thresholds, nominal effects, location, scale.
    kinds : list of str
        To which of `PARTS` each belongs.
    to_user : ndarray, shape (size, size)
        Maps coefficients of the columns as they are fitted to those of the user's columns.
    nominal_columns, scale_columns : KeptColumns
        Which columns of the parts' matrices have coefficients.
    aliased : list of str
        Columns without a coefficient, since those before them, or nominal effects, span them.
    structure : str
        Of the thresholds.
    whole : FeMat
        The constant, nominal effects and location together.
    bases : dict of str → ndarray
        Orthogonal columns of nominal effects and of the scale, with the constant.
    """

    feterm: FeMat
    parts: Parts
    names: list[str]
    kinds: list[str]
    to_user: np.ndarray
    nominal_columns: KeptColumns
    scale_columns: KeptColumns
    aliased: list[str]
    structure: str
    whole: FeMat
    bases: dict[str, np.ndarray]

    @classmethod
    def of(cls, frame, root, structure: str) -> OrdinalColumns:
        """The columns of a model frame with an ordered response.

        Parameters
        ----------
        frame : ModelFrame
        root : ndarray, shape (n,)
            Square roots of the weights.
        structure : {"flexible", "symmetric", "equidistant"}

        Raises
        ------
        FormulaError
            The formula removes the intercept.
        OptionError
            A part's formula has no columns besides the constant.
        """
        if INTERCEPT not in frame.xnames:
            raise FormulaError(
                "the thresholds take the place of the intercept, which the formula must not "
                "remove: leave out 0 + or - 1"
            )
        constant = frame.xnames.index(INTERCEPT)
        location = [j for j in range(len(frame.xnames)) if j != constant]
        nominal, nominal_names = _besides_constant(frame, "nominal")
        first = np.column_stack([frame.X[:, [constant]], nominal])
        first_names = [INTERCEPT, *nominal_names]
        whole = FeMat.from_columns(
            np.hstack([first, frame.X[:, location]]),
            [*first_names, *(frame.xnames[j] for j in location)],
            root,
        )
        c = int((whole.kept < len(first_names)).sum())
        kept_nominal, kept_location = whole.kept[:c], whole.kept[c:] - len(first_names)
        kept = np.sort([constant, *(location[j] for j in kept_location)]).astype(np.int64)
        feterm = _of_kept(frame, kept, root)
        scale, scale_names = _besides_constant(frame, "scale")
        kept_scale, scale_basis = _independent(scale, scale_names, root)
        _refuse_far(scale[:, kept_scale], [scale_names[j] for j in kept_scale])
        sizes = np.sqrt(np.mean(scale[:, kept_scale] ** 2, axis=0))
        basis, count = whole.basis / root[:, None], len(frame.categories) - 1
        parts = Parts(
            frame.y.astype(np.intp),
            threshold_matrix(structure, count),
            basis[:, :c],
            basis[:, c:],
            scale[:, kept_scale] / sizes,
        )
        names, kinds = _named(
            threshold_names(structure, frame.categories),
            [first_names[j] for j in kept_nominal],
            [frame.xnames[location[j]] for j in kept_location],
            [scale_names[j] for j in kept_scale],
        )
        aliased = [
            f"nominal.{first_names[j]}" for j in range(len(first_names)) if j not in kept_nominal
        ]
        aliased += [frame.xnames[j] for i, j in enumerate(location) if i not in kept_location]
        aliased += [f"scale.{name}" for j, name in enumerate(scale_names) if j not in kept_scale]
        to_user = _to_user(whole.to_basis, c, shift(structure, count), sizes)
        return cls(
            feterm,
            parts,
            names,
            kinds,
            to_user,
            KeptColumns.among(frame, "nominal", [first_names[j] for j in kept_nominal[1:]]),
            KeptColumns.among(frame, "scale", [scale_names[j] for j in kept_scale]),
            aliased,
            structure,
            whole,
            {"nominal": whole.basis[:, :c], "scale": scale_basis},
        )

    def location_of(self, X) -> np.ndarray:
        """The location's columns among the kept ones of the fixed effects."""
        constant = self.feterm.cnames.index(INTERCEPT)
        return X[:, self.feterm.kept != constant]

    def location_coefficients(self, psi) -> np.ndarray:
        """The coefficients of the kept columns of the fixed effects, without an intercept."""
        constant = self.feterm.cnames.index(INTERCEPT)
        at = int(np.flatnonzero(self.feterm.kept == constant)[0])
        return np.insert(psi[self.parts.of_location], at, 0.0)

    def parts_of(self, parts: dict[str, np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns of the thresholds, the constant first, and of the scale, for n rows.

        `parts` are the matrices of the parts' formulas.
        """
        nominal = self.nominal_columns.of(parts.get("nominal"), n)
        scale = self.scale_columns.of(parts.get("scale"), n)
        return np.column_stack([np.ones(n), nominal]), scale

    def thresholds_at(self, psi, nominal, scale) -> tuple[np.ndarray, np.ndarray]:
        """Thresholds and log s of rows with these columns: shapes (n, K - 1) and (n,)."""
        return nominal @ self.parts.thresholds(psi).T, scale @ psi[self.parts.of_scale]

    def threshold_slopes(self, nominal, scale, root) -> tuple[np.ndarray, np.ndarray]:
        """Changes of thresholds and log s with each column of `root`, a matrix of coefficients.

        Returns
        -------
        ndarray, shape (columns, n, K - 1)
        ndarray, shape (columns, n)
        """
        both = [self.thresholds_at(column, nominal, scale) for column in root.T]
        return np.array([alpha for alpha, _ in both]), np.array([log_s for _, log_s in both])

    @property
    def sizes(self) -> np.ndarray:
        """Root mean squares of the user's columns, one for each coefficient; 1 of thresholds."""
        sizes = np.ones(self.parts.size)
        location = self.location_of(self.feterm.x[:, self.feterm.kept])
        sizes[self.parts.of_location] = np.sqrt(np.mean(location**2, axis=0))
        return sizes

    @property
    def of_intercept(self) -> np.ndarray:
        """The intercept of the location, minus the mean threshold, from all coefficients."""
        row = np.zeros(self.parts.size)
        T = self.parts.T
        row[: T.shape[1]] = -T.mean(axis=0)
        return row

    def mean_threshold(self, psi) -> float:
        """The mean threshold where nominal effects are zero."""
        return -float(self.of_intercept @ psi)

    @property
    def of_feterm(self) -> np.ndarray:
        """The coefficients of `feterm`, from all coefficients: shape (rank, size)."""
        constant = self.feterm.cnames.index(INTERCEPT)
        rows = np.eye(self.parts.size)[self.parts.of_location]
        at = int(np.flatnonzero(self.feterm.kept == constant)[0])
        return np.insert(rows, at, self.of_intercept, axis=0)


def _besides_constant(frame, part: str) -> tuple[np.ndarray, list[str]]:
    """Columns and names of a part but for the constant one; none if there is no such part."""
    if part not in frame.parts:
        return np.zeros((len(frame.y), 0)), []
    X, names = frame.parts[part]
    varying = [j for j, name in enumerate(names) if name != INTERCEPT]
    if not varying:
        raise OptionError(
            f"the formula of {part} has no effects besides a constant, which has no meaning here: "
            f"leave {part} out"
        )
    return X[:, varying], [names[j] for j in varying]


def _of_kept(frame, kept, root) -> FeMat:
    """The fixed-effects columns, of which only these have coefficients."""
    names = [frame.xnames[j] for j in kept]
    own = FeMat.from_columns(np.ascontiguousarray(frame.X[:, kept]), names, root)
    constant = None if own.constant is None else int(kept[own.constant])
    return replace(
        own, x=frame.X, cnames=list(frame.xnames), kept=kept[own.kept], constant=constant
    )


def _independent(scale, names: list[str], root) -> tuple[np.ndarray, np.ndarray]:
    """The columns of the scale that are independent of the constant and of those before.

    And an orthogonal basis of these, with the constant.
    """
    columns = np.column_stack([np.ones(len(scale)), scale])
    whole = FeMat.from_columns(columns, [INTERCEPT, *names], root)
    kept = whole.kept[whole.kept > 0] - 1
    if names and not len(kept):
        raise OptionError(
            f"the columns of scale ({', '.join(names)}) are constant: leave scale out"
        )
    return kept, whole.basis


#: A column of the scale whose mean is more than so many standard deviations from zero is refused.
FAR = 50.0


def _refuse_far(scale, names: list[str]) -> None:
    """Refuse columns of the scale that are far from zero, where all else is measured in units of s.

    Raises
    ------
    DataError
    """
    for column, name in zip(scale.T, names, strict=True):
        mean, sd = float(column.mean()), float(column.std())
        if abs(mean) > FAR * sd:
            raise DataError(
                f"scale: '{name}' is {mean:.4g} on average, far from zero for its standard "
                f"deviation of {sd:.2g}. Thresholds and coefficients are in units of the scale "
                f'where the column is zero: centre it, as in scale="~ I({name} - {round(mean)})"'
            )


def _named(thresholds, nominal, location, scale) -> tuple[list[str], list[str]]:
    """Names and kinds of all coefficients."""
    names, kinds = [], []
    for j, column in enumerate(nominal):
        names += [name if j == 0 else f"{name}.{column}" for name in thresholds]
        kinds += ["threshold" if j == 0 else "nominal"] * len(thresholds)
    names += [*location, *(f"scale.{name}" for name in scale)]
    kinds += ["location"] * len(location) + ["scale"] * len(scale)
    return names, kinds


def _to_user(to_basis, c: int, by_one, sizes) -> np.ndarray:
    """The map from coefficients of the basis to those of the user's columns.

    `to_basis` is that of the constant and nominal effects, c columns, and of the location. By a
    change `by_one` of the parameters of a column all thresholds move by one.
    """
    a, p = c * len(by_one), len(to_basis) - c
    out = np.zeros((a + p + len(sizes), a + p + len(sizes)))
    out[:a, :a] = np.kron(to_basis[:c, :c], np.eye(len(by_one)))
    out[:a, a : a + p] = -np.kron(to_basis[:c, c:], by_one[:, None])
    out[a : a + p, a : a + p] = to_basis[c:, c:]
    out[a + p :, a + p :] = np.diag(1 / sizes)
    return out

"""`Fitter`: fits batches of responses, those that lack the same rows together."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import replace

import numpy as np

from numbamm.blocks.search import newton
from numbamm.blocks.threads import ThreadLocal
from numbamm.design.femat import FeMat
from numbamm.errors import DataError, NumbammError
from numbamm.inference.fixed import ddf as methods
from numbamm.inference.fixed.contrast import on_kept_columns
from numbamm.inference.many.lines import Lines, Sizes
from numbamm.inference.many.many_directions import ManySatterthwaite, levels_there
from numbamm.inference.many.shared_design import Design, Fits
from numbamm.inference.random.components import Components
from numbamm.inference.resampling.bootstrap import singular_fits
from numbamm.models.fitting.residual_variance import DOUBTFUL, MEANINGLESS
from numbamm.models.linear import LinearMixedModel
from numbamm.optimize.local_minimum import LEAST_OF_MINIMUM

#: A response without some rows is fitted in the layout of all rows if the eigenvalues of X'X, in a
#: basis that is orthogonal in all rows, have at least this ratio.
WELL_CONDITIONED = 1e-3


class Fitter(ThreadLocal):
    """Fits responses of one design: called with an array of them, it returns `Lines`.

    Parameters
    ----------
    model : LinearMixedModel
        Not fitted; its response does not count.
    L : ndarray, shape (tests, coefficients)
        The tested combinations.
    ddf : str
        ``"satterthwaite"`` or ``"wald"``.
    columns : ndarray of int, optional
        The columns of X that have coefficients: those that the model keeps, if not given. If the
        model keeps fewer of them, combinations that cannot be estimated without the others are
        missing.
    """

    def __init__(self, model, L, ddf: str, columns=None) -> None:
        super().__init__()
        self.model, self.L, self.ddf = model, L, ddf
        feterm = model.feterm
        self._columns = feterm.kept if columns is None else columns
        own = _restricted(feterm, self._columns)
        rows = np.vstack([L, np.eye(len(self._columns))])
        self._rows, self._estimable = on_kept_columns(own, rows)
        self._rank, self._components = feterm.rank, Components.of(model)
        names = self._columns, model.theta, self._components.names, L
        self._sizes = Sizes(*map(len, names))
        self.compiled = _can_be_compiled(model)
        if self.compiled:
            self._design = Design(model, wanted=ddf != "wald")
            self._satterthwaite = ManySatterthwaite(model) if ddf != "wald" else None

    def __call__(self, y) -> Lines:
        """Fit responses.

        Parameters
        ----------
        y : ndarray, shape (responses, n)
            For the rows used; NaN where a value is missing.
        """
        out = Lines.empty(len(y), self._sizes)
        missing = np.isnan(y)
        some = missing.any(axis=1)
        whole = np.flatnonzero(~some)
        if len(whole):
            out.put(whole, self._whole(y[whole]))
        if some.any():
            self._with_missing(y, missing, np.flatnonzero(some), out)
        return out

    # ---- missing values -------------------------------------------------------------------

    def _with_missing(self, y, missing, lines, out: Lines) -> None:
        """Fit the responses that lack rows, those with the same pattern side by side."""
        packed = np.packbits(missing[lines], axis=1)
        _, first, pattern = np.unique(packed, axis=0, return_index=True, return_inverse=True)
        pattern = pattern.ravel()
        kept = (~missing[lines[first]]).astype(np.float64)
        same = self._keeps_structure(kept) if self.compiled else np.zeros(len(kept), dtype=bool)
        order = np.argsort(pattern, kind="stable")
        chosen = order[same[pattern[order]]]
        if len(chosen):
            renumbered = np.cumsum(same) - 1
            here = renumbered[pattern[chosen]]
            part = self._compiled(y[lines[chosen]], kept[same], here)
            out.put(lines[chosen], part)
        for k in np.flatnonzero(~same):
            own = lines[pattern == k]
            out.put(own, self._of_pattern(y[own], np.flatnonzero(kept[k])))

    def _keeps_structure(self, kept) -> np.ndarray:
        """For each pattern, whether X keeps its rank, and variances are identifiable."""
        model, n = self.model, kept.sum(axis=1)
        basis = model.feterm.basis
        gram = np.einsum("ij,jk,jl->ikl", kept, basis, basis, optimize=True)
        values = np.linalg.eigvalsh(gram) if self._rank else np.ones((len(kept), 1))
        fine = values[:, 0] > WELL_CONDITIONED * values[:, -1]
        effects = np.zeros(len(kept))
        for term in model.reterms:
            levels = levels_there(term, kept).sum(axis=1)
            effects += levels * term.p
            fine &= levels > 1
        return fine & (effects < n) & (n > self._rank + 1)

    def _of_pattern(self, y, rows) -> Lines:
        """Fits of the responses that have these rows, as a model of its own."""
        out = Lines.empty(len(y), self._sizes)
        try:
            if not len(rows):
                raise DataError("all its values are missing")
            sub = model_of_rows(self.model, rows)
            part = Fitter(sub, self.L, self.ddf, self._columns)(y[:, rows])
        except (NumbammError, np.linalg.LinAlgError) as error:
            out.failed = dict.fromkeys(range(len(y)), str(error))
            return out
        return part

    # ---- the fits -------------------------------------------------------------------------

    def _whole(self, y) -> Lines:
        return self._compiled(y) if self.compiled else self._one_by_one(y)

    def _compiled(self, y, kept=None, pattern=None) -> Lines:
        """Fits in the compiled loop, of responses without missing values or in given patterns."""
        fits = self._design.fit(y, kept, pattern)
        good = np.array([i not in fits.failed for i in range(len(y))])
        error = np.full(len(y), np.inf)
        degrees = fits.nobs - (self._rank if self.model.optsum.reml else 0)
        with np.errstate(divide="ignore"):
            np.divide(
                degrees * np.finfo(float).eps, fits.variance, out=error, where=fits.variance > 0
            )
        out = Lines.empty(len(y), self._sizes)
        out.failed = dict(fits.failed)
        for i in np.flatnonzero(good & (error > DOUBTFUL)).tolist():
            share = f"{np.sqrt(max(fits.variance[i], 0.0)):.1g} times that of the response"
            reason = f"its residual standard deviation is {share}: rounding errors "
            if error[i] > MEANINGLESS:
                out.failed[i], good[i] = reason + "hide it", False
            else:
                out.doubts[i] = reason + "can be seen in variances and standard errors"
        of_each = np.ones((1, y.shape[1])) if kept is None else kept[pattern]
        self._fill(out, fits, of_each, good)
        return out

    def _fill(self, out: Lines, fits: Fits, kept, good) -> None:
        """Fill the lines of good responses with estimates and tests."""
        model, ntests = self.model, len(self.L)
        half = self._rows @ fits.root
        se = fits.sigma[:, None] * np.sqrt(np.einsum("itx,itx->it", half, half))
        value = np.einsum("tk,ik->it", self._rows, fits.beta)
        value[:, ~self._estimable] = se[:, ~self._estimable] = np.nan
        df = np.full((len(se), ntests), np.inf)
        if self._satterthwaite is not None and good.any():
            of_good = replace(
                fits,
                **{
                    name: getattr(fits, name)[good]
                    for name in ("nobs", "theta", "beta", "root", "scaled_theta")
                },
                ends=type(fits.ends)(*(lines[good] for lines in fits.ends)),
            )
            there = kept if len(kept) == 1 else kept[good]
            df[good], reasons = self._satterthwaite.df(of_good, self._rows[:ntests], there)
            at = np.flatnonzero(good)
            for i, reason in reasons.items():
                out.doubts.setdefault(int(at[i]), reason)
        for values, new in (
            (out.nobs, fits.nobs),
            (out.evaluations, fits.evaluations),
            (out.objective, fits.objective),
            (out.sigma, fits.sigma),
            (out.theta, fits.theta),
            (out.components, self._components.values(fits.theta, fits.sigma)),
            (out.beta, value[:, ntests:]),
            (out.se, se[:, ntests:]),
            (out.singular, singular_fits(model, fits.theta)),
            (out.converged, fits.certificate >= LEAST_OF_MINIMUM),
            (out.estimate, value[:, :ntests]),
            (out.error, se[:, :ntests]),
            (out.df, np.where(self._estimable[:ntests], df, np.nan)),
        ):
            values[good] = new[good]

    def _one_by_one(self, y) -> Lines:
        """Fits by `refit`, for structures and searches that the compiled loop lacks."""
        if not hasattr(self._local, "model"):
            self._local.model = deepcopy(self.model)
        model, ntests = self._local.model, len(self.L)
        out = Lines.empty(len(y), self._sizes)
        for i, values in enumerate(y):
            try:
                model.refit(values, progress=False)
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError) as error:
                out.failed[i] = str(error)
                continue
            try:
                df = methods.method(model, self.ddf).df(self._rows)
            except (NumbammError, np.linalg.LinAlgError) as error:
                out.doubts[i], df = str(error), np.full(len(self._rows), np.nan)
            estimates = model.estimates
            value = self._rows @ estimates.beta
            se = np.sqrt(np.einsum("tk,kl,tl->t", self._rows, model.beta_covariance, self._rows))
            out.nobs[i], out.evaluations[i] = model.nobs, model.optsum.feval
            out.objective[i], out.sigma[i] = estimates.objective, estimates.sigma
            out.theta[i], out.singular[i] = model.theta, model.is_singular()
            sigma = np.array([estimates.sigma])
            out.components[i] = self._components.values(model.theta[None], sigma)[0]
            out.converged[i] = model.converged
            value[~self._estimable] = se[~self._estimable] = df[~self._estimable] = np.nan
            out.beta[i], out.se[i] = value[ntests:], se[ntests:]
            out.estimate[i], out.error[i], out.df[i] = value[:ntests], se[:ntests], df[:ntests]
        return out


def _restricted(feterm, columns) -> FeMat:
    """The fixed effects of some columns of X, among them all that are kept."""
    return replace(
        feterm,
        x=feterm.x[:, columns],
        cnames=[feterm.cnames[j] for j in columns],
        kept=np.flatnonzero(np.isin(columns, feterm.kept)),
        constant=next((i for i, j in enumerate(columns) if j == feterm.constant), None),
    )


def model_of_rows(model, rows) -> LinearMixedModel:
    """An unfitted model of some of the rows, with an arbitrary response.

    Raises
    ------
    DataError
        A grouping factor has a single level in these rows.
    """
    part = frame_of_rows(model.frame, rows)
    part.y = placeholder(len(rows))
    out = model.of_other_frame(part)
    vars(out.optsum).update(
        {name: getattr(model.optsum, name) for name in ("ftol_abs", "ftol_rel", "optimizer")}
    )
    return out


def frame_of_rows(frame, rows):
    """Some rows of a model frame; X and the terms keep their columns.

    Levels of grouping factors that do not occur are dropped.

    Raises
    ------
    DataError
        A grouping factor has a single level in these rows.
    """
    part, terms = copy(frame), []
    for term in frame.reterms:
        there, refs = np.unique(term.refs[rows], return_inverse=True)
        levels = np.asarray(term.levels)[there]
        if len(there) == 1:
            raise DataError(
                f"the grouping factor '{term.group}' has a single level ({levels.tolist()[0]!r}) "
                "in the rows used: leave its term out"
            )
        own = replace(term, refs=refs, levels=levels, z=term.z[:, rows], theta=None)
        terms.append(own)
    part.y, part.X, part.reterms = frame.y[rows], frame.X[rows], terms
    part.rows = frame.rows[rows]
    part.weights = None if frame.weights is None else frame.weights[rows]
    part.offset = None if frame.offset is None else frame.offset[rows]
    return part


def placeholder(n: int) -> np.ndarray:
    """A response that stands for others while a model is built."""
    return np.random.default_rng(0).standard_normal(n)


def _can_be_compiled(model) -> bool:
    """Whether the compiled loop can fit a model."""
    few = len(model.theta) <= newton.MANY
    return model.scaled.structure.is_free and model.blocks.is_compiled and few

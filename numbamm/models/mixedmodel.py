"""`MixedModel`: what linear and generalized mixed models share, once they are fitted."""

from __future__ import annotations

import sys
from copy import copy
from dataclasses import replace
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Self

import numpy as np

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.design.femat import FeMat
from numbamm.design.scaling import Scaling
from numbamm.errors import NotFittedError
from numbamm.glm import family as families
from numbamm.models.asresult import AsResult
from numbamm.models.estimates import Estimates
from numbamm.models.fixedeffects import FixedEffects
from numbamm.models.inferences import Inferences
from numbamm.models.inside import Inside
from numbamm.models.own_start import OwnStart
from numbamm.models.residuals import RESIDUALS
from numbamm.models.varcorr import VarCorr
from numbamm.optimize import OptSummary, minimize
from numbamm.options import one_of
from numbamm.report.text import block_table

if TYPE_CHECKING:
    import pandas as pd

#: λ counts as singular where a diagonal entry, times the typical size of its column, is below.
SINGULAR_TOLERANCE = 1e-4


#: What a search in the columns inside tells about itself that holds for the user's as well.
OUTCOME = ("finitial", "fmin", "feval", "returnvalue", "_gradient_norm", "certificate", "log")
OUTCOME += ("chosen", "reason", "restarts")


def _ask_in_threads(optsum: OptSummary) -> None:
    """Let a length of the gradient that is asked for later be found in the threads of a fit."""
    later = vars(optsum)["_gradient_norm"]

    def in_threads() -> float:
        with blas_threads(config.get("threads")):
            return later()

    if callable(later):
        optsum.gradient_norm = in_threads


class MixedModel(FixedEffects, Inside, Inferences, AsResult):
    """Base of the models: frame, terms, optimisation summary, and the results' common names.

    Attributes
    ----------
    formula : str
        The formula, as it was understood.
    frame : ModelFrame
        Response, fixed-effects columns and terms of the rows that are used.
    feterm : FeMat
        The fixed-effects columns.
    reterms : list of ReMat
        The random-effects terms, by decreasing number of random effects; for reading, since
        estimates do not follow what is written into them.
    scalings : list of Scaling or None
        For each term, the change to columns of ordinary size in which it is fitted, if its own
        are far from that.
    optsum : OptSummary
        How the model is, or was, optimised.
    """

    optsum: OptSummary

    def __init__(self, frame, root: np.ndarray | None = None) -> None:
        """`root`: √W of each row, where the random effects are not measured in √φ by √w alone."""
        self.frame = frame
        self.formula = frame.formula
        self.reterms = frame.reterms
        self._sqrtw = None if frame.weights is None else np.sqrt(frame.weights)
        self.feterm = FeMat.from_columns(frame.X, frame.xnames, self._sqrtw)
        self._root = self._sqrtw if root is None else root
        self.scalings = [Scaling.of_term(term, self._root) for term in frame.reterms]
        self._estimates: Estimates | None = None
        if any(self.scalings):
            self._set_theta(self._outward(self.theta))  # the start: the identity, inside

    # ---- state --------------------------------------------------------------------------

    @property
    def is_fitted(self) -> bool:
        """Whether the model has estimates."""
        return self._estimates is not None

    @property
    def estimates(self) -> Estimates:
        """The estimates.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self._estimates is None:
            raise NotFittedError("this model has not been fitted: call fit() first")
        return self._estimates

    @property
    def theta(self) -> np.ndarray:
        """Covariance parameters θ: the free entries of every λ, term by term, by column."""
        return np.concatenate([t.theta for t in self.reterms])

    def _set_theta(self, theta) -> None:
        at = 0
        for term in self.reterms:
            term.theta = theta[at : at + len(term.inds)]
            at += len(term.inds)

    def _rectify(self, theta) -> np.ndarray:
        """The θ with the same λλ' in which each column of λ starts with a positive number."""
        theta, at = np.array(theta, dtype=np.float64), 0
        for term in self.reterms:
            part = theta[at : at + len(term.inds)]
            column = term.inds % term.p
            for c in range(term.p):
                mine = np.flatnonzero(column == c)
                nonzero = mine[part[mine] != 0]
                if len(nonzero) and part[nonzero[0]] < 0:
                    part[mine] *= -1
            at += len(term.inds)
        theta += 0.0  # no negative zeros
        return theta

    @property
    def theta_names(self) -> list[str]:
        """Name of each θ: ``group.column``, or ``group.row.column`` below the diagonal."""
        names = []
        for term in self.reterms:
            for row, col in zip(*divmod(term.inds, term.p), strict=True):
                inner = [term.cnames[row]] if row == col else [term.cnames[row], term.cnames[col]]
                names.append(".".join([term.group, *inner]))
        return names

    # ---- the search -------------------------------------------------------------------------

    def _minimize(self, objective, step=None, **options) -> None:
        """Minimise in the parameters inside, if they differ; `optsum` speaks of the user's.

        Parameters
        ----------
        objective : callable
            Function of the parameters inside: θ, and what stands before it.
        step : ndarray, optional
            First step of the parameters inside, if `optsum` leaves it to the model.
        **options
            For `optimize.minimize`.
        """
        optsum = self.optsum
        before = len(optsum.initial) - len(self.theta)

        def rectify(x):
            return np.concatenate([x[:before], self._rectify(x[before:])])

        coordinates = self._coordinates()
        if coordinates is None:
            minimize(objective, optsum, rectify=rectify, **options)
            _ask_in_threads(optsum)
            return
        inward, outward = coordinates
        optsum.validate()
        self._refuse_bounds(optsum.lowerbd[before:], optsum.upperbd[before:])
        optsum.gradient_norm = None  # of the fit before
        inside = copy(optsum)
        inside.initial = inward(optsum.initial)
        if step is not None:
            inside.initial_step = step
        minimize(objective, inside, rectify=rectify, shown=outward, **options)
        _ask_in_threads(inside)
        vars(optsum).update({outcome: vars(inside)[outcome] for outcome in OUTCOME})
        optsum.final = rectify(outward(inside.final))

    @property
    def _lowerbd(self) -> np.ndarray:
        return np.concatenate([t.lowerbd for t in self.reterms])

    # ---- random effects ---------------------------------------------------------------------

    @property
    def sigma(self) -> float:
        """Residual standard deviation σ."""
        return self.estimates.sigma

    @property
    def _cov(self) -> np.ndarray:
        """Covariance matrix of the kept coefficients, shape (rank, rank)."""
        estimates = self.estimates
        if estimates.covariance is None:
            with blas_threads(config.get("threads")):
                estimates.covariance = self._covariance()
        return estimates.covariance

    @property
    def u(self) -> list[np.ndarray]:
        """Spherical random effects, an array of shape (levels, p) for each of `reterms`."""
        return self.estimates.u

    @property
    def b(self) -> list[np.ndarray]:
        """Random effects b = Λu, an array of shape (levels, p) for each of `reterms`."""
        return self.estimates.b

    def condvar(self) -> dict[str, pd.DataFrame]:
        """Conditional variances and covariances of the random effects, given the data.

        What is not known of β, θ and σ does not count; for generalized models the variances are
        those of the Laplace approximation at the mode.

        Returns
        -------
        dict of str to pandas.DataFrame
            For each grouping factor a line per level and random effect and a column per random
            effect, so that ``condvar()["g"].loc[level]`` is that level's covariance matrix. NaN
            between effects of different terms on the same factor.
        """
        import pandas as pd

        _ = self.estimates
        with blas_threads(config.get("threads")):
            variances = self._conditional_variances()
        frames: dict = {}
        for term, scaling, V in zip(self.reterms, self.scalings, variances, strict=True):
            V = self.sigma**2 * (scaling.variances(V) if scaling else V)
            index = pd.MultiIndex.from_product([term.levels, term.cnames], names=[term.group, None])
            frame = pd.DataFrame(V.reshape(-1, term.p), index=index, columns=list(term.cnames))
            seen = frames.get(term.group)
            frames[term.group] = frame if seen is None else pd.concat([seen, frame])
        levels = {term.group: term.levels for term in self.reterms}
        return {
            group: frame.reindex(
                pd.MultiIndex.from_product([levels[group], frame.columns], names=frame.index.names)
            )
            for group, frame in frames.items()
        }

    def _row_variances(self, X, terms) -> np.ndarray:
        """Variances of x'β̂ + z'b̂ - z'b for rows at any levels, shape (n,).

        Parameters
        ----------
        X : ndarray, shape (n, rank)
            The kept columns.
        terms : list of (refs, z)
            Levels, -1 for none, and columns, shape (p, n); term by term.
        """
        inside = [
            (refs, np.linalg.solve(scaling.T.T, z) if scaling else z)
            for scaling, (refs, z) in zip(self.scalings, terms, strict=True)
        ]
        return self.sigma**2 * self._inside_row_variances(X @ self.feterm.to_basis, inside)

    @property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects."""
        return VarCorr(self.reterms, self.sigma)

    def is_singular(self, tol: float = SINGULAR_TOLERANCE) -> bool:
        """Whether an estimated covariance matrix of random effects lacks full rank.

        Parameters
        ----------
        tol : float
            A diagonal entry of λ counts as zero when it, times the root mean square of its
            column of Z (weighted), is below: the share of σ that it has in a typical row.

        Notes
        -----
        After a fit, ``optsum.certificate`` tells a genuine singular fit from a point where only
        the gradient vanishes: the printed summary says which.
        """
        w = np.ones(self.nobs) if self._root is None else self._root**2
        return any(
            bool((np.abs(np.diag(t.lambda_)) * np.sqrt(t.z**2 @ w / self.nobs) < tol).any())
            for t in self.reterms
        )

    # ---- likelihood -------------------------------------------------------------------------

    @property
    def objective(self) -> float:
        """What was minimised: -2 log-likelihood, or the REML criterion, with every constant."""
        return self.estimates.objective

    @property
    def deviance(self) -> float:
        """The same number as `objective`."""
        return self.objective

    @property
    def llf(self) -> float:
        """Log-likelihood (restricted under REML): minus half the objective."""
        return -self.objective / 2

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: rank of X, θ, and dispersion."""
        return self.feterm.rank + len(self.theta) + (not self.estimates.sigma_given)

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.frame.y)

    @property
    def df_resid(self) -> int:
        """nobs less the number of estimated parameters."""
        return self.nobs - self.n_parameters

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return -2 * self.llf + 2 * self.n_parameters

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples; NaN with too few rows for it."""
        k, spare = self.n_parameters, self.nobs - self.n_parameters - 1
        return self.aic + 2 * k * (k + 1) / spare if spare > 0 else np.nan

    @property
    def bic(self) -> float:
        """Bayesian information criterion with log(nobs)."""
        return -2 * self.llf + np.log(self.nobs) * self.n_parameters

    # ---- rows -------------------------------------------------------------------------------

    def _aligned(self, values, name: str) -> pd.Series:
        """Values of the used rows as a Series over the rows of the data, NaN where dropped."""
        import pandas as pd

        out = np.full(self.frame.nrows, np.nan)
        out[self.frame.rows] = values
        return pd.Series(out, index=self.frame.index, name=name)

    @property
    def fittedvalues(self) -> pd.Series:
        """Conditional means, a pandas Series over the rows of the data; NaN where dropped."""
        return self._aligned(self.estimates.fitted, "fittedvalues")

    @property
    def resid(self) -> pd.Series:
        """Response minus conditional mean, a pandas Series over the rows of the data."""
        return self._aligned(self.frame.y - self.estimates.fitted, "resid")

    def residuals(self, type: str = "response") -> pd.Series:
        """Residuals at the conditional means.

        Parameters
        ----------
        type : {"response", "pearson", "deviance", "working"}
            Response minus mean; times the square root of the weight over the variance function,
            which leaves the dispersion in; the signed square root of the row's deviance; or the
            response residual on the scale of the linear predictor.

        Returns
        -------
        pandas.Series
            Over the rows of the data; NaN where a row was dropped.
        """
        one_of("type", type, self._residual_types)
        return self._aligned(self._residual_types[type](self), f"resid_{type}")

    #: How each type of residual is computed.
    _residual_types = RESIDUALS

    #: Code of the family in `numbamm.glm.family`.
    _family_code = families.GAUSSIAN

    def _mean(self, eta) -> np.ndarray:
        """Means at linear predictors."""
        return eta

    # ---- keeping a fit, and trying others ---------------------------------------------------

    def save(self, path: str | PathLike) -> None:
        """Write the options and the outcome of the fit as JSON, for `restore`.

        The data and the formula are not written.

        Parameters
        ----------
        path : str or path
            The file; one that exists is replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        from numbamm.models.saved import save

        save(self, path)

    def restore(self, path: str | PathLike) -> Self:
        """Take up a fit of this model, on the same data, that `save` wrote: no search is done.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        MixedModel
            The model itself, with the file's `optsum` and the estimates at its final parameters.

        Raises
        ------
        FitError
            The file has other parameters than the model, or another objective at its initial
            or final parameters. The model stays as it was, as with any error.
        OptionError
            The file cannot be read, or is of another version.
        """
        from numbamm.models.saved import restore

        restore(self, path)
        return self

    @property
    def _known_parameters(self) -> list[list[str]]:
        """Names of the parameters of each kind of fit that the model can have."""
        return [self.theta_names]

    def _expect(self, names: list[str]) -> None:
        """Be ready for parameters of these names, one of `_known_parameters`."""

    def _bounds_are_usual(self) -> bool:
        """Whether nobody has moved the bounds of θ."""
        lower, upper = self.optsum.lowerbd, self.optsum.upperbd
        before = np.full(max(len(lower) - len(self._lowerbd), 0), -np.inf)
        usual = np.concatenate([before, self._lowerbd])
        return np.array_equal(lower, usual) and bool(np.isposinf(upper).all())

    def _hold_start(self) -> None:
        """Let every fit begin at `optsum.initial`, whatever the optimiser."""
        self._own_start = OwnStart()

    def _twin(self) -> Self:
        """A model on the same arrays whose fits leave this one alone."""
        twin = copy(self)
        twin.reterms = [replace(term, lambda_=term.lambda_.copy()) for term in self.reterms]
        twin.optsum = copy(self.optsum)
        for kept in ("_inside_sizes", "_search_coordinates"):
            vars(twin).pop(kept, None)  # it may get other columns, or fewer rows
        return twin

    # ---- reports ----------------------------------------------------------------------------

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        if self.is_fitted:
            return self.summary()._repr_html_()
        return f"<p>{escape(repr(self))}</p>"

    def __repr__(self) -> str:
        if self.is_fitted:
            return str(self.summary())
        return f"<{type(self).__name__} not fitted: {self.formula}, {self.nobs} rows>"

    def block_description(self) -> str:
        """A table of the kinds of the blocks of A and L, one line a term and one for X and y.

        Where A and L hold a block in different forms both are named, as ``Diag/Dense``.
        """
        names = [*(term.group for term in self.reterms), "fixed"]
        sizes = [*(term.nranef for term in self.reterms), self.feterm.rank + 1]
        return block_table(names, sizes, self.layout.kinds())


def caller_namespace() -> dict:
    """Names that the code which called numbamm sees, for functions used in formulas.

    A command line has none: what it is given as a formula is no program.
    """
    frame = sys._getframe(1)
    while frame is not None:
        names = frame.f_globals
        module, spec = names.get("__name__", ""), names.get("__spec__")
        if module == "__main__" and spec is not None:
            module = spec.name
        if module == "numbamm.__main__":
            break
        if module.split(".")[0] != "numbamm":
            return {**names, **frame.f_locals}
        frame = frame.f_back
    return {}

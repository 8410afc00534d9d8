"""`simulate`: responses drawn from a model, with random effects drawn or kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError, did_you_mean, shown
from numbamm.glm.family import Family
from numbamm.inference.prediction.model_rows import ModelRows, row_weights
from numbamm.inference.prediction.parts_prediction import predictors_of
from numbamm.inference.prediction.re_form import chosen_effects
from numbamm.inference.resampling.replicates import valid_count
from numbamm.options import numbers
from numbamm.shortrepr import ShortRepr

if TYPE_CHECKING:
    import pandas as pd

#: Values of several parameters, in their order or by name.
Vector = ArrayLike | Mapping[str, float]


@overload
def simulate(
    model,
    seed: int | np.random.Generator | None = None,
    *,
    n: None = None,
    newdata=None,
    re_form: str | Iterable[str] | None = "none",
    weights: str | ArrayLike | None = None,
    beta: Vector | None = None,
    theta: Vector | None = None,
    cov: Mapping[str, ArrayLike] | None = None,
    sigma: float | None = None,
    shape: float | None = None,
) -> pd.Series: ...
@overload
def simulate(
    model,
    seed: int | np.random.Generator | None = None,
    *,
    n: int,
    newdata=None,
    re_form: str | Iterable[str] | None = "none",
    weights: str | ArrayLike | None = None,
    beta: Vector | None = None,
    theta: Vector | None = None,
    cov: Mapping[str, ArrayLike] | None = None,
    sigma: float | None = None,
    shape: float | None = None,
) -> pd.DataFrame: ...
@names_arguments
def simulate(
    model,
    seed: int | np.random.Generator | None = None,
    *,
    n: int | None = None,
    newdata=None,
    re_form: str | Iterable[str] | None = "none",
    weights: str | ArrayLike | None = None,
    beta: Vector | None = None,
    theta: Vector | None = None,
    cov: Mapping[str, ArrayLike] | None = None,
    sigma: float | None = None,
    shape: float | None = None,
) -> pd.Series | pd.DataFrame:
    """A response for every row, from the model at its estimates or at given parameters.

    Parameters
    ----------
    model : MixedModel
        Fitted, unless `beta`, `theta` and `sigma` are given.
    seed : int, numpy.random.Generator, optional
        Makes the draws reproducible.
    n : int, optional
        How many responses to draw, one after the other; a single one as a Series, if not given.
    newdata : frame or dict of arrays, optional
        The rows to draw responses for; those of the fit, if not given. The response is not needed.
        Random effects of new levels are drawn like the others.
    re_form : None, str or list of str
        Terms that keep the random effects of the fit, as for `predict`: ``"none"``, so that all
        are drawn; None or ``"all"``; grouping factors; whole terms. Random effects of new levels
        are always drawn, and so are residuals, whether or not they are correlated.
    weights : str or array, optional
        Prior weights of new rows, numbers of trials for binomial models. If not given, the
        column that the fit used; ones, if it used none. Poisson, negative binomial and Bernoulli
        responses do not depend on weights.
    beta : array-like of shape (rank,), or dict by name, optional
        Coefficients of the kept columns.
    theta : array-like of shape (number of θ,), or dict by name, optional
    cov : dict, optional
        Covariance matrices of the random effects by grouping factor, instead of `theta`; for a
        single effect its variance.
    sigma : float, optional
        Residual standard deviation, or the square root of the dispersion; for families that
        have one.
    shape : float, optional
        Shape of the negative binomial.

    Returns
    -------
    pandas.Series
        A response for each row of the data, as `refit` takes it, or for each new row. NaN where a
        row was dropped or has a missing value. Proportions for a binomial model. With `n` a
        pandas.DataFrame with columns ``sim_1``, ``sim_2``, ...

    Raises
    ------
    DataError
        A column is missing, or numbers of trials are not whole.
    NotFittedError
        Parameters are not given, and the model has no estimates.
    OptionError
        Parameters or options do not fit the model.

    See Also
    --------
    LinearMixedModel.refit : Fits what was drawn.
    bootstrap, power : Do both, many times.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> y = m.simulate(seed=1)
    >>> len(y), bool((y == m.simulate(seed=1)).all())
    (180, True)
    """
    count = None if n is None else valid_count("n", n)
    parameters = TrueParameters.given(model, beta, theta, cov, sigma, shape)
    kept = _kept_terms(model, re_form)
    if newdata is None:
        rows = ModelRows.of_fit(model, weights)
    else:
        given = weights_to_draw(model, weights)
        every = range(len(model.reterms))
        parts = tuple(model.frame.parts) if model.has_categories else ()
        rows = ModelRows.new(
            model, newdata, every, given, parameters.theta, parts, residuals="correlated"
        )
    rng = generator(seed)
    series = _as_categories if model.has_categories else _as_numbers
    if n is None:
        y = respond(model, rows, parameters, kept, rng)
        return series(model, rows, y, model.frame.response)
    import pandas as pd

    drawn = (respond(model, rows, parameters, kept, rng) for _ in range(count))
    return pd.concat([series(model, rows, y, f"sim_{i}") for i, y in enumerate(drawn, 1)], axis=1)


def _as_numbers(model, rows: ModelRows, y, name: str) -> pd.Series:
    return rows.aligned(y, name)


def _as_categories(model, rows: ModelRows, codes, name: str) -> pd.Series:
    """Numbers of categories as an ordered categorical column, missing where they are NaN."""
    import pandas as pd

    aligned = rows.aligned(codes, name)
    labels = pd.Categorical.from_codes(
        aligned.fillna(-1).astype(int), categories=model.categories, ordered=True
    )
    return pd.Series(labels, index=aligned.index, name=name)


def generator(seed) -> np.random.Generator:
    """A generator of random numbers from a seed; a generator is returned as it is."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"seed must be a whole number from 0 on, or a numpy Generator, not {seed!r}"
        ) from error


def respond(model, rows: ModelRows, parameters: TrueParameters, kept, rng) -> np.ndarray:
    """Draw a response for every row, NaN where a value is missing.

    Parameters
    ----------
    model : MixedModel
    rows : ModelRows
        Rows with all terms.
    parameters : TrueParameters
    kept : list of bool
        Whether each term keeps the random effects of the fit; those of new levels are drawn.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        Of ordered categories, their numbers from 0.
    """
    effects = []
    lambdas = model.scaled.structure.matrices(parameters.theta)
    for k, (term, unseen, lam) in enumerate(zip(model.reterms, rows.unseen, lambdas, strict=True)):
        u = rng.standard_normal((term.nlevels + len(unseen), term.p))
        if term.relation is not None:
            u = _related(term, unseen, u)
        b = parameters.sigma * u @ lam.T
        if kept[k]:
            b[: term.nlevels] = model.b[k]
        effects.append(b)
    if model.has_categories:
        from numbamm.inference.categories.category_rows import draw_codes

        return draw_codes(model, rows, effects, parameters.beta, rng)
    eta = rows.linear_predictor(parameters.beta, effects)
    for there in rows.elsewhere:
        refs, levels = rows.terms[there.term][0], len(effects[there.term])
        eta = eta + there.draws(parameters.sigma, refs, levels, rng)
    complete = np.flatnonzero(~np.isnan(eta))
    w = trials_or_weights(model, rows)[complete]
    y = np.full(len(eta), np.nan)
    if model.composition is not None:
        nu = predictors_of(model, rows, effects, parameters.shape)[:, complete]
        y[complete] = model.distribution_at(eta[complete], nu, w).draw(rng)
        return y
    mu = model.mean(eta[complete])
    phi = parameters.sigma**2
    if model.residual_side is None:
        y[complete] = model.family_record.draws(rng, mu, w, phi, parameters.shape)
        return y
    if rows.residuals is None:
        noise = model.residual_side.correlated(rng.standard_normal(len(mu)))
        noise *= model.residual_side.deviations()
    else:
        noise = rows.residuals.noise(rng) * rows.residuals.deviations(mu)
    y[complete] = mu + parameters.sigma * noise / np.sqrt(w)
    return y


def _related(term, unseen: list, u) -> np.ndarray:
    """Effects of levels with a known covariance, from independent ones.

    Raises
    ------
    DataError
        There are levels whose covariances are not known.
    """
    if unseen:
        raise DataError(
            f"{term.relation.name} has no covariances of {shown(unseen[0])}, a level of "
            f"'{term.group}' that is new: give the model a matrix with all levels"
        )
    return term.relation.related(u)


def trials_or_weights(model, rows: ModelRows) -> np.ndarray:
    """Prior weights of the rows in the family's distribution, shape (n,); ones if it has none.

    Raises
    ------
    DataError
        Numbers of trials are not whole.
    """
    if rows.weights is None or model.family_record.weights == "rows":
        return np.ones(len(rows.X))
    w = rows.weights
    if model.family_record.weights == "trials" and (w % 1 > 0).any():
        raise DataError("numbers of trials must be whole to draw from a binomial distribution")
    return w


@dataclass(repr=False)
class TrueParameters(ShortRepr):
    """The parameters of the distribution that responses are drawn from.

    Attributes
    ----------
    beta : ndarray, shape (rank,)
    theta : ndarray, shape (number of θ,)
    sigma : float
        1 for families without a dispersion.
    shape : float
        Shape of the negative binomial; 0 for other families.
    """

    beta: np.ndarray
    theta: np.ndarray
    sigma: float
    shape: float

    @classmethod
    def given(cls, model, beta, theta, cov, sigma, shape) -> TrueParameters:
        """The given parameters, and the model's estimates of the others."""
        beta = _vector(
            "beta", model.coefficients if beta is None else beta, model.kept_coefficients
        )
        if model.family_record.dispersed:
            sigma = _positive("sigma", _known_sigma(model) if sigma is None else sigma)
        else:
            sigma = _absent("sigma", sigma, 1.0, "families with a dispersion")
        if model.composition is not None:
            if shape is not None:
                raise OptionError(
                    "shape: a model of several parts draws at the estimates of their coefficients"
                )
            shape = model.estimates.shape
        elif model.family_record.has_shape:
            shape = model.shape if shape is None else shape
            shape = shape if shape == np.inf else _positive("shape", shape)
        else:
            shape = _absent("shape", shape, 0.0, "the negative binomial")
        if cov is not None:
            if theta is not None:
                raise OptionError(
                    "theta and cov both give the covariance of the random effects: give one"
                )
            theta = _theta(model, cov, sigma)
        elif theta is None:
            _ = model.estimates  # an error before a fit, when θ is the start of the search
            theta = model.theta
        theta = _vector("theta", theta, model.theta_names)
        return cls(beta, theta, sigma, shape)


def _known_sigma(model) -> float:
    """The estimate of σ or, before a fit, its given value."""
    known = None if model.is_fitted else model.optsum.sigma
    return model.sigma if known is None else known


def _kept_terms(model, re_form) -> list[bool]:
    """Whether each term keeps the random effects of the fit."""
    chosen = chosen_effects(model, re_form)
    for term, columns in zip(model.reterms, chosen, strict=True):
        if columns.any() and not columns.all():
            raise OptionError(
                "re_form names a part of a term, but a simulation keeps or draws all random "
                f"effects of a term: give ({' + '.join(term.cnames)} | {term.group})"
            )
    return [bool(columns.any()) for columns in chosen]


def weights_to_draw(model, given):
    """Prior weights of new rows: as given or the fit's column; None if the family has none.

    Raises
    ------
    OptionError
        The family's distribution does not depend on weights, or those of the fit cannot be those
        of new rows.
    """
    refuse_weights(model.family_record, given)
    return None if model.family_record.weights == "rows" else row_weights(model, given)


def refuse_weights(family: Family, given) -> None:
    """Raise an `OptionError` if weights are given and the family does not depend on them."""
    if given is not None and family.weights == "rows":
        raise OptionError(
            f"weights do not enter the distribution of {family} responses: leave weights out"
        )


def _theta(model, cov, sigma: float) -> np.ndarray:
    """θ from covariance matrices of the random effects by grouping factor."""
    groups = [term.group for term in model.reterms]
    if not isinstance(cov, Mapping) or set(cov) != set(groups):
        raise OptionError(
            f"cov must be a dict with a covariance matrix for each of {', '.join(groups)}, not "
            f"{shown(cov)}"
        )
    return np.concatenate([_theta_of(term, cov[term.group], sigma) for term in model.reterms])


def _theta_of(term, V, sigma: float) -> np.ndarray:
    """The θ of a term with this covariance matrix, which may be singular."""
    label = f"cov of '{term.group}'"
    if hasattr(V, "reindex"):
        V = V.reindex(index=term.cnames, columns=term.cnames)
    V = np.atleast_2d(numbers(label, V))
    if V.shape != (term.p, term.p):
        columns = ", ".join(term.cnames)
        raise OptionError(
            f"{label} has shape {V.shape}; it needs a row and a column for each of {columns}"
        )
    if not np.isfinite(V).all():
        raise OptionError(f"{label} must have finite numbers for {', '.join(term.cnames)}")
    values, vectors = np.linalg.eigh(V)
    if not np.allclose(V, V.T) or values[0] < -1e-10 * abs(values[-1]):
        raise OptionError(
            f"{label} is no covariance matrix: it must be symmetric, without negative eigenvalues"
        )
    root = np.linalg.qr(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)[1].T
    lam = root * np.where(np.diag(root) < 0, -1.0, 1.0)
    theta = term.structure.nearest(lam)
    if (np.abs(term.structure.matrix(theta) - lam) > 1e-6 * np.sqrt(values[-1])).any():
        raise OptionError(
            f"{label} has covariances where the model has none, as between effects of (x || g), or "
            "is otherwise not of the structure that the formula gives the term"
        )
    return term.structure.nearest(lam / sigma)


def _positive(name: str, value) -> float:
    """A parameter that must be a positive number."""
    if not (isinstance(value, Real) and 0 < value < np.inf):
        raise OptionError(f"{name} must be a positive number, not {value!r}")
    return float(value)


def _absent(name: str, value, default: float, owners: str) -> float:
    """The default of a parameter that the family does not have and that must not be given."""
    if value is not None and value != default:
        raise OptionError(f"{name} is a parameter of {owners} alone: leave it out")
    return default


def _vector(name: str, values, names: list[str]) -> np.ndarray:
    """Values of parameters as an array in the order of their names, from an array or a dict."""
    if hasattr(values, "keys"):
        unknown = [str(key) for key in values.keys() if key not in names]
        absent = [key for key in names if key not in values]
        if unknown or absent:
            hint = did_you_mean(unknown[0], names) if unknown else ""
            problem = f"has no '{unknown[0]}'" if unknown else f"needs '{absent[0]}'"
            raise OptionError(f"{name} {problem}{hint}: it has {', '.join(names)}")
        values = [values[key] for key in names]
    values = numbers(name, values)
    if values.shape != (len(names),) or not np.isfinite(values).all():
        listed = f" ({', '.join(names)})" if names else ""
        raise OptionError(f"{name} must be {len(names)} finite numbers{listed}, not {values!r}")
    return values

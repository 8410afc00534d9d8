"""`VarianceScales`: variance parameters on scales without bounds, with their standard errors.

Logarithms of standard deviations and shapes, Fisher's transformation of correlations, and logits of
residual parameters between two bounds.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.inference.profiling.generalized_surface import GeneralizedSurface
from numbamm.inference.profiling.residual_surface import surface_of
from numbamm.inference.random.components import SHAPE, SIGMA, Components
from numbamm.inference.random.residual_parameters import ResidualParameters
from numbamm.models.varcorr import SINGULAR_TOLERANCE


class VarianceScales:
    """The variance parameters of a fitted model.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Attributes
    ----------
    names : list of str
        σ or the shape, parameters of the residuals, standard deviations, correlations and so on.
    """

    def __init__(self, model) -> None:
        self._model = model
        self._components = Components.of(model)
        self._residual = ResidualParameters(model.residual_side)
        has_sigma = not (model.estimates.sigma_given or self._residual.has_sds)
        self._sizes = [SIGMA] * has_sigma + [SHAPE] * model.has_free_shape
        self.names = [*self._sizes, *self._residual.names, *self._components.names]
        self._is_correlation = np.array([_is_correlation(name) for name in self.names], dtype=bool)
        self._is_residual = np.isin(self.names, self._residual.names)

    def unbounded(self, values) -> np.ndarray:
        """Values in the order of `names` on their scales without bounds."""
        values = np.asarray(values, dtype=float)
        with np.errstate(all="ignore"):
            out = np.where(self._is_correlation, np.arctanh(values), np.log(values))
        out[self._is_residual] = self._residual.unbounded(values[self._is_residual])
        return out

    def bounded(self, values) -> np.ndarray:
        """The inverse of `unbounded`."""
        with np.errstate(all="ignore"):
            out = np.where(self._is_correlation, np.tanh(values), np.exp(values))
        out[self._is_residual] = self._residual.bounded(values[self._is_residual])
        return out

    def curvature(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Estimates and standard errors from the curvature of the criterion at its minimum.

        Returns
        -------
        estimate, error : ndarray, shape (number of names,)
            On scales without bounds; NaN where a variance is zero, a correlation 1 or a shape
            infinite: the criterion is not quadratic there.
        sizes : list of str
            The parameters that are σ or the shape.
        """
        model, components, residual = self._model, self._components, self._residual
        with blas_threads(), np.errstate(all="ignore"):
            surface = (surface_of(model) if model.is_linear else GeneralizedSurface)(model)
            sizes = surface.sizes
            is_known = SIGMA in sizes or model.is_linear or model.estimates.sigma_given

            def at(x):
                head = [sizes[n](x) if n in sizes else np.nan for n in self._sizes]
                if model.shape == np.inf:  # the search stopped at one of many, all of them large
                    head[self._sizes.index(SHAPE)] = np.nan
                sigma = surface.sigma(x) if is_known else np.nan
                own = surface.residual_values(x) if residual.names else []
                theta = surface.user_theta(x)[None]
                values = components.values(theta, np.array([sigma]))[0]
                return self.unbounded(np.concatenate([head, own, values]))

            estimate, error = at(surface.best), surface.standard_errors(at)
        known = np.isfinite(estimate + error) & ~np.isin(self.names, self._at_bounds())
        return np.where(known, estimate, np.nan), np.where(known, error, np.nan), list(sizes)

    def _at_bounds(self) -> list[str]:
        """Names of shapes of terms that have one at its bound: the curvature says nothing of them.

        And of all parameters of the residuals, if their correlations are at a bound.
        """
        side, residual = self._model.residual_side, self._residual
        is_met = side is not None and side.bounds_met()
        terms = zip(self._model.reterms, self._components.terms, strict=True)
        values = residual.values(side.phi, 1.0) if side is not None else np.zeros(0)
        met = residual.are_at_bounds(values) | bool(is_met)
        return [name for name, one in zip(residual.names, met, strict=True) if one] + [
            name
            for term, component in terms
            if term.structure.bounds_met(term.theta, SINGULAR_TOLERANCE)
            for name in component.shapes
        ]


def _is_correlation(name: str) -> bool:
    """Whether the parameter of this name is between -1 and 1; others are positive."""
    return name.startswith(("cor_", "rho"))

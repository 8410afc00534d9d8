"""`ratio_of`: what the exponential of a model's coefficients is, and coefficients on that scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from numbamm.errors import OptionError
from numbamm.inference.fixed.backtransform import BackTransform


@dataclass(frozen=True)
class Ratio:
    """What b^β is, for coefficients β that are logarithms to a base b.

    Attributes
    ----------
    base : float
    name : str
        What it is, such as ``"odds ratio"``.
    of : str
        What it is a ratio of, ``"odds"``: the meaning of b^β for the intercept.
    """

    base: float
    name: str
    of: str

    @property
    def heading(self) -> str:
        """The name as the heading of a column: ``odds.ratio``."""
        return self.name.partition(" of ")[0].replace(" ", ".")

    @property
    def words(self) -> str:
        """The name as the heading of a model: ``Odds ratio``."""
        return self.name[0].upper() + self.name[1:]

    @property
    def title(self) -> str:
        """The name in the plural, for titles: ``Odds ratios``."""
        name, of, what = self.words.partition(" of ")
        return f"{name}s{of}{what}"

    def measures(self, feterm) -> list[str]:
        """What each coefficient is on this scale; that of a constant column is no ratio."""
        constant = feterm.constant
        return [self.of if j == constant else self.name for j in range(len(feterm.cnames))]

    def exponentiated(self, frame):
        """A frame of estimates, standard errors and limits on this scale.

        Standard errors are those of the delta method.
        """
        frame = frame.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            for name in frame.columns.intersection(["estimate", "lower", "upper"]):
                frame[name] = self.base ** frame[name]
            if "se" in frame:
                frame["se"] *= frame["estimate"] * np.log(self.base)
        return frame

    def of_intercept(self, feterm) -> list[str]:
        """The note on the meaning of the intercept, if there is one."""
        if feterm.constant is None:
            return []
        return [
            f"the intercept is no ratio: it is the {self.of} for predictors at 0 and at reference "
            "levels."
        ]

    def notes(self, feterm, of_intercept: bool = True) -> list[str]:
        """Notes on the meaning of the numbers, and of the intercept."""
        about = self.of_intercept(feterm) if of_intercept else []
        return [
            *(note[0].upper() + note[1:] for note in about),
            "Standard errors by the delta method; tests are on the scale of the coefficients.",
        ]


def ratio_of(model) -> Ratio:
    """What the exponential of a fitted model's coefficients is.

    Parameters
    ----------
    model : MixedModel

    Raises
    ------
    OptionError
        The exponential of a coefficient has no meaning with the model's link.
    """
    back, link, family = BackTransform(model), model.link_record, model.family_record
    if model.has_categories and not (link.base and "scale" not in model.frame.parts):
        raise OptionError(
            "exponentiate=True is for ordinal models with the link logit and without scale "
            f"effects, whose coefficients are logarithms of odds ratios, not for {model.formula} "
            f"with the link {link}"
        )
    if link.linear and back.base:  # the logarithm of the response
        return Ratio(back.base, f"ratio of {back.first}", f"geometric mean of {back.first}")
    if link.base:
        name = ratio_name(family, link)
        of = {"ratio of means": "mean", "risk ratio": "probability"}
        return Ratio(link.base, name, of.get(name, name.removesuffix(" ratio")))
    if link.hazard:
        return Ratio(math.e, "hazard ratio", "cumulative hazard")
    raise OptionError(
        f"exponentiate=True is for coefficients that are logarithms of ratios: with the link "
        f"{link} of {model.formula} they are not. Links logit and log have ratios, and so have "
        "linear models of a logarithm, log(y)"
    )


def ratio_name(family, link) -> str:
    """What the ratios are called that differences of the linear predictor stand for.

    Parameters
    ----------
    family : Family
    link : Link
        With a `base`.
    """
    if link.ratio != "ratio":
        return link.ratio
    if family.proportions:
        return "risk ratio"
    return "rate ratio" if family.counts else "ratio of means"

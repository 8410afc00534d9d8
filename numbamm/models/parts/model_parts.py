"""`ModelParts`: the parts of a generalized model besides that of the mean."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.errors import OptionError
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.link import Link
from numbamm.glm.parts.extended import extended
from numbamm.glm.parts.family_rows import FamilyRows, check_link
from numbamm.glm.parts.finder import PartsFinder
from numbamm.glm.parts.mixture import HURDLE, INFLATED, PLAIN
from numbamm.glm.parts.part_lines import Line, Lines
from numbamm.glm.working import OBSERVED

DISPERSION, ZI, HURDLE_PART = "dispersion", "zi", "hurdle"


@dataclass
class ModelParts:
    """Which parts a model has.

    Attributes
    ----------
    family : Family
        By its log-density; of a hurdle, that of the responses above zero.
    formulas : dict of str → str
        One-sided formulas of the parts that have one, as given.
    held : dict of str → float
        Parameters of the family that were given.
    """

    family: Family
    formulas: dict[str, str] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, family: Family, formulas, shape) -> ModelParts | None:
        """The parts that were asked for; None for a model that has its mean's alone.

        Raises
        ------
        OptionError
            The family has no such part.
        """
        formulas = {name: text for name, text in formulas.items() if text is not None}
        if not formulas and family.density is None and not family.has_several_parameters:
            return None
        parts = cls(extended(family), formulas)
        parts._check_formulas()
        if HURDLE_PART in formulas:
            parts.family = _above_zero(parts.family)
        parts._hold(shape)
        return parts

    def _check_formulas(self) -> None:
        family = self.family
        if ZI in self.formulas and HURDLE_PART in self.formulas:
            raise OptionError(
                "zi and hurdle both say where zeros come from: give one of them (zi adds zeros to "
                "those of the family, with hurdle all zeros are of the hurdle's part)"
            )
        if DISPERSION in self.formulas and not family.parameters:
            raise OptionError(
                f"dispersion: the family {family} has no dispersion or shape to model"
                + (f"; a wider family has, such as {family.wider}" if family.wider else "")
            )
        if ZI in self.formulas and (not family.discrete or family.positive):
            raise OptionError(
                f"zi adds zeros to those of a distribution of counts, and {family} has none: "
                'write hurdle="~ ..." for a part that decides between zero and other responses'
            )

    def _hold(self, shape) -> None:
        if shape is None:
            return
        known = self.family.parameters
        if not known:
            raise OptionError(f"shape: the family {self.family} has no shape: leave it out")
        held = known[-1] if len(known) <= 2 else None
        if held is None:
            raise OptionError(
                f"shape: the family {self.family} has several shapes, which are estimated: leave "
                "it out"
            )
        if held is known[0] and DISPERSION in self.formulas:
            raise OptionError("shape and dispersion both say what the shape is: give one of them")
        value = float(shape)
        if not np.isfinite(held.predictor(value)):
            raise OptionError(f"shape: {shape!r} is no possible {held} of the family {self.family}")
        self.held[held.name] = value

    @property
    def mixture(self) -> int:
        """Of what kind a row's density is; see `glm.parts.mixture`."""
        if ZI in self.formulas:
            return INFLATED
        return HURDLE if HURDLE_PART in self.formulas else PLAIN

    @property
    def likelihood(self) -> type[Likelihood]:
        """The class of the model's likelihood."""
        return PartsLikelihood

    @property
    def zero_part(self) -> str | None:
        """The name of the part of the zeros, if there is one."""
        return {INFLATED: ZI, HURDLE: HURDLE_PART}.get(self.mixture)

    @property
    def mean_is_mu(self) -> bool:
        """Whether the mean of a response is μ, the inverse link of η."""
        return self.mixture == PLAIN and self.family.expectation is None

    @property
    def supports(self) -> Family:
        """The family with zeros in its support, if there is a hurdle."""
        if self.mixture != HURDLE:
            return self.family
        inner = self.family.supports
        return replace(
            self.family,
            supports=lambda y: (y == 0) | inner(y),
            support=f"0, or {self.family.support}",
        )

    def check(self, link: Link, joint: bool) -> None:
        """Refuse a link with which the parts do not work."""
        check_link(self.family, link, joint)

    def lines(self, frame) -> Lines:
        """The predictors of the rows of a frame."""
        n = len(frame.y)
        none, one = np.zeros((n, 0)), np.ones((n, 1))
        lines = []
        for k, parameter in enumerate(self.family.parameters):
            name, offset = parameter.name, np.zeros(n)
            if name in self.held:
                offset = np.full(n, parameter.predictor(self.held[name]))
                X, names = none, []
            elif k == 0 and DISPERSION in self.formulas:
                (X, names), name = frame.parts[DISPERSION], DISPERSION
            else:
                X, names = one, ["Intercept"]
            lines.append(Line(name, FeMat.from_columns(X, names), offset))
        if self.zero_part:
            X, names = frame.parts[self.zero_part]
            lines.append(Line(self.zero_part, FeMat.from_columns(X, names), np.zeros(n)))
        return Lines(lines)

    def finder(self, model, terms) -> PartsFinder:
        """What finds the modes of a model of these parts."""
        y, w, X, o = model.frame.y, model.prior_weights, model._basis, model._offset
        joint = is_joint(model)
        if joint:
            terms = [_threefold(term) for term in terms]
            y, w = np.tile(y, 3), np.tile(w, 3)
            X, o = np.concatenate([X, 0 * X, X]), np.concatenate([o, 0 * o, o])
        return PartsFinder(
            terms,
            X,
            y,
            w,
            o,
            FamilyRows(self.family),
            model.link_record,
            OBSERVED,
            1.0,
            lines=model.part_lines,
            mixture=self.mixture,
            joint=joint,
        )

    def rowwise(self, model, values) -> np.ndarray:
        """Values of the rows as the mode finder has them: threefold where rows are pairs."""
        return np.tile(values, 3) if is_joint(model) else values

    def given(self) -> dict:
        """Arguments of a model's constructor that make the same parts."""
        out: dict = {name: self.formulas.get(name) for name in (DISPERSION, ZI, HURDLE_PART)}
        return out | {"shape": next(iter(self.held.values()), None)}


def is_joint(model) -> bool:
    """Whether random effects are in two parts of a model."""
    return any(term.part for term in model.reterms)


def _threefold(term):
    """A term on the rows of η₁, η₂ and η₁ + η₂."""
    none = np.zeros_like(term.z)
    z = [none, term.z, term.z] if term.part else [term.z, none, term.z]
    return replace(term, refs=np.tile(term.refs, 3), z=np.concatenate(z, axis=1))


def _above_zero(family: Family) -> Family:
    """The distribution of the responses above zero, for a hurdle.

    Raises
    ------
    OptionError
    """
    if family.truncated:
        return FAMILIES[family.truncated]
    if family.positive or not family.supports(np.zeros(1))[0]:
        return family
    raise OptionError(
        f"hurdle: {family} responses may be zero by themselves; a hurdle needs counts, such as "
        "poisson or nbinom2, or positive responses, such as gamma or lognormal"
    )


class PartsLikelihood(Likelihood):
    """The likelihood of a model whose rows' densities have every constant."""

    def working_root(self, link: Link) -> np.ndarray:
        """√W for a common mean, about: on which scale random effects are of ordinary size."""
        n = len(self.y)
        if link.unitless:
            return np.ones(n)
        sd, mean = np.std(self.y), np.average(self.y, weights=self.w)
        slope = abs(link.slope(link.eta([mean]))[0])
        root = slope / sd if sd > 0 else 1.0
        return np.full(n, root if 0 < root < np.inf else 1.0)

    def saturated(self, shape, phi: float) -> float:
        """Nothing: the deviance of a row is -2 log f."""
        return 0.0

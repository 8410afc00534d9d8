"""What a model with a residual side cannot do, in words."""

from __future__ import annotations

from numbamm.errors import OptionError


def refuse_structure(model, what: str, remedy: str) -> None:
    """Refuse what takes residuals as independent, of a model whose residuals have a structure.

    Parameters
    ----------
    model : MixedModel
    what : str
        What was asked for.
    remedy : str
        What to do instead.

    Raises
    ------
    OptionError
    """
    if model.residual_side is not None:
        raise OptionError(
            f"{what}: not for residuals with a structure ({model.residual_side.text}): {remedy}"
        )


def refuse_correlated(model, what: str, remedy: str) -> None:
    """As `refuse_structure`, but standard deviations may differ."""
    side = model.residual_side
    if side is not None and side.texts.residual is not None:
        refuse_structure(model, what, remedy)


def refuse_no_effects(model, what: str) -> None:
    """Refuse what is about random effects, of a model that has none.

    Raises
    ------
    OptionError
    """
    if not model.reterms:
        raise OptionError(
            f"{what} is about random effects, and {model.formula} has none: it has residuals with "
            f"a structure alone ({model.residual_side.text})"
        )

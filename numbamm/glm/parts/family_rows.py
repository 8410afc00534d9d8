"""`FamilyRows`: what mode finders ask of a family of several parameters with one link."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from numbamm.errors import OptionError
from numbamm.glm import row_kernels
from numbamm.glm.family import Family
from numbamm.glm.link import Link
from numbamm.glm.parts.density_rows import density_rows


@dataclass(frozen=True)
class FamilyRows:
    """A family as mode finders see it; the link comes with each question, as of a `Family`.

    Attributes
    ----------
    family : Family
        With a `density`.
    """

    family: Family

    #: Every constant is in the log-density: to the kernels there is neither a φ nor a shape.
    dispersed = has_shape = False
    #: The kernel leaves the informations where it leaves working weights.
    informed = True
    #: Lines of the table besides are counted by the finder.
    table_lines = 0

    @property
    def proportions(self) -> bool:
        """Whether the link's table has the lines of means in (0, 1)."""
        return self.family.unit

    def is_canonical(self, link: Link) -> bool:
        """Whether expected and observed information agree: no, as far as is known."""
        return False

    def barrier(self, link: Link) -> int:
        """Which η are excluded although the link's formula gives a mean."""
        return self.family.barrier(link)

    def addresses(self, link: Link) -> tuple[int, int]:
        """Addresses of the link's kernel and of the family's."""
        kernel = rows_kernel(self.family)
        what = f"logpdf of the family {self.family.name}"
        address = row_kernels.address_of(kernel, row_kernels.FAMILY, what)
        return link.address(self.family.unit), address


@lru_cache
def rows_kernel(family: Family):
    """The row kernel of a family with a density; it is compiled when its address is asked for."""
    links = tuple(parameter.link for parameter in family.parameters)
    of_user = family.own is not None and family.own.by_density
    return density_rows(family.density, links, unit=family.unit, kept=not of_user)


def check_link(family: Family, link: Link, joint: bool) -> None:
    """Refuse links with which the family, or two predictors with random effects, do not work.

    Raises
    ------
    OptionError
    """
    if family.only_link and link.name != family.link:
        raise OptionError(
            f"the family {family} is defined with the link {family.link}, not {link}: leave the "
            "link out"
        )
    if family.unit and not link.onto_unit:
        raise OptionError(
            f"the family {family} needs a link onto (0, 1), such as logit or probit, not {link}"
        )
    if joint and not link.whole_line:
        raise OptionError(
            f"random effects in two parts need a link for which every linear predictor has a mean, "
            f"such as log, not {link}"
        )

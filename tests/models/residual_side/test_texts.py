"""What the user wrote about residuals, and what a frame has to provide for it."""

from numbamm.models.residual_side.texts import Texts


def test_nothing():
    assert Texts.of(None, None) is None


def test_what_the_frame_provides():
    texts = Texts.of("us(visit | id, by=arm)", ["~ x", "power(v, by=f)"])
    options = texts.frame_options
    assert options["parts"] == {"dispersion": "~ x"} and not options["needs_terms"]
    assert options["part_columns"] == ["arm", "f", "id", "v", "visit"]
    assert not texts.uses_fitted


def test_fitted_means_are_no_column():
    texts = Texts.of(None, "power(fitted)")
    assert texts.uses_fitted and texts.frame_options["part_columns"] == []

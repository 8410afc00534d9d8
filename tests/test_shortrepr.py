"""What prints in a terminal is short, whatever the size of the model."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.optimize import OptSummary, minimize


@pytest.fixture(scope="module")
def large():
    """A model of many coefficients and parameters."""
    rng = np.random.default_rng(1)
    rows = {f"x{i}": rng.standard_normal(400) for i in range(6)}
    rows |= {"g": np.repeat(np.arange(40), 10), "f": [f"level {i % 25}" for i in range(400)]}
    rows["y"] = rng.standard_normal(400) + rng.standard_normal(40)[rows["g"]]
    columns = " + ".join(f"x{i}" for i in range(6))
    return mm.LinearMixedModel(f"y ~ {columns} + f + ({columns} || g)", rows)


def test_records_of_a_model_are_short(large, fitted):
    small = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy", reml=True)
    cbpp = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    counts = mm.glmm(cbpp, mm.datasets.load("cbpp"), "binomial", optimizer="nlopt:LN_BOBYQA")
    large.fit(optimizer="newton")
    for model in (small, counts, large):
        records = [model.feterm, model.estimates, model.frame, model.layout, model.optsum]
        records += [*model.varcorr.terms, *model.reterms, *filter(None, model.scalings)]
        for record in records:
            for line in repr(record).splitlines():
                assert len(line) < 400
            assert "np." not in repr(record) and "array([[" not in repr(record)
        assert "\n" not in repr(model.feterm) + repr(model.estimates)
        assert f"<ndarray {model.nobs} × " in repr(model.feterm)
        assert f"sigma={model.estimates.sigma:.7g}," in repr(model.estimates)
    assert "\n" not in repr(small.profile("sigma").curves["sigma"])


def test_optsummary_is_short_and_names_its_parameters(large):
    for optsum in (large.optsum, mm.OptSummary(np.ones(50), np.zeros(50))):
        lines = repr(optsum).splitlines()
        assert max(map(len, lines)) < 200
        assert f"({len(optsum.names)})" in lines[0]
        assert lines[0].startswith(f"Parameters:               [{optsum.names[0]}, ")
        assert optsum.names[-1] in lines[0]
    optsum = OptSummary([1.0, 2.0], [0.0, -np.inf], names=["a", "b"])
    assert "[a, b]" in repr(optsum) and "Elapsed" not in repr(optsum)
    minimize(lambda x: float(x @ x), optsum)
    assert optsum.elapsed > 0 and "Elapsed time:" in repr(optsum)
    assert "Elapsed time" in optsum._repr_html_()
    again = OptSummary.from_dict(optsum.to_dict())
    assert again.elapsed == optsum.elapsed
    older = {k: v for k, v in optsum.to_dict().items() if k != "elapsed"}
    assert OptSummary.from_dict(older).elapsed is None


def test_elapsed_time_is_that_of_all_stages():
    cbpp = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(cbpp, mm.datasets.load("cbpp"), "binomial", optimizer="nlopt:LN_BOBYQA")
    assert model.optsum.elapsed > model.fast_optsum.elapsed > 0


def numpy_scalars(thing):
    """Names of attributes that a prompt would show as ``np.float64(...)``."""
    found = []
    for name in dir(thing):
        value = None if name.startswith("_") else getattr(thing, name, None)
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(v, np.generic) for v in values):
            found.append(name)
    return found


def test_numbers_at_the_prompt_are_pythons(fitted):
    sleep = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy", reml=True)
    data = mm.datasets.load("sleepstudy")
    known = mm.lmm("Reaction ~ Days + (1 | Subject)", data, sigma=np.float64(25.0))
    cbpp = mm.datasets.load("cbpp")
    counts = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    models = [
        sleep,
        known,
        mm.glmm(counts, cbpp, "binomial"),
        mm.glmm(counts, cbpp, "binomial", nagq=3),
        mm.glmm("Reaction ~ Days + (1 | Subject)", data, "gamma", "log", fast=True),
    ]
    for model in models:
        things = [model, model.optsum, model.estimates, model.feterm, model.layout]
        things += [*model.varcorr.terms, *model.reterms, model.check_convergence()]
        for thing in things:
            assert not numpy_scalars(thing), type(thing)
        assert "np." not in repr([model.objective_at(model.optsum.final), model.bic, model.aic])
    for thing in (sleep.profile("sigma").curves["sigma"], models[2].pirls(), sleep.pca()):
        assert not numpy_scalars(thing)
    assert "np." not in repr(sleep.varcorr.rows())

"""`save` and `restore`: a fit taken up again, and files that are refused."""

import json

import numpy as np
import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture
def file(fitted, tmp_path):
    fitted(SLEEP, "sleepstudy", reml=True).save(tmp_path / "fit.json")
    return tmp_path / "fit.json"


@pytest.fixture
def unfitted():
    return mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_restored_model_equals_the_fitted_one(file, fitted, unfitted, monkeypatch):
    from numbamm.optimize import registry

    monkeypatch.setattr(registry.resolve("nlopt:LN_BOBYQA").backend, "minimize", None)
    assert unfitted.restore(file) is unfitted
    model = fitted(SLEEP, "sleepstudy", reml=True)
    assert str(unfitted) == str(model)
    assert unfitted.objective == model.objective
    np.testing.assert_array_equal(unfitted.theta, model.theta)
    np.testing.assert_array_equal(unfitted.b[0], model.b[0])
    assert repr(unfitted.optsum) == repr(model.optsum)
    assert unfitted.optsum.fitlog.equals(model.optsum.fitlog)
    with pytest.raises(mm.FitError, match="refit"):
        unfitted.fit()


def test_restored_model_can_be_fitted_again(file, unfitted):
    before = unfitted.restore(file).objective
    unfitted.refit(optimizer="scipy:Powell")
    assert unfitted.objective == pytest.approx(before, abs=1e-6)
    assert unfitted.optsum.optimizer == "scipy:Powell"


def test_slopes_far_from_zero(tmp_path):
    """Fitted in other columns than the user's, of which the file speaks."""
    data = mm.datasets.load("sleepstudy")
    data["Year"] = data["Days"] + 2000
    model = mm.lmm("Reaction ~ 1 + Year + (1 + Year | Subject)", data)
    model.save(tmp_path / "fit.json")
    other = mm.LinearMixedModel("Reaction ~ 1 + Year + (1 + Year | Subject)", data)
    assert str(other.restore(tmp_path / "fit.json")) == str(model)


def test_unfitted_model_has_nothing_to_save(unfitted, tmp_path):
    with pytest.raises(mm.NotFittedError):
        unfitted.save(tmp_path / "fit.json")
    assert list(tmp_path.iterdir()) == []


def other_data(file):
    data = mm.datasets.load("sleepstudy")
    data.loc[5, "Reaction"] += 1
    return mm.LinearMixedModel(SLEEP, data)


def other_count(file):
    return mm.LinearMixedModel("Reaction ~ 1 + (1 | Subject)", mm.datasets.load("sleepstudy"))


def other_names(file):
    data = mm.datasets.load("sleepstudy").rename(columns={"Days": "Time"})
    return mm.LinearMixedModel(SLEEP.replace("Days", "Time"), data)


def changed(**changes):
    def make(file):
        edit(file, **changes)
        return mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))

    return make


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (other_data, mm.FitError, r"at the initial parameters the objective is 17\d\d\..*and in"),
        (other_count, mm.FitError, "of other parameters: .*Days, not Subject.Intercept$"),
        (other_names, mm.FitError, r"Subject\.Days, not .*Subject\.Time"),
        (changed(final=[1.0, 0.0, 1.0]), mm.FitError, "at the final parameters the objective is"),
        (changed(names=[1, 2, 3]), mm.FitError, "of other parameters: 1, 2, 3, not"),
        (changed(fmin="nan"), mm.FitError, "in the file nan"),
        (changed(reml=False), mm.FitError, "at the initial parameters"),
        (changed(final=None), mm.OptionError, "holds options, but no fit"),
        (changed(final=[1.0]), mm.OptionError, "final must be finite, one for each"),
        (changed(version=99), mm.OptionError, "of version 3, but of version 99"),
        (changed(ftol_abs=-1), mm.OptionError, "ftol_abs must be"),
    ],
)
def test_refused_and_the_model_is_as_it_was(file, make, error, message):
    model = make(file)
    before, start = repr(model.optsum), model.theta
    with pytest.raises(error, match=message) as caught:
        model.restore(file)
    assert "fit.json" in str(caught.value)
    assert not model.is_fitted
    assert repr(model.optsum) == before
    np.testing.assert_array_equal(model.theta, start)
    assert model.fit().is_fitted


def test_refused_by_a_fitted_model(file):
    model = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"))
    table, summary = str(model), repr(model.optsum)
    edit(file, final=[1.0, 0.0, 1.0])
    with pytest.raises(mm.FitError):
        model.restore(file)
    assert (str(model), repr(model.optsum)) == (table, summary)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "\udcff"])
def test_files_that_are_no_saved_fit(tmp_path, unfitted, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(mm.OptionError, match="bad.json"):
        unfitted.restore(path)


def test_file_that_is_not_there(tmp_path, unfitted):
    with pytest.raises(mm.OptionError, match="nowhere.json cannot be read: No such file"):
        unfitted.restore(tmp_path / "nowhere.json")


def test_a_failed_write_leaves_the_file_that_was_there(file, fitted, monkeypatch):
    model, before = fitted(SLEEP, "sleepstudy", reml=True), file.read_text()

    def full(self, content):
        with self.open("wb") as part:
            part.write(content[:40])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(mm.OptionError, match="cannot be written: No space left"):
        model.save(file)
    assert file.read_text() == before
    assert [f.name for f in file.parent.iterdir()] == ["fit.json"]


def test_a_link_is_followed(file, fitted, tmp_path):
    link = tmp_path / "link.json"
    try:
        link.symlink_to(file)
    except OSError:
        pytest.skip("no links here")
    file.write_text("")
    fitted(SLEEP, "sleepstudy", reml=True).save(link)
    assert link.is_symlink()
    assert json.loads(file.read_text())


@pytest.mark.parametrize("number", ["1" * 400, "1e999", "[" * 100_000])
def test_numbers_beyond_floats(file, unfitted, number):
    text = file.read_text()
    file.write_text(text.replace('"finitial": ', f'"finitial": {number}, "x": ', 1))
    with pytest.raises(mm.NumbammError, match=r"fit\.json"):
        unfitted.restore(file)

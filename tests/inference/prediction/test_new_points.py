"""Effects at points that the fit did not have, against dense kriging of the response."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError

TERMS = ["ou(t | g)", "exp(t, u | 1)", "gau(t | g) + (1 | g)", "mat(t, u | 1) + (1 | h)"]


def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 66
    d = pd.DataFrame({"g": rng.choice(list("abcdé"), n), "t": rng.choice(np.arange(7) ** 1.5, n)})
    d["u"], d["x"], d["h"] = (
        rng.choice([0.0, 0.3, 2.0], n),
        rng.normal(size=n),
        rng.integers(6, size=n),
    )
    level = dict(zip("abcdé", rng.normal(size=5), strict=True))
    d["y"] = 3 + d.x + np.sin(d.t / 4 + d.u) + d.g.map(level) + 0.4 * rng.normal(size=n)
    return d


@pytest.fixture(scope="module", params=TERMS)
def fitted(request):
    return mm.lmm(f"y ~ x + {request.param}", data(), reml=True)


def new_rows() -> pd.DataFrame:
    d = data().iloc[[5, 2, 9, 30, 31, 1]].reset_index(drop=True)
    return d.assign(t=[2.2, d.t[1], 40.0, 0.5, 0.5, 2.2], g=["a", "b", "é", "new", "new", "new"])


def dense(m, new):
    """Predictions, and variances of their errors, from the covariance of old and new responses."""
    d = pd.concat([data(), new], ignore_index=True)
    n, s2 = len(data()), m.sigma**2
    cov = np.zeros((len(d), len(d)))
    for term in m.reterms:
        at = 0
        groups = np.zeros(len(d)) if term.group == "1" else d[term.group].astype(str).to_numpy()
        same = np.equal.outer(groups, groups)
        for columns, part in term.structure.parts:
            theta = term.theta[at : at + part.size]
            at += part.size
            if not part.over_positions:
                cov += s2 * theta[0] ** 2 * same
                continue
            coordinates = term.cnames[columns[0]].split("[")[0].split(",")
            p = d[coordinates].to_numpy()
            distance = np.linalg.norm(p[:, None] - p[None], axis=2)
            cov += s2 * theta[0] ** 2 * same * part.correlation_at(theta[1:], distance)
    V, c = cov[:n, :n] + s2 * np.eye(n), cov[n:, :n]
    X = np.column_stack([np.ones(len(d)), d.x])
    inverse = np.linalg.inv(V)
    phi = np.linalg.inv(X[:n].T @ inverse @ X[:n])
    mean = X[n:] @ m.beta + c @ inverse @ (d.y[:n] - X[:n] @ m.beta)
    rest = X[n:] - c @ inverse @ X[:n]
    return mean, np.diag(cov[n:, n:] - c @ inverse @ c.T + rest @ phi @ rest.T)


@pytest.mark.filterwarnings("ignore:levels of")
def test_predictions_and_their_errors(fitted):
    found = fitted.predict(new_rows(), se=True)
    mean, variance = dense(fitted, new_rows())
    assert_allclose(found["prediction"], mean, rtol=1e-7)
    assert_allclose(found["se"] ** 2, variance, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:levels of")
def test_simulated_responses_have_the_covariance_of_the_model(fitted):
    """Kept effects leave their conditional covariance, drawn ones the whole."""
    new = new_rows().iloc[[0, 2, 3, 4, 5]]
    one_part = len(fitted.reterms) == 1 and len(fitted.reterms[0].structure.parts) == 1
    n = 300 if "mat(" in fitted.formula else 1500  # Bessel functions are slow
    drawn = fitted.simulate(2, n=n, newdata=new).to_numpy()
    other = fitted.simulate(3, n=n, newdata=new, re_form="all").to_numpy()
    s2 = fitted.sigma**2
    full = [s2 * (1 + sum(t.theta[0] ** 2 for t in fitted.reterms))]
    if one_part:
        assert_allclose(drawn.var(axis=1), np.repeat(full, 5), rtol=0.15)
        together = np.cov(drawn[2:4])[0, 1]  # at one time in one group, and maybe at one place
        apart = abs(new.u.iloc[2] - new.u.iloc[3])
        distance = apart if fitted.reterms[0].group == "1" else 0.0
        rho = fitted.reterms[0].structure.correlation_at(fitted.theta[1:], distance)
        assert_allclose(together, (full[0] - s2) * rho, rtol=0.2)
    assert (other.var(axis=1) <= 1.2 * drawn.var(axis=1)).all()
    assert_allclose(other[0].mean(), fitted.predict(new).iloc[0], atol=0.1)


def test_far_from_all_points_nothing_is_known():
    m = mm.lmm("y ~ x + ou(t | g)", data())
    far = data().iloc[:2].assign(t=1e6)
    assert_allclose(m.predict(far), m.predict(far, re_form="none"), atol=1e-6)


def test_generalized_models_and_missing_values():
    d = data().assign(y=np.random.default_rng(1).poisson(2, 66))
    m = mm.glmm("y ~ x + ou(t | g)", d, "poisson")
    new = d.iloc[:3].assign(t=[1.7, np.nan, d.t[2]])
    found = m.predict(new, interval="prediction", seed=1)
    assert found["prediction"].isna().tolist() == [False, True, False]
    assert (found["lower"] <= found["prediction"]).iloc[[0, 2]].all()


def test_designs_keep_to_the_points_of_the_fit():
    m = mm.lmm("y ~ x + ou(t | g)", data())
    with pytest.raises(DataError, match="points of 'g' that the data of the fit do not have"):
        m.power(design=data().assign(t=0.123), n=2, seed=1)

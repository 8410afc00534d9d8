"""`VarCorr`: variances, standard deviations and correlations, by term and in a frame."""

import pytest
from numpy.testing import assert_allclose


def test_varcorr(model):
    frame = model.varcorr.to_frame()
    assert list(frame["group"]) == ["Subject", "Subject", "Subject", "Residual"]
    assert frame["sd"].iloc[3] == model.sigma
    subject = model.varcorr["Subject"]
    lam = model.reterms[0].lambda_
    assert_allclose(subject.cov, model.sigma**2 * lam @ lam.T)
    assert frame["corr"].iloc[2] == pytest.approx(subject.corr[1, 0])
    with pytest.raises(KeyError, match="Subject"):
        model.varcorr["subject"]

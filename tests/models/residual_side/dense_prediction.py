"""Predictions of new rows by the normal distribution of all rows, with dense matrices."""

import numpy as np
from scipy.special import gamma, kv


def by_lag(lags, first, step):
    """Correlations at whole lags, from that at lag 1 and a recursion for all others."""
    r = [1.0, first]
    while len(r) <= lags.max():
        r.append(step(r))
    return np.array(r)[lags.astype(int)]


def correlations(m, d):
    """C of all rows of a frame with columns g, t, east, from the parameters that users see."""
    side, text = m.residual_side, m.residual_side.texts.residual
    if text is None:
        return np.eye(len(d))
    C, strata = np.empty((len(d), len(d))), side.reading.strata
    for s, label in enumerate(strata or [""]):
        suffix = f"[{label}]" if label else ""
        found = side.parameters(side.phi, m.sigma)
        found = {k.removesuffix(suffix): v for k, v in found.items() if k.endswith(suffix)}
        of_stratum = (1 - found.get("nugget", 0.0)) * _of_stratum(side, text, found, d, s)
        own = (d.arm == label.partition("=")[2]).to_numpy() if label else slice(None)
        C[own] = of_stratum[own]
    for group in text.group:
        C = np.where(np.equal.outer(d[group].to_numpy(), d[group].to_numpy()), C, 0.0)
    np.fill_diagonal(C, 1.0)
    return C


def _of_stratum(side, text, found, d, s):
    apart = np.abs(np.subtract.outer(d.t.to_numpy(), d.t.to_numpy()))
    if len(text.positions) == 2:
        apart = np.hypot(apart, np.subtract.outer(d.east.to_numpy(), d.east.to_numpy()))
    name = text.structure
    if name == "ar1":
        return found["rho"] ** apart
    if name == "ar2":
        f, second = found["phi1"], found.get("phi2", 0.0)
        return by_lag(apart, f / (1 - second), lambda r: f * r[-1] + second * r[-2])
    if name == "arma":
        f, th = found["phi"], found.get("theta", 0.0)
        first = (1 + f * th) * (f + th) / (1 + 2 * f * th + th**2)
        return by_lag(apart, first, lambda r: f * r[-1])
    if name == "homcs" and not text.positions:
        return np.full_like(apart, found["rho"], dtype=float)
    if name in ("ou", "exp"):
        return np.exp(-apart * (found["rate"] if name == "ou" else 1 / found["range"]))
    if name == "gau":
        return np.exp(-((apart / found["range"]) ** 2))
    if name == "mat":
        k = found.get("smoothness", found.get("kappa"))
        x = np.where(apart > 0, apart, 1.0) / found["range"]
        return np.where(apart > 0, 2 ** (1 - k) / gamma(k) * x**k * kv(k, x), 1.0)
    p = len(side.reading.visits)
    whole = side.table.values(side.phi[side.scales.size :]).reshape(-1, p, p)[s]
    at = np.searchsorted(np.array(side.reading.visits, dtype=float), d.t)
    return whole[np.ix_(at, at)]


def deviations(m, d):
    """Standard deviations over σ, without weights."""
    side = m.residual_side
    found, out = side.parameters(side.phi, 1.0), np.ones(len(d))
    for text in side.texts.dispersions:
        if text.function is None:
            logs = [
                v * _column(d, k.partition(".")[2]) for k, v in found.items() if "dispersion." in k
            ]
            out *= np.exp(np.sum(logs, axis=0))
        elif text.function == "fixed":
            out *= np.sqrt(d[text.covariate])
        else:
            v = d[text.covariate].to_numpy()
            suffix = [f"[{text.by}={f}]" for f in d[text.by]] if text.by else [""] * len(d)
            name = "rate" if text.function == "exp" else "power"
            p = np.array([found[name + end] for end in suffix])
            own = np.exp(p * v) if name == "rate" else np.abs(v) ** p
            out *= own + found.get("const", 0.0)
    if side.reading.cells is not None:
        arms = [f"[arm={a}]" for a in d.arm] if side.reading.strata else [""] * len(d)
        names = [f"{t}{arm}" for t, arm in zip(d.t, arms, strict=True)]
        if not side.reading.visits or f"sd_{names[0]}" not in found:
            names = [f"arm={a}" for a in d.arm]
        out *= [found[f"sd_{name}"] for name in names]
    return out


def _column(d, name):
    if "[T." in name:
        column, level = name.rstrip("]").split("[T.")
        return (d[column].astype(str) == level).to_numpy(dtype=float)
    return d[name].to_numpy()


def kriged(m, fit, new, weights=None):
    """Means, variances of errors and of new observations, of new rows given y, with β by GLS.

    Returns
    -------
    mean : E(y* | y)
    error : variance of the error of E(y* | b, ε) = x'β + z'b + w'ε
    observation : Var(y* - mean)
    """
    n, d = len(fit), _joined(fit, new)
    sd = deviations(m, d) / (1.0 if weights is None else np.sqrt(d[weights]))
    R = m.sigma**2 * np.outer(sd, sd) * correlations(m, d)
    G = np.zeros_like(R)
    for term in m.reterms:
        V = m.sigma**2 * term.structure.matrix(term.theta) @ term.structure.matrix(term.theta).T
        Z = np.column_stack([np.ones(len(d)), d.x])[:, : term.p]
        K = np.eye(term.nlevels) if term.relation is None else term.relation.covariance
        at = {level: k for k, level in enumerate(term.levels)}
        at = np.array([at.get(level, -1) for level in d[term.group]])
        new = np.equal.outer(d[term.group].to_numpy(), d[term.group].to_numpy()) & (at < 0)
        known = (at >= 0) & (at[:, None] >= 0)
        G += np.where(known, K[np.ix_(at, at)], new) * (Z @ V @ Z.T)
    X = np.column_stack([np.ones(len(d)), d.x])
    y, V = fit.y.to_numpy(), (G + R)[:n, :n]
    inverse = np.linalg.inv(V)
    of_beta = np.linalg.inv(X[:n].T @ inverse @ X[:n])
    beta = of_beta @ X[:n].T @ inverse @ y
    across = (G + R)[n:, :n]
    mean = X[n:] @ beta + across @ inverse @ (y - X[:n] @ beta)
    lever = X[n:] - across @ inverse @ X[:n]
    own = lever @ of_beta @ lever.T
    observation = (G + R)[n:, n:] - across @ inverse @ across.T + own
    rest = R[n:, n:] - R[n:, :n] @ np.linalg.solve(R[:n, :n], R[:n, n:])
    return mean, np.diag(observation) - np.diag(rest), np.diag(observation)


def _joined(fit, new):
    import pandas as pd

    return pd.concat([fit, new], ignore_index=True)

"""Cross-products and quadratic forms of rows whose residuals are correlated within groups.

The rows of a group are neighbours, and divided by their standard deviations. What is left of their
covariance is a correlation matrix C for each group, or its inverse Q, held in one flat buffer:

*dense*
    m × m entries for each different matrix of order m; groups with the same one share it.
*chain*
    Q of a first-order Markov chain is tridiagonal: two entries a row, that beside the diagonal and
    that on it.

``offset`` says where the matrix of each group begins, ``start`` where its rows begin (and where
those of the last one end), and ``band`` how far from the diagonal entries are: 1 for chains, -1 for
dense ones.
"""

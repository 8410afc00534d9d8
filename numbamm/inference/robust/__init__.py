"""Covariances of β that hold whatever the covariance of the rows of a cluster."""

"""Models compared: likelihood ratios, information criteria, a term less."""

"""Link functions: each file has one record, `LINK`."""

"""The documentation site (mkdocs.yml): the repository's pages, the overview, runs, the Python functions."""

"""The Snakemake workflow: thin rules over lthbench.stages."""

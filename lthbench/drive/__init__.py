"""Running things: stages, processes, Snakemake, campaigns, and what they cost."""

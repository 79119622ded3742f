"""The figures of the report: plain functions from verdicts and tidy tables to a Picture."""

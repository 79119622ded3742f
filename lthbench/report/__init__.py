"""The report: verdicts, tables and provenance in, files a person reads out. Computes no statistics."""

"""Judging an implementation of the user's: by what it returned, and against the reference implementation."""

"""Before anything of a user's is trained: what would make a verdict wrong without a word is refused, or named.

`parts` looks at a network on arrays, with a pruning recipe; `data` at arrays; `design` at what claims ask of them;
`run` at all that a run would train. Every other file is one kind of question.
"""

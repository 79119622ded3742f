"""The sections after the claims, one file each: from what was judged to what the section says.

To add one: a file here with a function from Material to its Part (None where it has nothing to say), its template
`templates/<anchor>.j2` (the text in HTML, then in Markdown), and its line in content.SECTIONS.
"""

"""The sections after the claims, one file each: from what was judged to what the section says."""

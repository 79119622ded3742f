"""Development tools: they need a checkout, and are in no wheel."""

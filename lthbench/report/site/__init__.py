"""The site: claims by question beside all suites, and a page per claim. It reads verdicts and judges nothing."""

"""What is trained and how: declarations, arms, random streams, and the engine they belong to. Torch-free."""

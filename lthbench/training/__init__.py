"""Training: recipe in, final weights and curves out. One step for every arm of every experiment."""

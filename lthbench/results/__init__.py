"""What a run leaves on disk: unit records and the tidy tables made from them."""

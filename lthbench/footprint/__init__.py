"""What a ticket takes up and how fast it answers, beside the dense network. Measured apart from every verdict."""

"""Known mistakes as implementations of users: how many does the dock find, and does it accuse a sound one?"""

"""The invented community: real projects, teams and services; people who never lived. One seed, always the same."""

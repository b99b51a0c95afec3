"""The rules of the two books, of gifts and of erasures: `decide(command, state) -> events`, `evolve(state, event)`."""

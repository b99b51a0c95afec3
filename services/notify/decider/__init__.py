"""The rules of contacts and of notices: `decide(command, state) -> events`, `evolve(state, event)`."""

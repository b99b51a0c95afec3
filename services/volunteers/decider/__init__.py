"""The rules of Person, Volunteer and HoursClaim: `decide(command, state) -> events`, `evolve(state, event)`."""

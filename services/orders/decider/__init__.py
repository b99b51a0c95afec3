"""The rules of orders, inquiries, catalogue and erasures: `decide(command, state) -> events`, `evolve(state, event)`.

lifecycle.py    which command an order takes in which state, as a table: tests and the README read the same data
state.py        what the rules need to know of an order            evolve.py     how each event changes it
deadlines.py    whose turn it is, until when, and what then falls due (I6)
fitness.py      whether a volunteer may serve                      saying.py     how an event is made complete
placing.py dispatching.py accepting.py serving.py ending.py        the decisions, command by command
inquiry.py catalogue.py erasure.py                                 the three small aggregates
"""

"""The rules of orders, inquiries, catalogue and erasures: `decide(command, state) -> events`, `evolve(state, event)`.

lifecycle.py    which command an order takes in which state, as a table: tests and the README read the same data
states.py       the states and a line of that table                drawing.py    the table as the README shows it
state.py        what the rules need to know of an order            evolve.py     how each event changes it
deadlines.py    whose turn it is, until when, and what then falls due (I6)
fitness.py      whether a volunteer may serve                      saying.py     how an event is made complete
placing.py info.py dispatching.py accepting.py turning.py                         the decisions, command by command
serving.py missing.py contesting.py ending.py
inquiry.py catalogue.py welfare_check.py erasure.py                               the small aggregates
"""

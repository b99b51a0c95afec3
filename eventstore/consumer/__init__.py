"""Hearing another service's log: each event's effect and the position in the source commit together, once."""

from eventstore.consumer.consumer import Consumer
from eventstore.consumer.failures import Limits
from eventstore.consumer.reactions import Handler, NotYet, ReactionContext, Reactions, derived_id

__all__ = ["Consumer", "Handler", "Limits", "NotYet", "ReactionContext", "Reactions", "derived_id"]

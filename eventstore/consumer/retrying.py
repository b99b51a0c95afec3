"""Another try of a letter that was passed: round the checkpoint, its effect and the letter's state in one transaction.

The append carries the reaction's key (handler, event), so two retries at once record the effect once.
"""

import logging

from contracts.command import Refused
from contracts.envelope import Recorded, UnknownEvent, UnknownVersion, UnreadableEvent, decode
from contracts.event import Event
from eventstore import dead_letters
from eventstore.consumer.failures import HandlerFailed, Wait, describe, is_transient
from eventstore.consumer.gathering import EventEffects, Gathering
from eventstore.consumer.hearing import Hearing
from eventstore.consumer.reactions import Handler
from eventstore.dead_letters import UNREADABLE, Letter
from eventstore.errors import ReadModelMismatch, UncountedEvent
from eventstore.model import Append, Call, Metadata
from eventstore.tracing import Span

_logger = logging.getLogger(__name__)


async def retry(hearing: Hearing, letter: Letter) -> bool:
    """Try once; whether the letter is settled. A fact not heard so far, or a database away, leaves it asked for."""
    log = hearing.log
    try:
        await _try(hearing, letter)
    except Wait as wait:
        _logger.info("%s: the retry of %s at %s waits: %s", log.service, letter.source, letter.position, wait.why)
        return False
    except (Refused, HandlerFailed, UnreadableEvent, UnknownEvent, UnknownVersion) as error:
        await dead_letters.failed_again(log.pool, log.config.schema, letter, describe(error))
        return False
    except (ReadModelMismatch, UncountedEvent):
        raise
    except Exception as error:
        if is_transient(error):
            return False
        _logger.exception("%s: the retry of %s at %s failed", log.service, letter.source, letter.position)
        await dead_letters.failed_again(log.pool, log.config.schema, letter, describe(error))
        return False
    _logger.info("%s: %s at %s was tried again and is settled", log.service, letter.source, letter.position)
    return True


async def _try(hearing: Hearing, letter: Letter) -> None:
    recorded = decode(letter.body)
    with hearing.begin_span(recorded) as span:
        await _try_event(hearing, letter, recorded, span)


async def _try_event(hearing: Hearing, letter: Letter, recorded: Recorded, span: Span) -> None:
    log = hearing.log
    gathering = Gathering(letter.source, letter.position - 1)
    effects = EventEffects(gathering, hearing.executor, recorded, span)
    for handler in _handlers(hearing, letter, type(recorded.event)):
        await hearing.answer(effects, handler, recorded)
    settled = dead_letters.settled(log.config.schema, letter.source, letter.position, letter.handler)
    effects.settle(settled)
    effects.merge(copied=letter.handler == UNREADABLE)
    append = Append(
        gathering.parts,
        Metadata("system", traceparent=recorded.traceparent),
        call=Call(f"reaction:{letter.handler}", f"{letter.source}:{letter.position}", b""),
        heard=gathering.heard,
        vault=gathering.vault,
    )
    committed = await hearing.executor.append(append, gathering.streams)
    if committed.replayed:
        # The other retry recorded it; should it have died before it could close the letter, this does.
        await log.pool.execute(settled.statement, *settled.arguments)


def _handlers(hearing: Hearing, letter: Letter, event_class: type[Event]) -> list[Handler]:
    handlers = hearing.reactions.handlers(event_class)
    found = [handler for handler in handlers if letter.handler in (UNREADABLE, handler.name)]
    if not found and letter.handler != UNREADABLE:
        raise HandlerFailed(LookupError(f"no handler of {event_class.__name__} is called {letter.handler}"))
    return found

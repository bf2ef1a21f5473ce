"""At a call: what the carriers capture there, as the text that goes into the row of the job or schedule."""

from __future__ import annotations

import json

from worker.arguments import InvalidArguments, encode_value
from worker.carry.carriers import Carrier, CarrierFailed, carriers
from worker.messages.echo import quoted
from worker.named_objects import said_by
from worker.options import options

LONGEST = 16 * 1024
"""Characters of what one carrier captures, as JSON."""


def captured(where: str) -> str | None:
    """A JSON object: by the keys of the carriers, what each of them captures here. None: nothing.

    Raises CarrierFailed where a carrier does; TypeError for what is not JSON, or longer than `LONGEST`. The message
    begins with `where`.
    """
    return _captured(where) if options().CARRY else None


def _captured(where: str) -> str | None:
    texts = [(key, _text_of(key, carrier, where)) for key, carrier in carriers().items()]
    told = ",".join(f"{json.dumps(key)}:{text}" for key, text in texts if text is not None)
    return f"{{{told}}}" if told else None


def _text_of(key: str, carrier: Carrier, where: str) -> str | None:
    what = f'{where}: what {quoted(key)} of SCHEDULER["CARRY"] captures'
    try:
        value = carrier.capture()
    except Exception as error:
        said = said_by(error)
        raise CarrierFailed(
            f'{where}: {quoted(key)} of SCHEDULER["CARRY"] cannot capture what is to be carried ({said}), so nothing '
            "is enqueued."
        ) from error
    if value is None:
        return None
    try:
        text = encode_value(value, "the value")
    except InvalidArguments as fault:
        raise TypeError(f"{what} cannot be stored: {fault}") from None
    if len(text) > LONGEST:
        raise TypeError(
            f"{what} is a text of {len(text)} characters, and at most {LONGEST} are allowed. "
            "Carry a name or a key of it."
        )
    return text

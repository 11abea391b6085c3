"""The trail that clients leave in the app: records of the logger ``aiorepl``, and events of ``sys.audit``."""

import contextvars
import logging
import sys
from typing import NamedTuple

from aiorepl.remote.sockets import Peer

__all__ = ["Who", "audit"]

_log = logging.getLogger("aiorepl")
# Characters of what was typed that stand in a record.
_LONGEST = 500


class Who(NamedTuple):
    """Whose doing it is; ``session`` is 0 where there is none."""

    server: str
    session: int
    peer: Peer


def audit(event: str, who: Who, text: str = "", *, level: int = logging.INFO) -> None:
    """Tell that a client did something, with what text.

    What a hook of ``sys.audit`` raises is raised: it refuses what was about to be done.
    """
    server, session, (process, user) = who
    sys.audit(f"aiorepl.{event}", server, session, user, process, text)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {len(text) - _LONGEST:,} more characters"
    line = f"{event} by user {user} from process {process} in session {session} of {server}"
    details = {"event": event, "server": server, "session": session, "user": user, "process": process, "text": shown}
    # In an empty context: what handlers print goes where the app's own output goes, not to a client.
    record = (f"{line}: %r", shown) if text else (line,)
    contextvars.Context().run(_log.log, level, *record, extra={"aiorepl": details})

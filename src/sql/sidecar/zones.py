"""The session's time zone, of the request that is being answered: what turns an instant into a wall clock's time and back.

DuckDB runs in UTC whatever the session says; in UTC these are its own casts. Elsewhere local times that a zone has twice or not at all mean what
Java's ZonedDateTime makes of them: the earlier of two instants, and what the clock would have shown had it not been put forward.
"""
import re

from errors import raised, unsupported
from kinds import text

UTC = "UTC"
SHORT = {"PST": "America/Los_Angeles", "EST": "-05:00", "MST": "-07:00", "HST": "-10:00", "CST": "America/Chicago", "JST": "Asia/Tokyo", "ECT": "Europe/Paris"}
OFFSET = re.compile(r"(?:(?:UTC|GMT|UT)(?=[+-]))?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?\Z")

current = UTC
offset = None  # microseconds, where the zone is nothing but that


def use(zone):
    global current, offset
    current = zone or UTC
    offset = offset_of(current)
    if offset == 0:
        current, offset = UTC, None


def is_utc():
    return current == UTC


def offset_of(zone):
    """Microseconds east of UTC; nothing for a region."""
    if zone in ("UTC", "GMT", "UT", "Z", "Etc/UTC"):
        return 0
    m = OFFSET.match(zone)
    if m is None:
        return None
    total = int(m.group(2)) * 3600 + int(m.group(3) or 0) * 60 + int(m.group(4) or 0)
    return (-total if m.group(1) == "-" else total) * 1000000


def named(zone):
    """A zone as a user writes it; whether a region is known the engine says."""
    zone = SHORT.get(zone.strip(), zone.strip())
    found = offset_of(zone)
    if found is None and not re.match(r"[A-Za-z]+(/[A-Za-z0-9_+-]+)+\Z", zone) or found is not None and (abs(found) > 18 * 3600 * 1000000 or int((OFFSET.match(zone) or [0, 0, 0, 0, 0])[3] or 0) > 59):
        raise raised("INVALID_CONF_VALUE.TIME_ZONE", f"The value '{zone}' in the config \"spark.sql.session.timeZone\" is invalid. Cannot resolve the given timezone.", "22022")
    return zone


def local(x):
    """The wall clock's time (TIMESTAMP) at an instant."""
    if current == UTC:
        return f"CAST({x} AS TIMESTAMP)"
    if offset is not None:
        return f"(CAST({x} AS TIMESTAMP) + to_microseconds({offset}))"
    return f"timezone({text(current)}, {x})"


def instant(x):
    """The instant (TIMESTAMPTZ) at which the wall clock shows this."""
    if current == UTC:
        return f"({x} AT TIME ZONE 'UTC')"
    if offset is not None:
        return f"(({x} - to_microseconds({offset})) AT TIME ZONE 'UTC')"
    return instant_in(text(current), x)


def instant_in(zone, x):
    """Of a zone that an expression names."""
    before = f"(l_ - to_microseconds(86400000000))"
    earlier = f"timezone('UTC', w_ - (timezone({zone}, {before}) - timezone('UTC', {before})))"
    pick = f"CASE WHEN timezone({zone}, l_) <> w_ THEN c_ WHEN timezone({zone}, c_) = w_ AND c_ < l_ THEN c_ ELSE l_ END"
    return f"list_transform([{x}], lambda w_: list_transform([timezone({zone}, w_)], lambda l_: list_transform([{earlier}], lambda c_: {pick})[1])[1])[1]"


def moved(x, change):
    """The instant whose wall clock's time is that of `x`, changed: `change` makes one time text of another. An offset that holds there too stays."""
    if current == UTC or offset is not None:
        return instant(change(local(x)))
    to, own = change("w_"), text(current)
    keeps = f"(t_ + (n_ - timezone({own}, t_)))"
    return (f"list_transform([{x}], lambda t_: list_transform([timezone({own}, t_)], lambda w_: list_transform([{to}], lambda n_: "
            f"CASE WHEN timezone({own}, {keeps}) = n_ THEN {keeps} ELSE {instant('n_')} END)[1])[1])[1]")


def walls(x):
    """An instant as the wall clock shows it, where that matters."""
    return x if is_utc() else local(x)


def days_and_more(x, micros):
    """An instant and microseconds: whole days are the calendar's, what is left of them is time that passes."""
    days = moved(x, lambda w: f"({w} + to_days(CAST({micros} // 86400000000 AS INTEGER)))")
    return f"({days} + to_microseconds({micros} - {micros} // 86400000000 * 86400000000))"


def refused(what):
    """For what knows UTC alone."""
    if current != UTC:
        raise unsupported(f"{what} in the time zone {current}", "SET TIME ZONE 'UTC' for it.")

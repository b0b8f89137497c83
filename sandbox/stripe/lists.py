"""Answers Stripe's list calls: filters, cursors, newest first."""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.stripe.errors import no_such
from sandbox.stripe.store import Body, Transaction

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def matching(field: str) -> str:
    """The condition that a top-level field of the body has the value that is bound to it."""
    return f"json_extract(body, '$.{field}') = ?"


def one_of(field: str, count: int) -> str:
    """The condition that a field has one of `count` bound values."""
    return f"json_extract(body, '$.{field}') IN ({', '.join('?' * count)})"


def page(
    tx: Transaction,
    kind: str,
    url: str,
    given: Mapping[str, Any],
    *conditions: tuple[str, list[Any]],
    filters: tuple[str, ...] = (),
) -> Body:
    """One page of a list; `filters` are the parameters that name a field to be equal to."""
    wheres = [*conditions, *((matching(name), [given[name]]) for name in filters if name in given)]
    wheres += _created(given)
    limit = given.get("limit", 10)
    newer = "ending_before" in given
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if name in given:
            wheres.append((f"seq {sign} ?", [_position(tx, kind, given[name], name)]))
    bodies = tx.select(
        kind,
        " AND ".join(where for where, _ in wheres) or "1",
        [value for _, values in wheres for value in values],
        tail=f"ORDER BY seq {'ASC' if newer else 'DESC'} LIMIT {limit + 1}",
    )
    shown = bodies[:limit]
    return as_list(list(reversed(shown)) if newer else shown, url=url, has_more=len(bodies) > limit)


def as_list(bodies: list[Body], *, url: str, has_more: bool = False) -> Body:
    """Stripe's list object."""
    return {"object": "list", "data": bodies, "has_more": has_more, "url": url}


def page_of(bodies: list[Body], url: str, given: Mapping[str, Any]) -> Body:
    """One page of a list that is kept inside another object, in its own order."""
    ids = [body["id"] for body in bodies]
    limit = given.get("limit", 10)
    for name in ("starting_after", "ending_before"):
        if name in given and given[name] not in ids:
            raise no_such("item", given[name], name)
    if "ending_before" in given:
        before = bodies[: ids.index(given["ending_before"])]
        return as_list(before[-limit:], url=url, has_more=len(before) > limit)
    start = ids.index(given["starting_after"]) + 1 if "starting_after" in given else 0
    after = bodies[start:]
    return as_list(after[:limit], url=url, has_more=len(after) > limit)


def _created(given: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    created = given.get("created")
    if created is None:
        return []
    if isinstance(created, int):
        return [(matching("created"), [created])]
    return [
        (f"json_extract(body, '$.created') {_COMPARISONS[bound]} ?", [instant])
        for bound, instant in created.items()
    ]


def _position(tx: Transaction, kind: str, object_id: str, param: str) -> int:
    row = tx.db.execute(
        "SELECT seq FROM objects WHERE id = ? AND kind = ?", (object_id, kind)
    ).fetchone()
    if row is None:
        raise no_such(kind, object_id, param)
    return int(row[0])


def containing(path: str, values: list[str]) -> tuple[str, list[Any]]:
    """The condition that a path below `items.data[]` has one of these values."""
    condition = (
        "EXISTS (SELECT 1 FROM json_each(body, '$.items.data') AS item "  # noqa: S608 - the path is a constant
        f"WHERE json_extract(item.value, '$.{path}') IN (SELECT value FROM json_each(?)))"
    )
    return condition, [json.dumps(values)]

"""Which operations billing.gateway uses, read from its source, so that no list can go stale."""

import ast
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "billing" / "gateway"
VERBS = {
    "create": "POST",
    "list": "GET",
    "retrieve": "GET",
    "update": "POST",
    "cancel": "DELETE",
    "delete": "DELETE",
}
# Where the SDK has other words than the addresses have.
NAMES = {"invoice_items": "invoiceitems"}
OF_NO_OBJECT = {"create_preview"}


def used_by_gateway() -> set[tuple[str, str]]:
    """Return (method, path template) for each `client.v1.….verb(` in the gateway."""
    calls = (
        node.func
        for path in sorted(GATEWAY.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    )
    chains = (_chain(call) for call in calls if isinstance(call, ast.Attribute))
    return {_operation(chain[chain.index("v1") + 1 :]) for chain in chains if "v1" in chain}


def _chain(node: ast.expr) -> list[str]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return names


def _operation(names: list[str]) -> tuple[str, str]:
    *resource, verb = names
    path = "/v1/" + "/".join(NAMES.get(name, name) for name in resource)
    if verb in ("retrieve", "update", "cancel", "delete"):
        path += "/{id}"
    elif verb in OF_NO_OBJECT:
        return "POST", f"{path}/{verb}"
    elif verb not in VERBS:
        return "POST", f"{path}/{{id}}/{verb}"
    return VERBS[verb], path

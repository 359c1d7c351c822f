"""What a caller may do: the policy file maps callers to permissions and domains, the contracts say which they need."""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode

from services.chassis.errors import Refused, Rejection
from tessera.access.v1 import access_pb2

_PERMISSION = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+")
_GRANT = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*\.(\*|[a-z][a-z0-9-]*)")
_CERTIFICATE = re.compile(r"spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+|[a-z0-9-]+(\.[a-z0-9-]+)*")
_RIGHTS = ("permissions", "domains", "certificates")
_DOMAIN = re.compile(r"[a-z][a-z0-9-]{0,62}")


class AllDomains(Enum):
    """The type of `ALL`, so that type checkers can tell it from a set of domains."""

    ALL = "*"


ALL: Final = AllDomains.ALL
"""Every domain, those that do not exist yet included."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that calls a service: its name in the policy file, and what it may do.

    A permission ending in `.*` grants every permission that begins with what stands before the star.
    """

    name: str
    permissions: frozenset[str]
    domains: frozenset[str] | Literal[AllDomains.ALL]

    def has_permission(self, permission: str) -> bool:
        """Whether the caller was granted exactly `permission` or a wildcard above it."""
        parts = permission.split(".")
        above = {".".join([*parts[:depth], "*"]) for depth in range(1, len(parts))}
        return permission in self.permissions or not above.isdisjoint(self.permissions)

    def may_act_in(self, domain: str) -> bool:
        """Whether the caller may act for accounts and activities of `domain`."""
        return self.domains is ALL or domain in self.domains


def require_domain(caller: Caller, domain: str) -> None:
    """Refuses with DOMAIN_NOT_ALLOWED unless `caller` may act in `domain`."""
    if not caller.may_act_in(domain):
        raise Refused(domain_not_allowed(caller, domain))


def domain_not_allowed(caller: Caller, domain: str) -> Rejection:
    """The verdict on one item of a bulk call whose domain is closed to the caller."""
    return Rejection(
        "DOMAIN_NOT_ALLOWED",
        f"caller {caller.name} may not act in domain {domain}",
        StatusCode.PERMISSION_DENIED,
        {"caller": caller.name, "domain": domain},
    )


class MissingPermission(Exception):
    """A method whose contract names no permission: the server must not serve it."""


def permission_of(method: MethodDescriptor) -> str:
    """The permission that the contract of `method` demands; MissingPermission when it demands none or nonsense."""
    permission = str(method.GetOptions().Extensions[access_pb2.permission])
    if not _PERMISSION.fullmatch(permission):
        raise MissingPermission(f"{method.full_name} has no valid (tessera.access.v1.permission): {permission!r}")
    return permission


class PolicyError(Exception):
    """Every mistake in a policy file, one readable line each."""

    def __init__(self, file: Path, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join([f"{file}: {len(mistakes)} mistake(s)", *(f"  {mistake}" for mistake in mistakes)]))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """All callers that the policy file names; a caller that it does not name may do nothing."""

    callers: dict[str, Caller]
    certificates: dict[str, str] = field(default_factory=dict)
    """The caller whose certificate is for a SPIFFE ID or a DNS name."""

    @classmethod
    def load(cls, file: Path) -> "AccessPolicy":
        """Reads a policy file; PolicyError names everything that is wrong with it."""
        try:
            document = yaml.load(file.read_text(), Loader=_StrictLoader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise PolicyError(file, (str(error),)) from None
        mistakes: list[str] = []
        entries = _entries(document, mistakes)
        callers = {name: _caller(name, rights, mistakes) for name, rights in entries.items()}
        certificates = _certificates(entries, mistakes)
        if mistakes:
            raise PolicyError(file, tuple(mistakes))
        return cls(callers, certificates)

    def caller(self, name: str) -> Caller:
        """The caller of that name; one without any right when the policy does not name it."""
        return self.callers.get(name) or Caller(name, frozenset(), frozenset())

    def callers_with(self, permission: str) -> frozenset[str]:
        """Names of the callers that hold `permission`; computed once per method, so that a call costs one look-up."""
        return frozenset(name for name, caller in self.callers.items() if caller.has_permission(permission))


def _entries(document: object, mistakes: list[str]) -> dict[str, Any]:
    if not isinstance(document, dict) or set(document) != {"callers"} or not isinstance(document["callers"], dict):
        mistakes.append("must have exactly one key, callers, with a mapping of names to rights")
        return {}
    return {str(name): rights for name, rights in document["callers"].items()}


def _caller(name: str, rights: object, mistakes: list[str]) -> Caller:
    if not isinstance(rights, dict):
        mistakes.append(f"callers.{name}: must be a mapping with permissions, domains and certificates")
        return Caller(name, frozenset(), frozenset())
    mistakes.extend(f"callers.{name}.{key}: is unknown" for key in rights if key not in _RIGHTS)
    permissions = _names(f"callers.{name}.permissions", rights.get("permissions", []), _GRANT, mistakes)
    if rights.get("domains") == ALL.value:
        return Caller(name, permissions, ALL)
    return Caller(name, permissions, _names(f"callers.{name}.domains", rights.get("domains", []), _DOMAIN, mistakes))


def _certificates(entries: dict[str, Any], mistakes: list[str]) -> dict[str, str]:
    """The caller of each name of a certificate, of which two callers must not have the same."""
    callers: dict[str, str] = {}
    for caller, rights in entries.items():
        where = f"callers.{caller}.certificates"
        given = rights.get("certificates", []) if isinstance(rights, dict) else []
        for name in sorted(_names(where, given, _CERTIFICATE, mistakes)):
            if callers.setdefault(name, caller) != caller:
                mistakes.append(f"{where}: {name!r} is already that of {callers[name]}")
    return callers


def _names(where: str, names: object, shape: re.Pattern[str], mistakes: list[str]) -> frozenset[str]:
    if not isinstance(names, list):
        mistakes.append(f"{where}: must be a list of names")
        return frozenset()
    for name in names:
        if not isinstance(name, str) or not shape.fullmatch(name):
            mistakes.append(f"{where}: {name!r} is not a valid name")
    return frozenset(name for name in names if isinstance(name, str))


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

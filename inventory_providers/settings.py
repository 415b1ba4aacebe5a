"""Settings of the providers: pydantic models that are strict, and errors that show no values."""

from __future__ import annotations

import difflib
import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from inventory_providers import redaction
from inventory_providers.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic_core import ErrorDetails


def host_of(url: str) -> str:
    """The host of a checked URL, with its port where one is given."""
    return urlsplit(url).netloc.lower()


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong_url(reason: str) -> PydanticCustomError:
    return PydanticCustomError("url", "{reason}", {"reason": reason})


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _wrong_url("is not a URL") from None
    if not url.isascii() or any(character.isspace() for character in url):
        raise _wrong_url("is not a URL")
    if parts.netloc.endswith(":"):
        raise _wrong_url("has a colon and no port behind it")
    if parts.scheme not in {"https", "http"} or not host:
        raise _wrong_url(
            "must be an https URL (http only to 127.0.0.1), with https:// before the host"
        )
    if parts.username is not None or parts.password is not None:
        raise _wrong_url("must not contain a user name or a password; they have their own settings")
    if parts.query or parts.fragment:
        raise _wrong_url("must not contain a query or a fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise _wrong_url("must be an https URL (http only to 127.0.0.1): it carries credentials")
    return url.rstrip("/")


def _check_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise PydanticCustomError("empty", "must not be empty")
    return value


ProviderUrl = Annotated[str, AfterValidator(_check_url)]
Secret = Annotated[
    SecretStr,
    AfterValidator(_check_secret),
    WithJsonSchema({"type": "string", "secret": True, "writeOnly": True}),
]
Text = Annotated[str, Field(min_length=1)]


class ProviderSettings(BaseModel):
    """What every provider object has in common: strict types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    account: Text | None = Field(
        default=None,
        description=(
            "What inventory_levels calls this account. Without it, a name that the other settings "
            "tell (see docs/levels.md)."
        ),
    )

    @property
    def known_as(self) -> str:
        """What `inventory_levels` calls the account, without a credential."""
        return self.account or self._own_name

    @property
    def _own_name(self) -> str:
        raise NotImplementedError

    def register_secrets(self) -> None:
        """Make the redaction know every secret in here."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                redaction.register(value.get_secret_value())


def register_raw_secrets(raw: Any) -> None:
    """Know the secrets of a configuration before it is checked, so that no complaint shows them.

    Anything that stands under a key that sounds like a credential counts, whatever its type.
    """
    if isinstance(raw, dict):
        for key, value in raw.items():
            if isinstance(value, dict | list):
                register_raw_secrets(value)
            elif value is None or isinstance(value, bool):
                continue  # no secret, and a word that messages need
            elif any(word in str(key).lower() for word in ("password", "secret", "token")):
                redaction.register(str(value))
    elif isinstance(raw, list):
        for value in raw:
            register_raw_secrets(value)


def without_nulls(value: Any) -> Any:
    """An object without the keys whose value is null: how some runners write what is not set.

    Not inside `stream_maps`, where null has a meaning.
    """
    if not isinstance(value, dict):
        return value
    kept = {
        key: item if key == "stream_maps" else without_nulls(item)
        for key, item in value.items()
        if item is not None
    }
    # An object of which nothing is left was not set either; one that was empty is a mistake.
    return {key: item for key, item in kept.items() if item != {} or value[key] == {}}


def utc_moment(text: Any, *, name: str) -> datetime:
    """A date or date-time setting as a moment in UTC; without a zone it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name} must be a date-time such as 2026-01-31T00:00:00Z") from None


def explain(error: ValidationError, prefix: str, known: Iterable[str]) -> list[str]:
    """One phrase per problem: the setting's name and what is wrong, never its value."""
    details, known = error.errors(include_input=False), list(known)
    # Of a list with several wrong elements the same is said once.
    return list(dict.fromkeys(_phrase(detail, prefix, known) for detail in details))


_WORDS = {
    "string_type": "must be text",
    "string_unicode": "must be text in Unicode",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "missing": "is missing",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "model_type": "must be an object",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge:.12g} or more",
    "less_than_equal": "must be at most {le:.12g}",
}
_WORDS_OF_ELEMENTS = {
    "string_type": "must hold only text",
    "string_unicode": "must hold only text in Unicode",
    "int_type": "must hold only whole numbers",
    "literal_error": "must hold only {expected}",
}


def _phrase(detail: ErrorDetails, prefix: str, known: list[str]) -> str:
    kind, loc = detail["type"], detail["loc"]
    name = ".".join([prefix, *(part for part in loc if isinstance(part, str))]).strip(".")
    if kind == "extra_forbidden":
        # It is wrong in any case, so that a hint may be further off.
        return f"{name} is not a setting{did_you_mean(str(loc[-1]), known, cutoff=0.6)}"
    in_a_list = bool(loc) and isinstance(loc[-1], int)
    words = (_WORDS_OF_ELEMENTS if in_a_list else _WORDS).get(kind)
    told = detail["msg"] if words is None else words.format(**detail.get("ctx", {}))
    return f"{name} {told}"


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.75) -> str:
    """A hint in brackets, or nothing."""
    found = closest(word, known, cutoff=cutoff)
    return "" if found is None else f" (did you mean {found}?)"


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.75) -> str | None:
    """What a word that is not known was likely meant to be, or None."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


class Lazily:
    """A class attribute that is made when it is first looked at.

    Making a JSON Schema from the models costs a run that never shows it 50 ms.
    """

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._made: dict[str, Any] | None = None

    def __get__(self, instance: object, owner: type | None = None) -> dict[str, Any]:
        if self._made is None:
            self._made = self._make()
        return self._made


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of one provider object, in the plain form that Singer tools understand.

    `$ref` and `anyOf` are avoided: environment variables and `--about` cannot deal with them.
    """
    properties = {}
    for name, raw in model.model_json_schema()["properties"].items():
        properties[name] = _plain(raw)
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {
        "type": "object",
        "description": (model.__doc__ or "").strip().splitlines()[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what Singer tools cannot read, keep the one type that is not null."""
    merged = dict(raw)
    for option in merged.pop("anyOf", []):
        if option.get("type") != "null":
            merged = {**option, **merged}
    if merged.get("default", ...) is None:
        del merged["default"]
    dropped = ("minLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    return {key: value for key, value in merged.items() if key not in dropped}

"""The JSON Schema of the configuration's `auth`."""

from __future__ import annotations

from .auth import (
    HASH_PATTERN,
    MAX_ID,
    MAX_KEYS,
    PYTHON_PATTERN,
    QUERY_PATTERN,
    SECONDS,
    TRUSTED_PATTERN,
    WORD_PATTERN,
    AuthConfig,
)
from .jwt import (
    ALGORITHMS,
    LEEWAY_SECONDS,
    MAX_SECRETS,
    SECRET_CHARACTERS,
    SOURCES,
    URL_PATTERN,
    JwtConfig,
)

Schema = dict[str, object]

_AUTH = AuthConfig()
_JWT = JwtConfig()

_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]}
_SECRET: Schema = {"type": "string", "minLength": SECRET_CHARACTERS}
_FILE: Schema = {"type": "string", "pattern": r"^(?![\s\S]*-----BEGIN)[^\u0000]+$"}


def auth_schema() -> Schema:
    """Return the schema of `auth`; those of `jwt` and of a static key are definitions beside it."""
    return {
        "type": "object",
        "properties": {
            "required": {
                "description": "Close connections that show no valid token in time.",
                "type": "boolean",
                "default": _AUTH.required,
            },
            "deadline_seconds": {
                "description": "How long a connection may stay without a token where one is needed.",
                "default": _AUTH.deadline_seconds,
                **_seconds(*SECONDS["deadline_seconds"]),
            },
            "grace_seconds": {
                "description": "How long somebody whose token has expired may take to bring another.",
                "default": _AUTH.grace_seconds,
                **_seconds(*SECONDS["grace_seconds"]),
            },
            "jwt": {"description": "JSON Web Tokens.", "$ref": "#/$defs/jwt"},
            "keys": {
                "description": "Tokens that never expire, for scripts, by their hash.",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_KEYS,
                "items": {"$ref": "#/$defs/static_key"},
            },
            "cookie": {
                "description": "Name of a cookie that holds a token.",
                "type": "string",
                "pattern": WORD_PATTERN,
            },
            "header": {
                "description": "Header in which a trusted proxy names the user.",
                "type": "string",
                "pattern": WORD_PATTERN,
                "examples": ["X-Remote-User"],
            },
            "trusted": {
                "description": 'Listeners that only such a proxy can reach: "unix", or "host:port".',
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "pattern": TRUSTED_PATTERN},
            },
            "query": {
                "description": "Accept a token in the query of the address: true, or the member's name.",
                "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": QUERY_PATTERN}],
                "default": False,
            },
            "python": {
                "description": "A function that is asked who somebody is: module:function.",
                "type": "string",
                "pattern": PYTHON_PATTERN,
                "examples": ["myproject.auth:authenticate"],
            },
        },
        "additionalProperties": False,
        "anyOf": [{"required": [key]} for key in ("jwt", "keys", "header", "python")],
        "dependentRequired": {"header": ["trusted"], "trusted": ["header"]},
    }


def jwt_schema() -> Schema:
    """Return the schema of `auth.jwt`."""
    return {
        "type": "object",
        "properties": {
            "secret": {"description": "Text with which tokens are signed.", **_SECRET},
            "secrets": {
                "description": "Several such texts, the new one first.",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_SECRETS,
                "items": _SECRET,
            },
            "secret_file": {"description": "File that holds such a text.", **_FILE},
            "key": {"description": "PEM file with a public key.", **_FILE},
            "jwks": {
                "description": "File, or https address, of the issuer's set of public keys.",
                "type": "string",
                "anyOf": [{"pattern": URL_PATTERN}, {**_FILE, "not": {"pattern": "://"}}],
                "examples": ["https://id.example.org/.well-known/jwks.json"],
            },
            "algorithms": {
                "description": "Those that are allowed, of what the keys are made for.",
                "type": "array",
                "minItems": 1,
                "items": {"enum": list(ALGORITHMS)},
            },
            "issuer": {"description": "Who issues tokens: their claim iss.", **_TEXTS},
            "audience": {"description": "For whom they are issued: their claim aud.", **_TEXTS},
            "user": {
                "description": "The claim that is the user's id.",
                "default": _JWT.user,
                **_TEXT,
            },
            "leeway_seconds": {
                "description": "How far the clock of the issuer may be off.",
                "default": _JWT.leeway_seconds,
                **_seconds(*LEEWAY_SECONDS),
            },
            "require_exp": {
                "description": "Refuse tokens that do not say when they expire: their claim exp.",
                "type": "boolean",
                "default": _JWT.require_exp,
            },
        },
        "additionalProperties": False,
        "anyOf": [{"required": [key]} for key in SOURCES],
        "allOf": [
            {"not": {"required": [one, other]}}
            for one, other in (
                ("secret", "secrets"),
                ("secret", "secret_file"),
                ("secrets", "secret_file"),
            )
        ],
        "dependentRequired": {"jwks": ["audience"]},
    }


def static_key_schema() -> Schema:
    """Return the schema of an entry of `auth.keys`."""
    return {
        "type": "object",
        "properties": {
            "sha256": {
                "description": "SHA-256 of the token, in hexadecimal digits.",
                "type": "string",
                "pattern": HASH_PATTERN,
            },
            "user": {
                "description": "Whom it names, with an id and whatever rules need.",
                "type": "object",
                "properties": {"id": {"type": "string", "minLength": 1, "maxLength": MAX_ID}},
                "required": ["id"],
            },
        },
        "required": ["sha256", "user"],
        "additionalProperties": False,
    }


def _seconds(minimum: float, maximum: float) -> Schema:
    return {"type": "number", "minimum": minimum, "maximum": maximum}

"""A log-in service before a FHIR server: SMART Backend Services with tokens that end when they say, or earlier."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from urllib.parse import parse_qs

import orjson
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.faults.front import Asked, Front, Reply, Upstream

CLIENT = "caretally-test"
JSON = {"Content-Type": "application/json"}


class LogIn:
    """Lets through to `behind` whoever brings a token that is still good.

    Args:
        behind: the FHIR server.
        life_seconds: of a token.
        keys: public keys of the client, as a key set.
    """

    def __init__(self, behind: Upstream, life_seconds: float, keys: dict[str, list[dict[str, str]]]) -> None:
        self.behind = behind
        self.life_seconds = life_seconds
        self.keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        self.ends: dict[str, float] = {}
        self.assertions: set[str] = set()
        self.refused = 0
        self.lock = threading.Lock()

    def __call__(self, asked: Asked, front: Front) -> Reply:
        if asked.target == "/fhir/.well-known/smart-configuration":
            told = {"token_endpoint": f"{front.origin}/token", "capabilities": ["permission-v2"]}
            return Reply(200, JSON, orjson.dumps(told))
        if asked.target == "/token":
            return self.granted(asked, front)
        headers = {name.lower(): value for name, value in asked.headers.items()}
        with self.lock:
            good = self.ends.get(headers.get("authorization", ""), 0.0) > time.monotonic()
            self.refused += not good
        if not good:
            return Reply(401, {"Content-Type": "application/fhir+json"}, b'{"resourceType":"OperationOutcome"}')
        return self.behind(replace(asked, headers={}), front)

    def granted(self, asked: Asked, front: Front) -> Reply:
        """A token for an assertion that nobody has used before."""
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        claims = jwt.decode(form["client_assertion"], self.keys, algorithms=["RS384", "ES384"]).claims
        with self.lock:
            fresh = claims["jti"] not in self.assertions and claims["exp"] > time.time()
            if not fresh or claims["aud"] != f"{front.origin}/token" or claims["iss"] != CLIENT:
                return Reply(400, JSON, b'{"error":"invalid_client"}')
            self.assertions.add(claims["jti"])
            token = f"token-{len(self.ends)}"
            self.ends[f"Bearer {token}"] = time.monotonic() + self.life_seconds
        told = {"access_token": token, "token_type": "bearer", "expires_in": self.life_seconds}
        return Reply(200, JSON, orjson.dumps(told))

    def revoke(self) -> None:
        """End every token now, whatever was said about its life."""
        with self.lock:
            self.ends = dict.fromkeys(self.ends, 0.0)

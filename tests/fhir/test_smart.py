"""SMART Backend Services: what goes to the token endpoint, when a token is renewed, and who is told what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, import_key
from tests.fhir.support import BASE, Clock, fhir

from caretally.errors import ConfigurationError, SourceError
from caretally.fhir import ServerSettings, SmartAuthentication, Transport
from caretally.fhir import errors as e
from caretally.fhir.keys import new_private_key, public_key_set, read_private_key
from caretally.fhir.smart import SmartCredentials
from caretally.fhir.transport import Request

TOKEN_URL = "https://login.example/oauth/token"
KEYS = {algorithm: new_private_key(algorithm).decode() for algorithm in ("RS384", "ES384")}
CONFIGURATION = {
    "token_endpoint": TOKEN_URL,
    "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
    "capabilities": ["client-confidential-asymmetric", "permission-v2"],
}
Answering = Callable[[httpx.Request], httpx.Response]


class Server(httpx.BaseTransport):
    """Discovery, token endpoint and FHIR in one; tokens are numbered and the last one alone is good."""

    def __init__(self, *, expires_in: Any = 300, **granted: Any) -> None:
        self.configuration: dict[str, Any] | None = dict(CONFIGURATION)
        self.granted = {"token_type": "bearer", "expires_in": expires_in, **granted}
        self.tokens: list[httpx.Request] = []
        self.asked: list[httpx.Request] = []
        self.faults: list[httpx.Response] = []
        self.lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self.lock:
            if str(request.url) == TOKEN_URL:
                self.tokens.append(request)
                if self.faults:
                    return self.faults.pop(0)
                return httpx.Response(200, json={"access_token": f"t{len(self.tokens)}", **self.granted})
            self.asked.append(request)
            if request.url.path.endswith("smart-configuration"):
                found = self.configuration
                return httpx.Response(404) if found is None else httpx.Response(200, json=found)
            if request.headers.get("authorization") != f"Bearer t{len(self.tokens)}":
                return fhir({"resourceType": "OperationOutcome"}, 401)
            return fhir({"resourceType": "Patient", "id": "p1"})

    def forms(self) -> list[dict[str, str]]:
        return [{k: v[0] for k, v in parse_qs(request.content.decode()).items()} for request in self.tokens]


def logged_in(
    server: Server, clock: Clock, algorithm: str = "ES384", **more: Any
) -> tuple[Transport, SmartCredentials]:
    chosen = {"client_id": "caretally-test", "private_key": KEYS[algorithm], "scopes": ("system/Patient.rs",), **more}
    settings = ServerSettings(base_url=BASE, auth=SmartAuthentication(**chosen))
    assert isinstance(settings.auth, SmartAuthentication)
    times: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "now": clock.now}
    credentials = SmartCredentials(settings, settings.auth, http_transport=server, **times)
    return Transport(settings, credentials=credentials, http_transport=server, **times), credentials


def read(transport: Transport) -> Any:
    return transport.send(Request(method="GET", url=f"{BASE}/Patient/p1")).document


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_the_assertion_is_what_the_specification_asks_for(algorithm: str) -> None:
    server, clock = Server(), Clock()
    transport, _ = logged_in(server, clock, algorithm)
    assert read(transport)["id"] == "p1"
    (form,) = server.forms()
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "system/Patient.rs"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    registered: Any = public_key_set([read_private_key(KEYS[algorithm], origin="key")])
    assertion = jwt.decode(form["client_assertion"], KeySet.import_key_set(registered), algorithms=[algorithm])
    assert assertion.header == {"alg": algorithm, "typ": "JWT", "kid": registered["keys"][0]["kid"]}
    claims = assertion.claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("caretally-test", "caretally-test", TOKEN_URL)
    assert 0 < claims["exp"] - clock.now().timestamp() <= 300
    assert len(claims["jti"]) >= 16


def test_each_assertion_has_an_id_of_its_own_also_when_a_request_is_repeated() -> None:
    server, clock = Server(), Clock()
    server.faults = [httpx.Response(502), httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(502)]
    transport, _ = logged_in(server, clock)
    read(transport)
    key = import_key(KEYS["ES384"], "EC")
    ids = {jwt.decode(form["client_assertion"], key, algorithms=["ES384"]).claims["jti"] for form in server.forms()}
    assert len(ids) == 4
    assert max(clock.sleeps) >= 7


def test_a_key_id_and_the_address_of_the_key_set_are_named_where_the_server_wants_them() -> None:
    server = Server()
    transport, _ = logged_in(server, Clock(), key_id="second", jwks_url="https://practice.example/jwks.json")
    read(transport)
    header = jwt.decode(
        server.forms()[0]["client_assertion"], import_key(KEYS["ES384"], "EC"), algorithms=["ES384"]
    ).header
    assert (header["kid"], header["jku"]) == ("second", "https://practice.example/jwks.json")


def test_the_token_goes_to_the_base_and_the_assertion_to_the_token_endpoint_only() -> None:
    server = Server()
    transport, _ = logged_in(server, Clock())
    read(transport)
    assert all("authorization" not in request.headers for request in server.tokens)
    well_known, patient = server.asked
    assert "authorization" not in well_known.headers
    assert patient.headers["authorization"] == "Bearer t1"
    assert all(b"assertion" not in request.content for request in server.asked)


def test_a_token_is_renewed_before_it_ends_and_not_earlier() -> None:
    server, clock = Server(expires_in=100), Clock()
    transport, _ = logged_in(server, clock)
    for passed, tokens in ((0, 1), (79, 1), (2, 2), (78, 2), (3, 3)):
        clock.advance(passed)
        read(transport)
        assert len(server.tokens) == tokens


@pytest.mark.parametrize("life", [None, "soon", 0, -5, True, "nan"])
def test_a_life_that_cannot_be_read_counts_as_short(life: Any) -> None:
    server, clock = Server(expires_in=life), Clock()
    _, credentials = logged_in(server, clock)
    token = credentials.token()
    assert token.ends_at - clock() == 300


def test_a_refused_token_is_renewed_once_and_the_request_sent_again() -> None:
    server = Server()
    transport, credentials = logged_in(server, Clock())
    read(transport)
    with server.lock:
        server.tokens.append(server.tokens[0])  # the server has forgotten t1
    assert read(transport)["id"] == "p1"
    assert len(server.tokens) == 3
    assert credentials.renew("Bearer t1")  # somebody else's stale refusal asks nobody
    assert len(server.tokens) == 3


def test_many_threads_cause_one_renewal() -> None:
    server, clock = Server(), Clock()
    transport, _ = logged_in(server, clock)
    with ThreadPoolExecutor(8) as pool:
        assert all(found["id"] == "p1" for found in pool.map(lambda _: read(transport), range(32)))
    assert len(server.tokens) == 1


def test_an_early_renewal_that_fails_leaves_the_old_token_in_use() -> None:
    server, clock = Server(expires_in=100), Clock()
    _, credentials = logged_in(server, clock)
    credentials.token()
    clock.advance(85)
    server.faults = [httpx.Response(502)]
    assert credentials.authorization() == "Bearer t1"
    assert credentials.authorization() == "Bearer t1"  # not asked again at once
    assert len(server.tokens) == 2
    clock.advance(6)
    assert credentials.authorization() == "Bearer t3"
    assert clock.sleeps == []


def test_a_token_endpoint_that_asks_for_patience_gets_it_also_after_an_early_renewal() -> None:
    server, clock = Server(expires_in=100), Clock()
    _, credentials = logged_in(server, clock)
    credentials.token()
    clock.advance(85)
    server.faults = [httpx.Response(429, headers={"Retry-After": "60"})]
    assert credentials.authorization() == "Bearer t1"
    clock.advance(10)
    assert credentials.authorization() == "Bearer t1"
    assert len(server.tokens) == 2
    clock.advance(10)  # the old token has ended
    assert credentials.authorization() == "Bearer t3"
    assert clock.sleeps == [40]


def test_tokens_that_live_for_seconds_are_renewed_before_each_end() -> None:
    server, clock = Server(expires_in=3), Clock()
    transport, _ = logged_in(server, clock)
    for _ in range(40):
        read(transport)
        clock.advance(0.5)
    # Renewed at 2.4 s of 3: never refused, never later than that.
    assert len([one for one in server.asked if one.url.path.endswith("Patient/p1")]) == 40
    assert 7 <= len(server.tokens) <= 9


def test_a_token_that_has_ended_waits_for_the_busy_server() -> None:
    server, clock = Server(expires_in=100), Clock()
    _, credentials = logged_in(server, clock)
    credentials.token()
    clock.advance(101)
    server.faults = [httpx.Response(502)] * 3
    assert credentials.authorization() == "Bearer t5"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            400,
            {"error": "invalid_client", "error_description": "unknown key"},
            'invalid_client: "unknown key".*keys jwks',
        ),
        (401, {"error": "invalid_client"}, "invalid_client.*clock"),
        (400, {"error": "invalid_scope"}, "doctor"),
        (400, "<html>", "no error code"),
        (403, {"error": 7}, "no error code"),
    ],
)
def test_a_refused_log_in_says_what_to_do_and_is_not_repeated(status: int, body: Any, told: str) -> None:
    server, clock = Server(), Clock()
    server.faults = [httpx.Response(status, json=body)]
    transport, _ = logged_in(server, clock)
    with pytest.raises(e.LogInRefusedError, match=told):
        read(transport)
    assert len(server.tokens) == 1
    assert KEYS["ES384"][40:60] not in str(server.tokens)


@pytest.mark.parametrize(
    "granted",
    [
        {"access_token": None},
        {"access_token": "a b"},
        {"access_token": "x\ny"},
        {"access_token": ""},
        {"token_type": "mac"},
    ],
)
def test_an_answer_without_a_usable_token_is_named(granted: dict[str, Any]) -> None:
    transport, _ = logged_in(Server(**granted), Clock())
    with pytest.raises(e.NotFhirError, match="token"):
        read(transport)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://login.example/token", "http"),
        ("https://user@login.example/token", "user name"),
        ("https://169.254.169.254/token", "link-local"),
        ("https://[::ffff:169.254.169.254]/token", "link-local"),
        ("https://login.example/token#x", "fragment"),
        ("https://login.example/%2e%2e/token", "climbs"),
        ("ftp://login.example/token", "plain http or https"),
    ],
)
def test_no_assertion_goes_to_a_doubtful_address(address: str, told: str) -> None:
    server = Server()
    server.configuration = {"token_endpoint": address}
    transport, _ = logged_in(server, Clock())
    with pytest.raises(e.ForeignAddressError, match=told):
        read(transport)
    assert server.tokens == []


def test_a_redirecting_token_endpoint_is_not_followed() -> None:
    server = Server()
    server.faults = [httpx.Response(307, headers={"Location": "https://evil.example/"})]
    transport, _ = logged_in(server, Clock())
    with pytest.raises(SourceError):
        read(transport)
    assert len(server.tokens) == 1


def test_without_a_well_known_document_the_capability_statement_tells() -> None:
    class Older(Server):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("metadata"):
                uris = {
                    "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                    "extension": [{"url": "token", "valueUri": TOKEN_URL}],
                }
                return fhir({"resourceType": "CapabilityStatement", "rest": [{"security": {"extension": [uris]}}]})
            return super().handle_request(request)

    server = Older()
    server.configuration = None
    transport, credentials = logged_in(server, Clock())
    assert read(transport)["id"] == "p1"
    assert credentials.endpoints().found_in == "metadata"


def test_a_server_that_names_no_token_endpoint_is_told_apart() -> None:
    server = Server()
    server.configuration = None
    transport, _ = logged_in(server, Clock())
    with pytest.raises(e.UnsupportedServerError, match="token_url"):
        read(transport)
    transport, _ = logged_in(server, Clock(), token_url=TOKEN_URL)
    assert read(transport)["id"] == "p1"


def test_what_was_not_granted_is_named() -> None:
    server = Server(scope="system/Patient.read launch")
    _, credentials = logged_in(server, Clock(), scopes=("system/Patient.rs", "system/Claim.crus"))
    assert credentials.missing() == ("Claim: create, read, update, search",)


def test_a_server_of_the_older_scopes_is_asked_in_its_own_way() -> None:
    server = Server()
    server.configuration = {**CONFIGURATION, "capabilities": ["permission-v1"]}
    words: dict[str, Any] = {"scopes": (), "scopes_v1": "system/Patient.read", "scopes_v2": "system/Patient.rs"}
    transport, _ = logged_in(server, Clock(), **words)
    read(transport)
    assert server.forms()[0]["scope"] == "system/Patient.read"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "not a key",
        '{"kty": "oct", "k": "AAAA"}',
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ],
)
def test_what_is_no_key_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ConfigurationError, match="keys make"):
        read_private_key(text, origin="file k")


def test_a_public_key_and_another_curve_are_refused() -> None:
    public = read_private_key(KEYS["ES384"], origin="k").as_pem(private=False).decode()
    other = ECKey.generate_key("P-256").as_pem(private=True).decode()
    for text in (public, other):
        with pytest.raises(ConfigurationError, match="another kind"):
            read_private_key(text, origin="file k")


def test_the_key_set_holds_no_private_part() -> None:
    keys = [read_private_key(KEYS[name], origin="k") for name in ("RS384", "ES384")]
    shown = public_key_set(keys)
    assert [key["alg"] for key in shown["keys"]] == ["RS384", "ES384"]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in shown["keys"] for name in key}
    with pytest.raises(ConfigurationError, match="same key id"):
        public_key_set([keys[0], keys[0]])

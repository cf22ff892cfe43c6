"""Key pairs of SMART Backend Services: made, read, and shown as the key set that a server registers.

RS384 and ES384 are the two algorithms that every server must take (SMART App Launch 2, "Asymmetric client
authentication"). The private key never leaves its file; the key set holds public keys only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from caretally.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joserfc.jwk import ECKey, RSAKey

# ruff: noqa: PLC0415 -- joserfc brings the cryptography, 0.1 s to import, which runs without SMART need not pay

Algorithm = Literal["RS384", "ES384"]
RSA_BITS = 3072
LEAST_RSA_BITS = 2048
_CURVE = "P-384"
PUBLIC_MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e"})


def new_private_key(algorithm: Algorithm) -> bytes:
    """Make a private key; PEM, PKCS#8, not encrypted."""
    from joserfc.jwk import ECKey, RSAKey

    key = RSAKey.generate_key(RSA_BITS) if algorithm == "RS384" else ECKey.generate_key(_CURVE)
    return key.as_pem(private=True)


def read_private_key(text: str, *, origin: str) -> RSAKey | ECKey:
    """Read a private key from PEM or from a JWK in JSON.

    Args:
        text: the key.
        origin: where it came from, for the error text.

    Raises:
        ConfigurationError: no private RSA key of 2048 bits or more, and no private key on the curve P-384.
    """
    import json

    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey, import_key

    wanted = (
        "wanted is a private key, RSA of 2048 bits or more or on the curve P-384, as PEM or JWK (`caretally keys make`)"
    )
    try:
        if text.lstrip().startswith("{"):
            document = json.loads(text)
            if document.get("kty") not in {"RSA", "EC"}:
                raise ConfigurationError(f"{origin} holds a key of another kind; {wanted}")
            key: Any = import_key(document)
        else:
            key = _from_pem(text)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise ConfigurationError(f"{origin} holds no key that can be read; {wanted}") from None
    if isinstance(key, RSAKey) and key.is_private:
        if key.private_key is not None and key.private_key.key_size >= LEAST_RSA_BITS:
            return key
        raise ConfigurationError(f"{origin} holds an RSA key that is too short; {wanted}")
    if isinstance(key, ECKey) and key.is_private and key.curve_name == _CURVE:
        return key
    raise ConfigurationError(f"{origin} holds a key of another kind, or a public one; {wanted}")


def _from_pem(text: str) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    try:
        return RSAKey.import_key(text)
    except (JoseError, ValueError, TypeError):
        return ECKey.import_key(text)


def algorithm_of(key: RSAKey | ECKey) -> Algorithm:
    """Tell with which algorithm a key signs."""
    return "RS384" if key.key_type == "RSA" else "ES384"


def key_id_of(key: RSAKey | ECKey) -> str:
    """Give the key's own ``kid``, else its RFC 7638 thumbprint, the same on every machine."""
    return key.kid or key.thumbprint()


def public_key_set(private_keys: Sequence[RSAKey | ECKey]) -> dict[str, Any]:
    """Give the JWKS to register: public parts only; several keys while one replaces another.

    Raises:
        ConfigurationError: two keys have one key id.
    """
    keys: list[dict[str, Any]] = []
    for key in private_keys:
        shown: dict[str, Any] = dict(key.as_dict(private=False))
        public = {name: value for name, value in shown.items() if name in PUBLIC_MEMBERS}
        keys.append({**public, "use": "sig", "key_ops": ["verify"], "alg": algorithm_of(key), "kid": key_id_of(key)})
    if len({key["kid"] for key in keys}) < len(keys):
        raise ConfigurationError("two of the keys have the same key id; name each key once")
    return {"keys": keys}

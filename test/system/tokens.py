"""Whoever logs customers in, for tests: keys of its own, and tokens that say what a test wants."""

import base64
import hashlib
import hmac
import json
import os
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size):
    return text(value.to_bytes(size, "big"))


class Key:
    """One of HS256, RS256, ES256; `jwk()` is what goes into auth.keys_file."""

    def __init__(self, alg, kid):
        self.alg, self.kid = alg, kid
        if alg == "HS256":
            self._own = os.urandom(32)
        elif alg == "RS256":
            self._own = rsa.generate_private_key(65537, 2048)
        else:
            self._own = ec.generate_private_key(ec.SECP256R1())

    @classmethod
    def read(cls, file):
        """The secret of a system's own tokens, from its session.keys."""
        jwk, = json.loads(file.read_text(encoding="ascii"))["keys"]
        key = cls(jwk["alg"], jwk["kid"])
        key._own = base64.urlsafe_b64decode(jwk["k"] + "=" * (-len(jwk["k"]) % 4))
        return key

    def jwk(self):
        named = {"kid": self.kid, "alg": self.alg, "use": "sig"}
        if self.alg == "HS256":
            return named | {"kty": "oct", "k": text(self._own)}
        numbers = self._own.public_key().public_numbers()
        if self.alg == "RS256":
            return named | {"kty": "RSA", "n": number(numbers.n, 256), "e": number(numbers.e, 3)}
        return named | {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32),
                        "y": number(numbers.y, 32)}

    def _signature(self, data):
        if self.alg == "HS256":
            return hmac.digest(self._own, data, "sha256")
        if self.alg == "RS256":
            return self._own.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(self._own.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sign(self, claims, **header):
        head = {"alg": self.alg, "typ": "JWT", "kid": self.kid} | header
        data = f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}"
        return f"{data}.{text(self._signature(data.encode()))}"

    def token(self, user, seconds=3600, **claims):
        return self.sign({"sub": user, "exp": int(time.time()) + seconds} | claims)


def unsigned(claims, **header):
    """`none`, as it is written."""
    head = {"alg": "none"} | header
    return f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}."


def confused(key, claims):
    """HS256 with a public key for the secret, and its kid."""
    head = {"alg": "HS256", "kid": key.kid}
    data = f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}"
    secret = json.dumps(key.jwk()).encode()
    return f"{data}.{text(hmac.new(secret, data.encode(), hashlib.sha256).digest())}"


def key_set(*keys):
    return json.dumps({"keys": [key.jwk() for key in keys]})

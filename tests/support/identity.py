"""The identity that a decision names, for tests that need no particular one."""

from orchestration.domain.request import Identity

SHOWN = Identity(nonce="n" * 22, digest="d" * 64)
OTHER_NONCE = "o" * 22

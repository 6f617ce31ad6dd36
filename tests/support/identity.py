"""What a decision is about, where a test needs none in particular."""

from orchestration.domain.request import Identity

SHOWN = Identity(nonce="n" * 22, digest="d" * 64)
OTHER_NONCE = "o" * 22

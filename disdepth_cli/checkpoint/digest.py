"""The digest of a file's words and tensors, which tells a flipped bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest_of(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Of a text, and of tensors' names, types, shapes and numbers."""
    digest = hashlib.blake2b(text.encode(), digest_size=20)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

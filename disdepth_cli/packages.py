"""Optional packages, and the one command that installs each."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from disdepth_cli.errors import DisdepthError, MissingError

_OWN = ", in an environment of its own: it brings older packages along"
INSTALL = {
    "matplotlib": "pip install 'disdepth[plots]'",
    "h5py": "pip install 'disdepth[formats]'",
    "OpenEXR": "pip install 'disdepth[formats]'",
    "datasets": "pip install 'disdepth[hub-data]'",
    "tensorboard": "pip install 'disdepth[tensorboard]'",
    **{name: f"pip install {name}" for name in ("wandb", "mlflow", "comet_ml", "aim", "clearml", "dvclive")},
    "onnx": "pip install 'disdepth[export]'",
    "onnxscript": "pip install 'disdepth[export]'",
    "onnxruntime": "pip install 'disdepth[export]'",
    "openvino": "pip install 'disdepth[openvino]'",
    "ncnn": "pip install 'disdepth[ncnn]'",
    "pnnx": "pip install 'disdepth[ncnn]'",
    "MNN": "pip install 'disdepth[mnn]'",
    "coremltools": "pip install 'disdepth[coreml]'",
    "litert_torch": f"pip install 'disdepth[litert]'{_OWN}",
    "ai_edge_litert": f"pip install 'disdepth[litert]'{_OWN}",
}
"""Package, as it is imported, to the command."""


def optional(module: str, asked: object, broken: type[DisdepthError]) -> ModuleType:
    """A module of an optional package.

    asked: the option or file that needs it, for the error. broken: the error where it is there and does not load.

    Raises:
        MissingError: it is not installed; the message says the one command that installs it.
    """
    package = module.split(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] == package:
            raise MissingError(f"{asked}: needs {package}, which is not installed; {INSTALL[package]}") from None
        raise broken(f"{asked}: {package} is installed but cannot be used ({error}); install it again") from error

"""One file a command: flags -> config -> one engine call -> print."""

from disdepth_cli.cli.commands.acclimate import acclimate
from disdepth_cli.cli.commands.benchmark import benchmark
from disdepth_cli.cli.commands.check import check
from disdepth_cli.cli.commands.compare import compare
from disdepth_cli.cli.commands.convert_teacher import convert_teacher
from disdepth_cli.cli.commands.demo import demo
from disdepth_cli.cli.commands.distill import distill
from disdepth_cli.cli.commands.evaluate import evaluate
from disdepth_cli.cli.commands.export import export
from disdepth_cli.cli.commands.list import list_names
from disdepth_cli.cli.commands.pack import pack
from disdepth_cli.cli.commands.predict import predict
from disdepth_cli.cli.commands.push import push

COMMANDS = (
    *(demo, list_names, check, acclimate, distill, evaluate, predict, compare),
    *(benchmark, export, pack, push, convert_teacher),
)
"""In the order of the help."""

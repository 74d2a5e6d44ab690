"""The program: its commands, and how every failure becomes one line on stderr and an exit code.

Exit codes: 0 done, 1 ``reproduce`` found a difference, 2 bad input or usage, 130 interrupted.
"""

import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from platformdirs import user_cache_dir
from typer.core import TyperGroup

from solver.cli import (
    continuous_commands,
    curves_commands,
    dynamics_commands,
    explore_command,
    logs_commands,
    market_commands,
    mechanism_commands,
    study_commands,
    sweep_command,
    uncertainty_commands,
)

BAD_INPUT, INTERRUPTED, PIPE_CLOSED = 2, 130, 1


class _OneLineErrors(TyperGroup):
    """A group of commands that reports failures in one line and without a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run one command line and exit; arguments behind the second are Typer's and have no effect here."""
        given = sys.argv[1:] if args is None else list(args)
        code = 0
        try:
            with self.make_context("ttc-games" if prog_name is None else prog_name, given) as context:
                self.invoke(context)
            sys.stdout.flush()
        except typer.Exit as stop:
            code = stop.exit_code
        except (KeyboardInterrupt, EOFError, typer.Abort) as stop:
            # A command that can be gone on with says so in the exception.
            code = _fail(str(stop) if isinstance(stop, KeyboardInterrupt) and str(stop) else "interrupted", INTERRUPTED)
        except BrokenPipeError:
            # The reader of our output has gone: leave nothing for the interpreter to flush into the closed pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = PIPE_CLOSED
        except Exception as error:
            message = _in_words(error)
            if message is None:
                raise
            code = _fail(message, BAD_INPUT)
        sys.exit(code)


def _fail(message: str, code: int) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


def _in_words(error: Exception) -> str | None:
    """What to tell the user about an expected failure; ``None`` for a bug, which keeps its traceback."""
    from games.errors import InputError, PrecisionError

    if isinstance(error, InputError | PrecisionError) or type(error).__name__ == "PoisonedChunks":
        return str(error)
    if isinstance(error, OSError):
        place = "output" if error.filename is None else error.filename
        return f"{place}: {error.strerror}; check the path, its permissions and the free space"
    # Typer's usage errors; their base class moved between its releases, their interface did not.
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "ttc-games"
        text = error.format_message().rstrip()
        if text.startswith("Usage:"):  # a command was called without arguments: this is its whole help
            text = "no command"
        return f"{text.rstrip('.')}; see '{command} --help'"
    return None


app = typer.Typer(
    name="ttc-games",
    cls=_OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        from games.version import VERSION

        print(f"ttc-games {VERSION}")
        raise typer.Exit
    return wanted


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Solve games of test-time compute: certified equilibria, welfare, and what an auction would change.

    Money is computed in dollars per query and shown in dollars per 1000 queries. Every command but explore takes
    --json FILE, or --json - for JSON on standard output; the schema stands in docs/reference/json.md.
    """


for _command in (
    logs_commands.ingest,
    curves_commands.curves,
    market_commands.scenarios,
    market_commands.solve,
    market_commands.dynamics,
    dynamics_commands.learn,
    continuous_commands.continuous,
    continuous_commands.sensitivity,
    sweep_command.sweep,
    mechanism_commands.compare,
    uncertainty_commands.uncertainty,
    study_commands.reproduce,
    study_commands.report,
    explore_command.explore,
):
    app.command()(_command)


def _keep_compiled_code() -> None:
    """Have JAX keep compiled code in the user's cache folder: a command's second run starts in half the time.

    Set ``JAX_COMPILATION_CACHE_DIR`` to another folder, or ``JAX_ENABLE_COMPILATION_CACHE=0`` for none.
    """
    folder = user_cache_dir("ttc-games", appauthor=False)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return  # a home that cannot be written to: compile anew every time, without a word
    if not os.access(folder, os.W_OK):
        return
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def main() -> NoReturn:
    """Entry point of the console command ``ttc-games``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Tables hold Greek letters: a terminal that cannot show them gets question marks, not a crash.
        sys.stdout.reconfigure(errors="replace")
    # Tracing makes many short-lived objects and few cycles; Python looks for cycles behind every 700 of them.
    gc.set_threshold(50_000, 20, 20)
    _keep_compiled_code()
    app()
    sys.exit(0)

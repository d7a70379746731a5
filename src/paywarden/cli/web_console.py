"""`paywarden console`: the web page for analysts and model owners, and who may use it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from paywarden.cli.console import log, out, settings_of
from paywarden.cli.service import MetricsPort
from paywarden.events.accounts import ROLES, Role
from paywarden.wiring.console import console_accounts

app = typer.Typer(help="The web page for analysts and model owners.", invoke_without_command=True)
user = typer.Typer(no_args_is_help=True, help="Who may use the console.")
app.add_typer(user, name="user")

Database = Annotated[str | None, typer.Option(help="sqlite:///file or postgresql://… of the cases.")]


@app.callback()
def console(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="The port [default: 8090].")] = None,
    database: Database = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Serve the console: the queue of cases, models, monitoring, the stream's health.

    Make an account first, and run `paywarden alerts run` beside it.

    Examples: [bold]paywarden console user add ann --role lead[/], [bold]paywarden console --port 8090[/]
    """
    if context.invoked_subcommand is not None:
        return
    # The web framework is imported only by what serves: every other command starts sooner.
    from paywarden.service.console.server import serve_console  # noqa: PLC0415

    settings = settings_of(console__host=host, console__port=port, cases__database=database, metrics__port=metrics_port)
    log.use(settings.logs, "console")
    if not console_accounts(settings).all():
        log.warn("nobody can log in yet: make an account with `paywarden console user add`")
    log.say(f"console: http://{settings.console.host}:{settings.console.port}/")
    serve_console(settings, log.say)


@user.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The name to log in with.")],
    role: Annotated[str, typer.Option(help=f"{', '.join(ROLES)}.")] = "analyst",
    database: Database = None,
) -> None:
    """Make an account, or give one a new password and role. The password is asked for, or read from standard input.

    Example: [bold]paywarden console user add ann --role analyst[/]
    """
    if role not in ROLES:
        raise typer.BadParameter(f"--role is {role!r}; roles are {', '.join(ROLES)}")
    asks = sys.stdin.isatty()
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if asks else sys.stdin.readline()
    chosen: Role = next(known for known in ROLES if known == role)
    is_new = console_accounts(settings_of(cases__database=database)).put(name, password.rstrip("\n"), chosen)
    out.print(f"{name} is {role}" if is_new else f"{name} is {role} with a new password", highlight=False)


@user.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Whose account.")], database: Database = None) -> None:
    """Remove an account; whoever uses it is logged out.

    Example: [bold]paywarden console user remove ann[/]
    """
    console_accounts(settings_of(cases__database=database)).remove(name)
    out.print(f"{name} is removed", highlight=False)


@user.command("list")
def list_users(database: Database = None) -> None:
    """Who may log in, and as what.

    Example: [bold]paywarden console user list[/]
    """
    for known in console_accounts(settings_of(cases__database=database)).all():
        out.print(f"{known.name}\t{known.role}", highlight=False)

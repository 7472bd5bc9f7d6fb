"""What can be written behind `dragoman`."""

from __future__ import annotations

import pytest

from llm.cli.arguments import COMMANDS, parse


def test_options_stand_before_or_behind_the_prompt() -> None:
    for words in (["-m", "x", "Hi", "-s", "y"], ["Hi", "-m", "x", "-s", "y"], ["-m", "x", "-s", "y", "Hi"]):
        arguments = parse(words)
        assert (arguments.prompt, arguments.model, arguments.system) == ("Hi", "x", "y")


def test_what_is_not_said_has_its_default() -> None:
    arguments = parse([])

    assert (arguments.command, arguments.prompt, arguments.model, arguments.timeout) == ("", None, None, None)
    assert (arguments.stream, arguments.json, arguments.verbose, arguments.show_thinking) == (True, False, False, False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_the_first_word(command: str) -> None:
    assert parse([command]).command == command


@pytest.mark.parametrize("words", [["chat", "-m", "x"], ["-m", "x", "chat"]])
def test_options_of_a_command_stand_before_or_behind_it(words: list[str]) -> None:
    arguments = parse(words)

    assert (arguments.command, arguments.model) == ("chat", "x")


@pytest.mark.parametrize("prompt", [*COMMANDS, "--help", "-m"])
def test_behind_two_dashes_everything_is_a_prompt(prompt: str) -> None:
    arguments = parse(["-m", "x", "--", prompt])

    assert (arguments.command, arguments.prompt, arguments.model) == ("", prompt, "x")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["why", "is", "it"], "'is' is one word too many; a prompt of several stands in quotes; see 'dragoman --help'"),
        (["chat", "now"], "'now' is one word too many; a prompt of several stands in quotes; see 'dragoman chat"),
        (["--fast", "Hi"], "there is no option '--fast'"),
        (["--verb", "Hi"], "there is no option '--verb'"),
        (["doctor", "--json"], "there is no option '--json'; see 'dragoman doctor --help'"),
        (["--", "a", "b"], "behind -- stands the prompt, in quotes, and nothing else"),
        (["Hi", "--"], "behind -- stands the prompt, in quotes, and nothing else"),
        (["a", "--", "b"], "there are two prompts, one before and one behind --"),
        (["chat", "--", "b"], "there are two prompts, one before and one behind --"),
        (["--temperature", "nan"], "argument --temperature: invalid number value: 'nan'"),
        (["--max-tokens", "1.5"], "argument --max-tokens: invalid int value: '1.5'"),
        (["-m"], "argument -m/--model: expected one argument"),
    ],
)
def test_what_means_nothing_is_one_line_and_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(words)

    err = capsys.readouterr().err
    assert end.value.code == 2
    assert err.startswith(f"dragoman: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["chat"], ["models"], ["doctor"]], ids=str)
def test_everything_has_a_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse([*words, "--help"])

    out = capsys.readouterr().out
    assert end.value.code == 0
    assert out.startswith(f"usage: {' '.join(['dragoman', *words])}")
    assert "SUPPRESS" not in out

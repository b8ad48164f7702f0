"""Man pages out of what the command says of itself: a page for the command and one for each of its subcommands.

usage: martlet --experimental-dump-help | manual.py DIRECTORY VERSION
"""

import json
import pathlib
import sys


def escaped(text):
    """Text of roff: no line of it is a request, and a hyphen is a hyphen."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def discussion(text):
    """Paragraphs; what is indented are examples and stays as it is."""
    for line in text.split("\n"):
        if line.startswith("  "):
            yield f".nf\n{escaped('    ' + line.strip())}\n.fi"
        elif line:
            yield escaped(line)
        else:
            yield ".PP"


def name(argument):
    """`-h, --help`, `--config file`, `account`."""
    if argument["kind"] == "positional":
        return escaped(argument["valueName"])
    names = [("-" if one["kind"] == "short" else "--") + one["name"] for one in argument.get("names", [])]
    value = f" \\fI{escaped(argument['valueName'])}\\fR" if argument["kind"] == "option" else ""
    return ", ".join(f"\\fB{escaped(one)}\\fR" for one in names) + value


def shown(command, key):
    return [one for one in command.get(key, []) if one.get("shouldDisplay", True)]


def usage(words, command):
    yield f"\\fB{escaped(' '.join(words))}\\fR"
    if shown(command, "subcommands"):
        yield "\\fIsubcommand\\fR"
    for argument in shown(command, "arguments"):
        if argument["kind"] == "positional":
            text = f"\\fI{escaped(argument['valueName'])}\\fR" + (" ..." if argument["isRepeating"] else "")
            yield f"[{text}]" if argument["isOptional"] else text
        elif [one["name"] for one in argument.get("names", [])][-1] not in ("help", "version"):
            yield f"[{name(argument).split(', ')[-1]}]" if argument["isOptional"] else name(argument).split(", ")[-1]


def options(command):
    for argument in shown(command, "arguments"):
        yield f".TP\n{name(argument)}"
        words = [argument.get("abstract", ""), argument.get("discussion", "")]
        if "defaultValue" in argument:
            words.append(f"Default: {argument['defaultValue']}.")
        yield "\n".join(escaped(one) for one in words if one) or "\\&"


def body(words, command, level):
    """The sections of a command, then those of what is below it."""
    yield f"{level} {escaped(' '.join(words)).upper() if level == '.SH' else escaped(' '.join(words))}"
    yield escaped(command.get("abstract", ""))
    yield ".PP\n" + " ".join(usage(words, command))
    if command.get("discussion"):
        yield ".PP\n" + "\n".join(discussion(command["discussion"]))
    yield from options(command)
    for one in shown(command, "subcommands"):
        if one["commandName"] != "help":
            yield from body([*words, one["commandName"]], one, ".SS")


def page(words, command, version):
    title = "-".join(words)
    yield f'.TH {escaped(title.upper())} 1 "" "Martlet {version}" "Martlet"'
    yield f".SH NAME\n{escaped(title)} \\- {escaped(command.get('abstract', '').rstrip('.'))}"
    yield f".SH SYNOPSIS\n{' '.join(usage(words, command))}"
    if command.get("discussion"):
        yield ".SH DESCRIPTION\n" + "\n".join(discussion(command["discussion"]))
    if shown(command, "arguments"):
        yield ".SH OPTIONS\n" + "\n".join(options(command))
    below = [one for one in shown(command, "subcommands") if one["commandName"] != "help"]
    if below:
        yield ".SH SUBCOMMANDS"
    for one in below:
        if len(words) == 1:
            yield f".TP\n\\fB{escaped(one['commandName'])}\\fR\n{escaped(one.get('abstract', ''))}"
        else:
            yield from body([*words, one["commandName"]], one, ".SS")
    yield ".SH FILES\n.TP\n/etc/martlet/martlet.toml\nThe configuration, with every setting and its default.\n.TP\n/var/lib/martlet\nThe data."
    others = ["martlet"] if len(words) > 1 else [f"martlet-{one['commandName']}" for one in below]
    yield ".SH SEE ALSO\n" + ", ".join(f"\\fB{escaped(one)}\\fR(1)" for one in others)


def main():
    directory, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    command = json.load(sys.stdin)["command"]
    pages = [([command["commandName"]], command)]
    pages += [([command["commandName"], one["commandName"]], one) for one in shown(command, "subcommands")]
    for words, one in pages:
        if words[-1] != "help":
            (directory / f"{'-'.join(words)}.1").write_text("\n".join(page(words, one, version)) + "\n")


main()

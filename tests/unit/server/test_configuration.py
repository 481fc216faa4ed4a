"""Settings by flags, environment and file."""

import argparse
import io
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from elanus.errors import InvalidArgumentError
from elanus_server import Settings, cli
from elanus_server.configuration import Configuration, configure
from elanus_server.options import GROUPS, SECRETS, Option, options


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(arguments)


def flags(*arguments: str) -> dict[str, object]:
    return {name: value for name, value in vars(parsed(*arguments)).items() if value is not None}


OTHER = {
    "path": "./kb",
    "host": "0.0.0.0",
    "port": 1,
    "rest_port": None,
    "metrics_port": 2,
    "threads": 3,
    "max_message_bytes": 4096,
    "auth": True,
    "root_password": "secret",
    "tls_cert": "cert.pem",
    "tls_key": "key.pem",
    "tls_client_ca": "ca.pem",
    "import_folder": "./files",
    "grace_s": 1.5,
}
"""Other values than the defaults, of the settings that there are."""


def value_of(name: str) -> object:
    """Return another value than the default, also for settings that this file does not know."""
    if name in OTHER:
        return OTHER[name]
    option = options()[name]
    if option.is_mapping:
        return {"a.b": 1.5}
    if bool in option.kinds:
        return not option.default
    return 7777 if int in option.kinds or float in option.kinds else "other"


ALL = {field.name: value_of(field.name) for field in fields(Settings)}


def text_of(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={number}" for name, number in value.items())
    return "none" if value is None else str(value)


def test_every_setting_is_reached_by_a_flag(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    given = [str(ALL["path"])]
    for name, value in ALL.items():
        flag = f"--{name.replace('_', '-')}"
        if name in SECRETS:
            given += [f"{flag}-file", str(secret)]
        elif isinstance(value, bool):
            given.append(flag if value else flag.replace("--", "--no-", 1))
        elif name != "path":
            given += [flag, text_of(value)]
    found = configure(flags(*given), {})
    assert found.settings == Settings(**ALL)  # type: ignore[arg-type]
    assert found.origins["port"] == "--port"
    assert found.origins["root_password"] == "--root-password-file"
    assert found.origins["path"] == "argument path"


def test_every_setting_is_reached_by_a_variable() -> None:
    environment = {f"ELANUS_{name.upper()}": text_of(value) for name, value in ALL.items()}
    found = configure({}, environment)
    assert found.settings == Settings(**ALL)  # type: ignore[arg-type]
    assert found.origins == {name: f"ELANUS_{name.upper()}" for name in ALL}


def test_every_setting_is_reached_by_the_file_that_show_config_writes(tmp_path: Path) -> None:
    shown = Configuration(Settings(**ALL), dict.fromkeys(ALL, "a test")).to_toml()  # type: ignore[arg-type]
    assert "secret" not in shown.replace("root_password: set, not shown", "")
    file = tmp_path / "elanus.toml"
    file.write_text(f'{shown}\nroot_password = "secret"\n')
    found = configure({"config": str(file)}, {})
    assert found.settings == Settings(**ALL)  # type: ignore[arg-type]
    assert found.origins == {name: f"{file}, key {name}" for name in ALL}


def test_values_of_toml_have_its_types(tmp_path: Path) -> None:
    file = tmp_path / "elanus.toml"
    file.write_text('path = "a\\"b"\nport = 5\nauth = true\ngrace_s = 2\nmetrics_port = "none"\n')
    settings = configure({}, {"ELANUS_CONFIG": str(file)}).settings
    assert settings == Settings('a"b', port=5, auth=True, grace_s=2.0, metrics_port=None)
    assert isinstance(settings.grace_s, float)


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "elanus.toml"
    file.write_text('path = "file"\nport = 1\nthreads = 1\nhost = "file"\n')
    environment = {"ELANUS_PORT": "2", "ELANUS_THREADS": "2", "ELANUS_CONFIG": "not used"}
    found = configure({"config": str(file), "port": "3"}, environment)
    assert found.settings == Settings("file", "file", 3, threads=2)
    assert found.summary() == (
        f'host = "file" ({file}, key host); port = 3 (--port); threads = 2 (ELANUS_THREADS)'
    )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PORT": "70000"}, "ELANUS_PORT: expected a number from 0 to 65535, got '70000'"),
        ({"PORT": "many"}, "ELANUS_PORT: expected a number from 0 to 65535, got 'many'"),
        (
            {"REST_PORT": "-1"},
            "ELANUS_REST_PORT: expected 'shared' or a number from 0 to 65535 or 'none', got '-1'",
        ),
        ({"AUTH": "perhaps"}, "ELANUS_AUTH: expected true or false, got 'perhaps'"),
        ({"THREADS": "0"}, "ELANUS_THREADS: expected a whole number of at least 1, got '0'"),
        ({"THREADS": "4 MB"}, "ELANUS_THREADS: expected a whole number of at least 1, got '4 MB'"),
        ({"GRACE_S": "-1"}, "ELANUS_GRACE_S: expected a number of at least 0, got '-1'"),
        ({"GRACE_S": "inf"}, "ELANUS_GRACE_S: expected a number of at least 0, got 'inf'"),
        ({"GRACE_S": "nan"}, "ELANUS_GRACE_S: expected a number of at least 0, got 'nan'"),
        (
            {"MAX_MESSAGE_BYTES": "big"},
            "ELANUS_MAX_MESSAGE_BYTES: expected a size of at least 1024 bytes, such as '64 MiB', "
            "got 'big'",
        ),
        ({"PATH": ""}, "path: not given; expected an argument, the variable ELANUS_PATH or "
         "the key path of the file"),
        ({"ROOT_PASSWORD_FILE": "/none"}, "ELANUS_ROOT_PASSWORD_FILE: cannot read /none: "
         "[Errno 2] No such file or directory: '/none'"),
    ],
)  # fmt: skip
def test_wrong_variables_are_named(environment: dict[str, str], message: str) -> None:
    given = {f"ELANUS_{name}": value for name, value in environment.items()}
    with pytest.raises(InvalidArgumentError) as caught:
        configure({}, {"ELANUS_PATH": "./kb", **given})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "key prot: there is no such setting; did you mean port?"),
        ("port = true", "key port: expected a number from 0 to 65535, got True"),
        ("auth = 1", "key auth: expected true or false, got 1"),
        ('threads = "a"', "key threads: expected a whole number of at least 1, got 'a'"),
        ("root_password = 1", "key root_password: expected another value"),
    ],
)
def test_wrong_keys_of_the_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "elanus.toml"
    file.write_text(text)
    with pytest.raises(InvalidArgumentError) as caught:
        configure({"path": "./kb", "config": str(file)}, {})
    assert str(caught.value) == f"{file}, {message}"


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"/none\.toml: cannot be read: No such file"):
        configure({"path": "./kb", "config": str(tmp_path / "none.toml")}, {})
    file = tmp_path / "elanus.toml"
    file.write_text("port: 1")
    with pytest.raises(InvalidArgumentError, match=r"elanus\.toml: expected TOML"):
        configure({"path": "./kb", "config": str(file)}, {})


def test_sizes_have_units() -> None:
    option = options()["max_message_bytes"]
    assert [option.read(text) for text in ("2048", "3kB", "5 MiB")] == [2048, 3000, 5 * 1024**2]
    assert option.read("2Gi") == 2 * 1024**3


def test_numbers_by_name_come_from_texts_and_tables() -> None:
    option = Option("limits", "", {}, (Mapping,), ())
    wanted = {"dql.max": 10.0, "dml.max": 0.5}
    assert option.read("dql.max=10, dml.max=0.5") == wanted
    assert option.read(["dql.max=10", "dml.max=0.5"]) == wanted
    assert option.read({"dql": {"max": 10}, "dml.max": 0.5}) == wanted
    assert option.read(tomllib.loads(f"a = {option.shown(wanted)}")["a"]) == wanted
    assert option.shown({}) == "{}"
    for wrong in ("dql.max", "dql.max=many", ["="], {"dql": "many"}, {"dql": [1]}):
        with pytest.raises(ValueError, match=r"expected NAME=NUMBER, separated by commas, got"):
            option.read(wrong)


def test_variables_that_kubernetes_makes_for_a_service_are_left_alone() -> None:
    environment = {"ELANUS_PATH": "./kb", "ELANUS_PORT": "tcp://10.0.0.1:19530"}
    assert configure({}, environment).settings == Settings("./kb")


def test_show_config_tells_everything_but_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ELANUS_ROOT_PASSWORD", "geheim")
    out = io.StringIO()
    assert cli.run(parsed("./kb", "--auth", "--show-config"), out) == 0
    lines = out.getvalue().splitlines()
    assert {'path = "./kb"  # argument path', "auth = true  # --auth"} <= set(lines)
    assert "# root_password: set, not shown  # ELANUS_ROOT_PASSWORD" in lines
    assert "port = 19530  # default" in lines
    assert "geheim" not in out.getvalue()
    assert len(lines) == len(fields(Settings))


def test_every_setting_is_explained_and_grouped() -> None:
    known = options()
    assert [name for name, option in known.items() if not option.about] == []
    assert {name for names in GROUPS.values() for name in names} <= set(known)
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    text = " ".join(parser.format_help().split())
    assert "--grace-s SECONDS seconds that calls under way have when the server stops (10)" in text
    assert "--root-password-file FILE file that holds the password of the user root" in text

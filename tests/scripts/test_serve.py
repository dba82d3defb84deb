import importlib.util
import socket
import sys
from pathlib import Path

import pytest
from harness.server import free_port

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("serve", ROOT / "scripts" / "serve.py")
assert spec is not None
assert spec.loader is not None
serve = importlib.util.module_from_spec(spec)
spec.loader.exec_module(serve)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1", "[::1]"])
def test_loopback_hosts_are_served(host):
    serve.check_host(host, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.example.org", ""])
def test_any_other_host_is_refused_and_the_message_says_what_to_do(host):
    with pytest.raises(serve.ServeError, match=r"HOST=.*access control.*INSECURE=1"):
        serve.check_host(host, insecure=False)
    serve.check_host(host, insecure=True)


def test_refusal_is_one_line_and_an_exit_status(capsys):
    assert serve.main(["--host", "0.0.0.0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("make serve: HOST=0.0.0.0")
    assert said.count("\n") == 1


def test_who_means_it_is_believed_by_the_app_too(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(serve, "run", lambda command, *_: started.append(command) or 0)
    for more in ([], ["--insecure", "--host", "0.0.0.0"]):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        assert serve.main(["--studies", str(tmp_path), "--port", port, *more]) == 0
    careful, open_to_all = started
    assert "insecure" not in careful
    assert open_to_all[-3:] == ["--conf", "insecure", "true"]


def test_a_port_in_use_is_said_before_anything_is_started():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(serve.ServeError, match="PORT="):
            serve.check_port("127.0.0.1", other.getsockname()[1])


def test_sample_data_is_copied_once_and_what_readers_changed_is_kept(tmp_path):
    (tmp_path / "sample_data" / "toy").mkdir(parents=True)
    (tmp_path / "sample_data" / "toy" / "a.png").write_bytes(b"image")
    copy = serve.sample_studies("toy", tmp_path)
    assert (copy / "a.png").read_bytes() == b"image"
    (copy / "a.png").write_bytes(b"changed")
    assert serve.sample_studies("toy", tmp_path) == copy
    assert (copy / "a.png").read_bytes() == b"changed"
    assert [p.name for p in (tmp_path / "var").iterdir()] == ["toy"]


def test_a_task_without_sample_data_needs_studies(tmp_path):
    with pytest.raises(serve.ServeError, match="STUDIES="):
        serve.sample_studies("own", tmp_path)
    with pytest.raises(serve.ServeError, match="is not a folder"):
        serve.find_studies(str(tmp_path / "missing"), "own")


def test_an_archives_password_goes_to_the_server_as_a_variable_and_not_on_its_command_line():
    studies, login = serve.find_studies("http://ann:s3cret@pacs:8042/dicom-web", "phantom_2d")
    assert studies == "http://pacs:8042/dicom-web"
    assert login == {"MONAI_LABEL_DICOMWEB_USERNAME": "ann", "MONAI_LABEL_DICOMWEB_PASSWORD": "s3cret"}
    assert "s3cret" not in " ".join(serve.server_command(studies, "127.0.0.1", 8000, "phantom_2d"))
    with pytest.raises(serve.ServeError, match="no address"):
        serve.find_studies("http://", "phantom_2d")


def test_a_program_is_given_the_variables(capfd):
    assert (
        serve.run(
            [sys.executable, "-c", "import os; print(os.environ['GIVEN'])"], "http://127.0.0.1:1", "", {"GIVEN": "this"}
        )
        == 0
    )
    assert "this" in capfd.readouterr().out


def test_other_settings_reach_the_app():
    assert serve.parse_settings(["send=seg,sr", "cache_gb=5"]) == {"send": "seg,sr", "cache_gb": "5"}
    command = serve.server_command("/data", "127.0.0.1", 8000, "phantom_2d", send="seg")
    assert command[-3:] == ["--conf", "send", "seg"]
    with pytest.raises(serve.ServeError, match="CONF=send: settings are KEY=VALUE"):
        serve.parse_settings(["send"])


def test_command_is_what_the_readme_says():
    command = serve.server_command("/data", "127.0.0.1", 8123, "phantom_3d", database=None, reviewers=None)
    assert command[:4] == [sys.executable, "-m", "monailabel.main", "start_server"]
    assert command[-6:] == ["127.0.0.1", "--port", "8123", "--conf", "task", "phantom_3d"]
    with_database = serve.server_command("/data", "::1", 1, "t", database="postgresql+psycopg:///xal")
    assert with_database[-3:] == ["--conf", "database", "postgresql+psycopg:///xal"]


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:8000"), ("0.0.0.0", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000")],
)
def test_printed_address_can_be_opened(host, address):
    assert serve.base_address(host, 8000) == address


@pytest.mark.slow
def test_greets_once_the_server_answers_and_returns_its_status(tmp_path, capfd):
    (tmp_path / "info").mkdir()
    port = free_port()
    program = (  # it ends a while after it was asked for the first time
        "import http.server, time, os, functools;"
        f"handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory={str(tmp_path)!r});"
        f"server = http.server.HTTPServer(('127.0.0.1', {port}), handler);"
        "server.handle_request(); time.sleep(2.5); os._exit(3)"
    )
    assert serve.run([sys.executable, "-c", program], f"http://127.0.0.1:{port}", "open this", {}) == 3
    assert "open this" in capfd.readouterr().out

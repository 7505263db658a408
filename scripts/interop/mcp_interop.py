"""The official Python SDK (PyPI mcp, 1.x or 2.x) and Apprentice speak MCP with each other.

    mcp_interop.py APPRENTICE          (scripts/interop/mcp.sh calls it, with one SDK after the other)

The SDK's client drives `apprentice mcp`; a server written with the SDK
(examples/functions/weather_server.py) is a task's tools, over standard streams
and over streamable HTTP.
"""
import asyncio
import importlib.metadata
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

import mcp
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

APPRENTICE = os.path.abspath(sys.argv[1])
EXAMPLES = os.path.abspath("examples/functions")
ENVIRONMENT = dict(os.environ, PATH=os.path.dirname(os.path.abspath(sys.executable)) + ":" + os.environ["PATH"],
                   PYTHONDONTWRITEBYTECODE="1")
passed = failed = 0


def check(what, ok, got=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print(f"FAILED: {what}: {got}")


def either(thing, *names):
    """A member by its name in SDK 1 or SDK 2."""
    return next(getattr(thing, name) for name in names if hasattr(thing, name))


# ---- their client, our server ----

def text_of(result):
    return result.content[0].text, either(result, "isError", "is_error")


async def drive(session, version):
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    check(f"{version}: lists the tools", {"Sum", "Prove", "AddPremise"} <= set(tools), sorted(tools))
    schema = either(tools["Prove"], "inputSchema", "input_schema")
    check(f"{version}: has schemas", schema["required"] == ["goal"], schema)
    for name, arguments, expected in [
        ("Sum", {"a": 0.1, "b": 0.2}, ("0.3", False)),
        ("Divide", {"a": 1, "b": 3}, ("1/3", False)),
        ("Divide", {"a": 1, "b": 0}, ("Error: division by zero", True)),
        ("AddPremise", {"formula": "forall x. (Cat(x) -> Pet(x))"}, ("premise 1", False)),
        ("AddPremise", {"formula": "Cat(tom)"}, ("premise 2", False)),
        ("Prove", {"goal": "Pet(tom)"}, ("True", False)),
        ("Prove", {"goal": "Pet(bob)"}, ("Unknown", False)),
    ]:
        got = text_of(await session.call_tool(name, arguments))
        check(f"{version}: {name} {arguments}", got == expected, got)
    try:
        got = await session.call_tool("Fly", {})
        check(f"{version}: an unknown tool is refused", either(got, "isError", "is_error"), got)
    except Exception as error:
        check(f"{version}: an unknown tool is refused", "Unknown tool" in str(error), error)


async def their_client(version):
    parameters = StdioServerParameters(command=APPRENTICE, args=["mcp"])
    if hasattr(mcp, "Client"):  # SDK 2; "auto" first asks for a revision that we do not have
        async with mcp.Client(parameters, mode=version) as client:
            await drive(client, version)
        return
    mcp.types.LATEST_PROTOCOL_VERSION = version
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        agreed = await session.initialize()
        check(f"{version}: is agreed", agreed.protocolVersion == version, agreed.protocolVersion)
        await session.send_ping()
        await drive(session, version)


# ---- our client, their server ----

def our_client(task, transport):
    for call, expected in [
        ("forecast(city='Oslo')", "-3 C"),
        ("forecast(city='Rome', days=2)", "15 C"),
        ("forecast('Rome', 2, unit='F')", "59 F"),
        ('{"name": "forecast", "arguments": {"city": "Oslo", "days": 3}}', "0 C"),
        ("cities()", "Rome"),
        ("forecast(city='Oslo', unit='K')", 'must be one of "C", "F"'),
        ("forecast(city='Oslo', days=1.5)", "must be a whole number"),
        ("forecast(city='Atlantis')", "Error executing tool forecast"),
    ]:
        done = subprocess.run([APPRENTICE, "call", task, call], capture_output=True, text=True, env=ENVIRONMENT)
        got = done.stdout + done.stderr
        check(f"{transport}: {call}", expected in got and (done.returncode == 0) == ("Error" not in got), got)
    done = subprocess.run([APPRENTICE, "call", task, "--list"], capture_output=True, text=True, env=ENVIRONMENT)
    check(f"{transport}: described", "forecast(city: string, days: number = 1, unit: string = 'C') Gives the highest "
          "temperature of the next days in a city." in done.stdout, done.stdout)


def own_task(folder, name, entry):
    """examples/functions/weather.yaml with another way to the server."""
    text = open(os.path.join(EXAMPLES, "weather.yaml")).read()
    path = os.path.join(folder, name)
    open(path, "w").write(re.sub(r"  - mcp:.*?(?=problems:)", entry, text, flags=re.S))
    return path


def their_server():
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(EXAMPLES, "weather_server.py")
        our_client(own_task(folder, "stdio.yaml", f"  - mcp: [python3, {script}]\n    memory: 4096\n    start_timeout: 300\n"), "stdio")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 8000)) == 0:
                print("skipped: port 8000 is taken, so there is no HTTP")
                return
        server = subprocess.Popen([sys.executable, script, "--http"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", 8000)) == 0:
                        break
                time.sleep(0.1)
            our_client(own_task(folder, "http.yaml", "  - mcp: http://127.0.0.1:8000/mcp\n"), "HTTP")
        finally:
            server.terminate()
            server.wait()


for revision in (["auto", "legacy"] if hasattr(mcp, "Client") else ["2025-11-25", "2025-06-18"]):
    asyncio.run(their_client(revision))
their_server()
print(f"mcp {importlib.metadata.version('mcp')}: {passed} passed, {failed} failed")
sys.exit(failed > 0)

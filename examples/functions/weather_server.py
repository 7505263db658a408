"""weather_server.py - an MCP server with the Python SDK (pip install mcp), as weather.yaml uses it."""
import sys
from typing import Literal

try:  # mcp 2
    from mcp.server import MCPServer as Server
except ImportError:  # mcp 1
    from mcp.server.fastmcp import FastMCP as Server

server = Server("weather")
FORECAST = {"Oslo": [-3, -1, 0], "Rome": [14, 15, 13]}


@server.tool()
def forecast(city: str, days: int = 1, unit: Literal["C", "F"] = "C") -> str:
    """Gives the highest temperature of the next days in a city."""
    if city not in FORECAST:
        raise ValueError(f"no forecast for {city}")
    highest = max(FORECAST[city][:days])
    return f"{highest if unit == 'C' else highest * 9 / 5 + 32:g} {unit}"


@server.tool()
def cities() -> list[str]:
    """Lists the cities that there is a forecast for."""
    return sorted(FORECAST)


if __name__ == "__main__":
    server.run("streamable-http" if "--http" in sys.argv else "stdio")

"""Public fakes: vendors on real sockets that speak, stream, refuse and fail as the real ones do; fakes of ports.

from levelhead.testing import FakeAnthropic, Reply

async with FakeAnthropic() as claude:
    claude.script(Reply(text="Hello"))
    ...  # base_url: claude.url, key: claude.api_key
"""

from .fake_anthropic import FakeAnthropic
from .fake_deepseek import FakeDeepSeek
from .fake_openai import FakeOpenAI
from .fakes import FakeClock, FakeStream, FakeUpstream, answer_of
from .http_server import Received
from .redis_server import RedisServer
from .replies import Fault, Refusal, Reply, Scripted, ToolUse
from .vendor import ThreadedVendor, VendorServer

__all__ = [
    "FakeAnthropic",
    "FakeClock",
    "FakeDeepSeek",
    "FakeOpenAI",
    "FakeStream",
    "FakeUpstream",
    "Fault",
    "Received",
    "RedisServer",
    "Refusal",
    "Reply",
    "Scripted",
    "ThreadedVendor",
    "ToolUse",
    "VendorServer",
    "answer_of",
]

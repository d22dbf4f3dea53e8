"""A scripted server that speaks the protocol of OpenAI-compatible providers: HTTP on loopback, no model behind it.

A :class:`Script` says who gets which answer, faults included, as a function of what is asked; the server keeps all that
it was asked. Whoever asks is the real client.
"""

from model_server.replies import Broken, Call, Refuse, Reply, Say, Slow
from model_server.script import Asked, Script, UnscriptedError
from model_server.server import ModelServer

__all__ = ["Asked", "Broken", "Call", "ModelServer", "Refuse", "Reply", "Say", "Script", "Slow", "UnscriptedError"]

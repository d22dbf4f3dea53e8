"""From what a user names to a chat model: one clear line where that cannot be, before anything starts."""

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from delegation import ConfigurationError

if TYPE_CHECKING:  # loading it takes longer than a run of the rules
    from langchain_core.language_models import BaseChatModel

__all__ = ["RULES", "check_name", "model_named", "name_of"]

RULES = "rules"
"""The brain that needs no model."""

_EXTRAS = {"openai": "openai", "anthropic": "anthropic", "ollama": "ollama"}
_KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "azure_openai": "AZURE_OPENAI_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistralai": "MISTRAL_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "xai": "XAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "together": "TOGETHER_API_KEY",
    "fireworks": "FIREWORKS_API_KEY",
    "cohere": "COHERE_API_KEY",
}
_WANTED: dict[str, Any] = {"max_retries": 0, "stream_usage": True}
"""What a client is told, if it can be told so."""

_PACKAGE = re.compile(r"langchain[-_][a-z0-9_-]+")
_UNKNOWN = re.compile(r"infer model provider|Unsupported provider")
_KEY = re.compile(r"api[-_ ]?key|credential|token|_KEY\b", re.IGNORECASE)
_NAME = re.compile(r"^(?P<provider>[a-z][a-z0-9_-]*):(?P<model>\S+)$")

_HINT = 'give provider:model, such as "openai:gpt-5" or "ollama:qwen3", or "rules"'


def check_name(name: str) -> None:
    """Refuse what is no name of a model; whether there is such a model shows when it is made."""
    if name != RULES and not _NAME.match(name):
        raise ConfigurationError(f"{name[:80]!r} names no model", hint=_HINT)


def model_named(name: str) -> "BaseChatModel":
    """Return the chat model of an ``init_chat_model`` name.

    Its client tries nothing again by itself, where it can be told so: the squad does, and two that do multiply. It
    counts its tokens where it streams as well.

    Raises:
        ConfigurationError: the name is none, or a package or a key is missing.
    """
    check_name(name)
    provider = name.partition(":")[0].replace("-", "_")
    if find_spec("langchain") is None:
        raise _lacks(name, provider, "langchain")
    from langchain.chat_models import init_chat_model  # noqa: PLC0415 - an extra, and slow to load

    try:
        fields = type(init_chat_model(name)).model_fields
        model: BaseChatModel = init_chat_model(name, **{one: to for one, to in _WANTED.items() if one in fields})
    except ImportError as error:
        found = _PACKAGE.search(str(error))
        raise _lacks(name, provider, found[0] if found else str(error).split("\n")[0]) from error
    except Exception as error:  # each provider's client has its own errors for a missing key
        raise _trouble(name, provider, error) from error
    return model


def name_of(model: "BaseChatModel") -> str:
    """Return what a model that was given as an object is called where it is remembered and counted."""
    kind = type(model).__name__
    fields = (getattr(model, field, None) for field in ("model_name", "model", "model_id", "deployment_name"))
    name = next((one for one in fields if isinstance(one, str) and one), None)
    return f"{kind}:{name}" if name else kind


def _lacks(name: str, provider: str, package: str) -> ConfigurationError:
    extra = _EXTRAS.get(provider)
    ways = [
        *(["make model"] if extra == "openai" else []),
        f"pip install '{f'squad-graph[{extra}]' if extra else package}'",
    ]
    return ConfigurationError(f"the model {name!r} needs {package}, which is not installed", hint=" or ".join(ways))


def _trouble(name: str, provider: str, error: Exception) -> ConfigurationError:
    """Return what is wrong with a model that cannot be made, without the values that an error may quote."""
    if _KEY.search(str(error)):
        variable = _KEYS.get(provider)
        hint = f"set {variable}" if variable else "its provider's documentation says how"
        return ConfigurationError(f"the model {name!r} needs a key, and there is none", hint=hint)
    if _UNKNOWN.search(str(error)):
        return ConfigurationError(f"the model {name!r} is of no known provider", hint=_HINT)
    return ConfigurationError(f"the model {name!r} cannot be set up: {type(error).__name__}", hint=_HINT)

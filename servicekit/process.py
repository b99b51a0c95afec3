"""One service process, from its settings to a graceful stop."""

from servicekit.definition import Background, Runtime, ServiceDefinition

__all__ = ["Background", "Runtime", "ServiceDefinition"]

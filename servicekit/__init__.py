"""What a service process needs beside the engine: settings, tokens, access, HTTP, health, metrics, assembly."""

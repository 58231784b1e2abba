"""What a test of the live service by its OpenAPI document needs to know beside it; schemathesis loads this."""

import requests
import schemathesis


# A value is what the body is, whatever its Content-Type says: nothing is made JSON, YAML or a form of it.
@schemathesis.serializer(
    "application/json",
    "text/json",
    "text/plain",
    "text/yaml",
    "text/x-yaml",
    "text/vnd.yaml",
    "text/yml",
    "application/yaml",
    "application/x-yaml",
    "application/xml",
    "text/xml",
    "multipart/form-data",
    "multipart/mixed",
    "application/x-www-form-urlencoded",
)
def as_it_is(context, value):
    value = getattr(value, "data", value)
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/octet-stream")
def bytes_of(context, response):
    return response.content.decode("latin-1")


@schemathesis.hook
def filter_case(context, case):
    """Of what schemathesis 4.32 does to headers: a number is no valid entity tag, and an unknown header is no fault."""
    if "x-schemathesis-unknown-property" in case.headers:
        return False
    return not any(str(case.headers.get(name, "")).isdecimal() for name in ("If-Match", "If-None-Match"))


@schemathesis.hook
def map_case(context, case):
    """The document says in words that the two never come together: OpenAPI has no way to."""
    if "If-Match" in case.headers and "If-None-Match" in case.headers:
        del case.headers["If-None-Match"]
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    """Half of the sessions that are read or renewed are there."""
    key = str((case.path_parameters or {}).get("key", ""))
    if case.method in ("GET", "HEAD", "PATCH") and key and len(key) % 2 == 0:
        requests.put(case.as_transport_kwargs()["url"], data=b"a session", timeout=10)

"""Cloud Storage's buckets and objects, as far as an upload of training data and a state need them."""

from reconciler.emulator.storage import xml_api
from reconciler.emulator.storage.errors import error_body
from reconciler.emulator.storage.routes import route
from reconciler.emulator.storage.uploads import resume

__all__ = ["error_body", "resume", "route", "xml_api"]

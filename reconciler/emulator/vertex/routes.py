"""The methods of Vertex AI; they are the same in v1 and v1beta1."""

from reconciler.emulator.call import Router
from reconciler.emulator.vertex import copies, deployments, endpoints, inference, jobs, models, operations

_JOB = r"tuningJobs/(?P<job>[^/:]+)"
_MODEL = r"models/(?P<model>[^/:]+)"
_ENDPOINT = r"endpoints/(?P<endpoint>[^/:]+)"
_SERVING = rf"(?:{_ENDPOINT}|publishers/google/models/(?P<publisher_model>[^/:]+))"
_PARENT = r"(?:(?P<collection>tuningJobs|models|endpoints)/(?P<parent>[^/:]+)/)?"
_OPERATION = _PARENT + r"operations/(?P<operation>[^/:]+)"
_PAGE = "filter page_size page_token"
_ORDERED_PAGE = f"{_PAGE} order_by read_mask"

ROUTES = Router(
    r"/(?P<version>v1|v1beta1)/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/",
    (
        ("POST", "tuningJobs", jobs.create, ""),
        ("GET", "tuningJobs", jobs.list_jobs, _PAGE),
        ("GET", _JOB, jobs.get, ""),
        ("POST", _JOB + ":cancel", jobs.cancel, ""),
        ("POST", "tuningJobs:rebaseTunedModel", jobs.rebase, None),
        ("POST", "models:copy", copies.copy, ""),
        ("GET", "models", models.list_models, _ORDERED_PAGE),
        ("GET", _MODEL, models.get, ""),
        ("PATCH", _MODEL, models.patch, "update_mask"),
        ("DELETE", _MODEL, models.delete, ""),
        ("GET", _MODEL + "(?P<versions>:listVersions)", models.list_versions, _ORDERED_PAGE),
        ("GET", _MODEL + ":listCheckpoints", models.list_checkpoints, "page_size page_token"),
        ("POST", _MODEL + ":mergeVersionAliases", models.merge_aliases, ""),
        ("DELETE", _MODEL + ":deleteVersion", models.delete_version, ""),
        ("GET", "endpoints", endpoints.list_endpoints, _ORDERED_PAGE + " gdc_zone"),
        ("POST", "endpoints", endpoints.create, "endpoint_id"),
        ("POST", _ENDPOINT + ":deployModel", deployments.deploy, ""),
        ("POST", _ENDPOINT + ":undeployModel", deployments.undeploy, ""),
        ("POST", _ENDPOINT + ":mutateDeployedModel", deployments.mutate, ""),
        ("GET", _ENDPOINT, endpoints.get, ""),
        ("PATCH", _ENDPOINT, endpoints.patch, "update_mask"),
        ("DELETE", _ENDPOINT, endpoints.delete, ""),
        ("POST", _SERVING + ":(?P<method>generateContent|streamGenerateContent)", inference.generate, ""),
        ("POST", _ENDPOINT + ":predict", inference.predict, None),
        ("POST", _SERVING + ":countTokens", inference.count_tokens, ""),
        ("GET", _PARENT + "operations", operations.list_operations, _PAGE + " return_partial_success"),
        ("GET", _OPERATION, operations.get, ""),
        ("POST", _OPERATION + ":wait", operations.wait, "timeout"),
        ("POST", _OPERATION + ":cancel", operations.cancel, ""),
        ("DELETE", _OPERATION, operations.delete, ""),
    ),
)

"""The kinds of error. Each says who must act: the writer of the spec, the cluster's keeper, or nobody but time."""

import re

_QUOTA = re.compile(r"exceeded quota")
_ADMISSION = re.compile(r"admission webhook|ValidatingAdmissionPolicy|violates PodSecurity|is forbidden by")


class OperatorError(Exception):
    """Base of every error that the operator raises on purpose."""

    reason = "Error"
    """One word in CamelCase, as conditions and Events have it."""


class RenderError(OperatorError):
    """The chart does not take these values: the sentence is helm's own."""

    reason = "RenderFailed"


class SpecError(OperatorError):
    """The spec contradicts itself in a way that the API server could not see: the sentence names the field."""

    reason = "InvalidSpec"


class UnreachableError(OperatorError):
    """The API server did not answer: nothing to do but to ask again."""

    reason = "ApiServerAway"


class ApiError(OperatorError):
    """The API server refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status."""
        self.code = code
        """The server's own word for it, such as `Conflict`."""

    @property
    def gone(self) -> bool:
        """Whether the object is not there; of a kind that is not there the server has no word for it."""
        return self.status == 404 and self.code == "NotFound" and str(self).endswith(" not found")

    @property
    def reason(self) -> str:  # type: ignore[override]
        """What is behind it, as far as it can be told: each of these asks something else of a person."""
        text = str(self)
        if _QUOTA.search(text):
            return "QuotaExceeded"
        if _ADMISSION.search(text):
            return "AdmissionRefused"
        if self.status == 403:
            return "NotAllowed"
        if self.status == 404:
            return "Gone" if self.gone else "ApiMissing"
        if self.status == 422:
            return "FieldRefused"
        return "ApplyFailed"


ADVICE = {
    "AccountClaimed": "name the Secret of another account, or delete one of the two",
    "QuotaExceeded": "raise the namespace's ResourceQuota or lower what the components ask for",
    "AdmissionRefused": "mend what the admission policy names, under spec.components, or the policy",
    "NotAllowed": "the operator's ClusterRole lacks this right: upgrade its chart; KEDA wants its value keda: true",
    "ApiMissing": "install the CustomResourceDefinition of this kind, or turn off what asks for it",
    "FieldRefused": "mend the field; if it cannot be changed in place, delete the object and it is made anew",
    "RenderFailed": "mend the field that the message names",
    "InvalidSpec": "mend the field that the message names",
}
"""What a person can do, a reason."""

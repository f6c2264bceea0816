"""Who the operator is to the API server: its service account in a cluster, a kubeconfig elsewhere."""

from datetime import UTC, datetime, timedelta

import kopf

_GOOD_FOR_S = 600


def login() -> kopf.ConnectionInfo:
    """Where the API server is and how to speak to it. Raises `kopf.LoginError` where neither is there."""
    settings = kopf.OperatorSettings()
    found = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)
    if found is None:
        raise kopf.LoginError("no service account and no kubeconfig: set KUBECONFIG")
    return found


def expiring_login() -> kopf.ConnectionInfo:
    """The same, to be asked for again: kopf reads the token of a service account once."""
    found = login()
    until = datetime.now(UTC) + timedelta(seconds=_GOOD_FOR_S)
    return kopf.ConnectionInfo(**{**vars(found), "expiration": until})

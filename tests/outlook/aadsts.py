"""What the sign-in service says when it refuses: the AADSTS codes of OUTLOOK.md section 6 and the few
more that a strict service needs, each with the OAuth word that a client may branch on.

Microsoft's words are kept where public logs show them; `{0}` is filled in from the request. The
description spreads over lines (CR LF, trace, correlation, time) as the real one does, so a client
that promises one line has to make one.
"""
import collections
import time
import uuid

Kind = collections.namedtuple("Kind", "error text status suberror page", defaults=(400, None, False))

# page: at the authorize step this is shown to the user and never sent to the redirect address, which
# cannot be trusted then (RFC 6749 section 4.1.2.1).
AADSTS = {
    16000: Kind("interaction_required", "User account '{0}' from identity provider 'live.com' does not exist in "
                "tenant 'Microsoft Services' and cannot access the application in that tenant."),
    50011: Kind("invalid_request", "The redirect URI '{0}' specified in the request does not match the redirect "
                "URIs configured for the application.", page=True),
    50020: Kind("invalid_grant", "User account '{0}' from identity provider 'live.com' does not exist in tenant "
                "'Contoso' and cannot access the application in that tenant."),
    50147: Kind("invalid_request", "The size of the code challenge parameter is not valid."),
    501481: Kind("invalid_grant", "The Code_Verifier does not match the code_challenge supplied in the "
                 "authorization request."),
    53003: Kind("invalid_grant", "Access has been blocked by Conditional Access policies. The access policy does "
                "not allow token issuance.", suberror="message_only"),
    530035: Kind("invalid_grant", "Access has been blocked by security defaults.", suberror="message_only"),
    54005: Kind("invalid_grant", "OAuth2 Authorization code was already redeemed, please retry with a new valid "
                "code or use an existing refresh token."),
    65001: Kind("invalid_grant", "The user or administrator has not consented to use the application with ID "
                "'{0}'. Send an interactive authorization request for this user and resource.",
                suberror="consent_required"),
    65004: Kind("access_denied", "User declined to consent to access the app."),
    70000: Kind("invalid_grant", "The provided value for the input parameter '{0}' is not valid, or the scopes "
                "requested are unauthorized or expired."),
    70003: Kind("unsupported_grant_type", "The app requested an unsupported grant type '{0}'."),
    70007: Kind("invalid_request", "'{0}' is not a supported value of 'response_mode' here."),
    70008: Kind("invalid_grant", "The provided authorization code or refresh token has expired due to inactivity. "
                "Send a new interactive authorization request for this user and resource."),
    70011: Kind("invalid_scope", "The provided value for the input parameter 'scope' is not valid. The scope '{0}' "
                "is not valid."),
    70016: Kind("authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: Kind("bad_verification_code", "The verification code is not valid."),
    70020: Kind("expired_token", "The provided value for the input parameter 'device_code' is not valid. This "
                "device_code has expired."),
    700016: Kind("unauthorized_client", "Application with identifier '{0}' was not found in the directory "
                 "'Microsoft Accounts'.", page=True),
    700025: Kind("invalid_client", "Client is public so neither 'client_assertion' nor 'client_secret' should be "
                 "presented.", status=401),
    700054: Kind("unsupported_response_type", "response_type '{0}' is not enabled for the application."),
    700082: Kind("invalid_grant", "The refresh token has expired due to inactivity. The token was issued on "
                 "2026-04-20T14:30:28.0990908Z and was inactive for 90.00:00:00."),
    7000218: Kind("invalid_client", "The request body must contain the following parameter: 'client_assertion' or "
                  "'client_secret'.", status=401),
    90002: Kind("invalid_request", "Tenant '{0}' not found. Check to make sure you have the correct tenant ID.",
                page=True),
    90094: Kind("interaction_required", "Admin consent is required for the permissions requested by this "
                "application."),
    900144: Kind("invalid_request", "The request body must contain the following parameter: '{0}'."),
    900561: Kind("invalid_request", "The endpoint only accepts POST requests. Received a {0} request."),
    9000411: Kind("invalid_request", "The request is not properly formatted. The parameter '{0}' is duplicated."),
    9002313: Kind("invalid_request", "Invalid request. Request is malformed or invalid. ({0})"),
    9002325: Kind("invalid_request", "Proof Key for Code Exchange is required for authorization code redemption."),
    9002332: Kind("invalid_request", "Application '{0}' is configured for use by Microsoft Entra users only. "
                  "Please do not use the /consumers endpoint to serve this request.", page=True),
}
# The codes that OUTLOOK.md says people meet: each is a case in the clients' tests.
PEOPLE_MEET = (16000, 50011, 50020, 53003, 530035, 65001, 65004, 70000, 70008, 700016, 700082, 7000218, 90094,
               9002332)


class Refused(Exception):
    """The answer is an error: an AADSTS code with what fills its text, or any word and text."""

    def __init__(self, code=None, detail="", error=None, text=None, status=None):
        kind = AADSTS.get(code) or Kind("server_error", "An error has occurred.")
        self.code, self.error, self.suberror = code, kind.error if error is None else error, kind.suberror
        self.text = kind.text.replace("{0}", detail) if text is None else text
        self.status, self.page = status or kind.status, kind.page
        super().__init__(f"{self.error} {self.code}")

    def body(self, family):
        """The error as a dict for JSON. login.live.com knows no AADSTS codes."""
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        if family == "live":
            return {"error": self.error, "error_description": self.text, "correlation_id": correlation}
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        body = {"error": self.error,
                "error_description": f"{self.prefix}{self.text}\r\nTrace ID: {trace}\r\n"
                                     f"Correlation ID: {correlation}\r\nTimestamp: {stamp}",
                "error_codes": [self.code] if self.code else [],
                "timestamp": stamp, "trace_id": trace, "correlation_id": correlation}
        if self.code:
            body["error_uri"] = f"https://login.microsoftonline.com/error?code={self.code}"
        if self.suberror:
            body["suberror"] = self.suberror
        return body

    @property
    def prefix(self):
        return f"AADSTS{self.code}: " if self.code else ""

"""Throw-away certificates, made by the openssl command.

`Certificates(directory)` holds one CA and, beside it, what the TLS tests need: a server certificate
for localhost and 127.0.0.1 that the CA signed, one for another host name that it signed too, and one
that it did not sign. Keys are EC (fast to make) and nothing outlives the directory.
"""
import pathlib
import subprocess

GOOD_NAMES = "DNS:localhost,IP:127.0.0.1"
WRONG_NAMES = "DNS:mail.elsewhere.invalid"


class Certificates:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca, self.ca_key = self._authority("ca", "outlookfs test CA")
        self.cert, self.key = self._signed("server", GOOD_NAMES, self.ca, self.ca_key)

    def wrong_name(self):
        """(cert, key) of a certificate that the CA signed for a host that is not this one."""
        return self._signed("wrong-name", WRONG_NAMES, self.ca, self.ca_key)

    def untrusted(self):
        """(cert, key) of a certificate with the right names from a CA that nobody trusts."""
        ca, ca_key = self._authority("other-ca", "another CA")
        return self._signed("untrusted", GOOD_NAMES, ca, ca_key)

    def _authority(self, name, subject):
        cert, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        if not cert.exists():
            self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                          "-nodes", "-days", "30", "-subj", f"/CN={subject}",
                          "-keyout", key, "-out", cert)
        return cert, key

    def _signed(self, name, names, ca, ca_key):
        cert, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        if cert.exists():
            return cert, key
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-subj", "/CN=outlookfs test server", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key,
                      "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", cert)
        return cert, key

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
